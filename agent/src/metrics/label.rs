//! Label values from names that anybody on the host may choose.
//!
//! In: any string. Out: a string that is short and has no control characters. Must not know: which label it is for.

use std::sync::Arc;

use crate::model::is_harmful;

/// Longest label value, in bytes. Prometheus has no limit of its own, but a page is kept in memory here and there.
pub(super) const VALUE_BYTES_MAX: usize = 256;

/// The value as it may be shown: at most [`VALUE_BYTES_MAX`] bytes, cut between characters and then ending in `…`; what is
/// harmful to a terminal or a log replaced by U+FFFD.
pub(super) fn clean(value: &str) -> Arc<str> {
    if value.len() <= VALUE_BYTES_MAX && !value.chars().any(is_harmful) {
        return Arc::from(value);
    }
    let mut clean = String::with_capacity(VALUE_BYTES_MAX);
    for c in value.chars().map(|c| if is_harmful(c) { char::REPLACEMENT_CHARACTER } else { c }) {
        if clean.len() + c.len_utf8() > VALUE_BYTES_MAX {
            while clean.len() + CUT.len_utf8() > VALUE_BYTES_MAX {
                clean.pop();
            }
            clean.push(CUT);
            break;
        }
        clean.push(c);
    }
    Arc::from(clean)
}

const CUT: char = '…';

#[cfg(test)]
mod tests {
    use super::*;

    fn check(value: &str, expected: &str) {
        let clean = clean(value);
        assert_eq!(clean.as_ref(), expected);
        assert!(clean.len() <= VALUE_BYTES_MAX);
    }

    #[test]
    fn values_are_short_and_printable() {
        check("api", "api");
        check("with \"quotes\" and \\", "with \"quotes\" and \\");
        check("a\nb\x1b[31m\u{202e}x\u{7f}", "a\u{fffd}b\u{fffd}[31m\u{fffd}x\u{fffd}");
        check(&"x".repeat(256), &"x".repeat(256));
        check(&"x".repeat(257), &format!("{}…", "x".repeat(253)));
        check(&"é".repeat(1000), &format!("{}…", "é".repeat(126)));
        check(&"\n".repeat(200), &format!("{}…", "\u{fffd}".repeat(84)));
    }
}

//! An error in one line, with what it comes of.

use std::error::Error;

/// What `error` says, and its sources, `: ` between them. Many libraries' errors show their source themselves: nothing is said twice.
#[must_use]
pub fn with_causes(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        let more = cause.to_string();
        if !text.contains(&more) {
            text.push_str(": ");
            text.push_str(&more);
        }
        source = cause.source();
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, thiserror::Error)]
    #[error("{text}")]
    struct Layer {
        text: &'static str,
        source: Option<Box<Layer>>,
    }

    fn check(texts: &[&'static str], expected: &str) {
        let error = texts.iter().rev().fold(None, |source: Option<Box<Layer>>, text| Some(Box::new(Layer { text, source }))).unwrap();
        assert_eq!(with_causes(error.as_ref()), expected);
    }

    #[test]
    fn every_cause_is_said_once() {
        check(&["cannot connect"], "cannot connect");
        check(&["cannot connect", "timed out", "os error 110"], "cannot connect: timed out: os error 110");
        check(&["cannot connect: timed out", "timed out", "os error 110"], "cannot connect: timed out: os error 110");
    }
}

//! Numbers and names for people's eyes. Pure.

use std::time::Duration;

/// A number that is known: `12,345`.
pub(super) fn exact(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::new();
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// A number that is about right, in three digits: `987`, `35.2k`, `1.20M`.
#[expect(clippy::cast_precision_loss, reason = "three digits are shown")]
pub(super) fn about(number: u64) -> String {
    rounded(number as f64)
}

fn rounded(number: f64) -> String {
    // 999.5 in a unit would be shown as 1000.
    let units = [("", 1.0), ("k", 1e3), ("M", 1e6), ("G", 1e9), ("T", 1e12)];
    let (unit, size) = units.into_iter().find(|(_, size)| number.abs() < 999.5 * size).unwrap_or(("P", 1e15));
    let scaled = number / size;
    let places = match scaled.abs() {
        _ if unit.is_empty() => 0,
        small if small < 9.995 => 2,
        middle if middle < 99.95 => 1,
        _ => 0,
    };
    format!("{scaled:.places$}{unit}")
}

/// Events per second: `0`, `0.4`, `19.9`, `412`, `35.2k`.
pub(super) fn rate(per_second: f64) -> String {
    match per_second {
        none if none.abs() < 0.05 => "0".to_owned(),
        small if small.abs() < 99.95 => format!("{small:.1}"),
        large => rounded(large),
    }
}

/// The last two parts of a path: `leaky/main.go`.
pub(super) fn short_path(path: &str) -> &str {
    let mut slashes = path.rmatch_indices('/');
    match slashes.nth(1) {
        Some((at, _)) => path.get(at + 1..).unwrap_or(path),
        None => path,
    }
}

/// `text` without what would move the cursor, in at most `width` characters. Names are chosen by whoever wrote the processes.
pub(super) fn printable(text: &str, width: usize) -> String {
    // As the agent does (agent/src/model/harmful.rs): xtask does not know the agent.
    let is_odd = |c: char| {
        c.is_control()
            || matches!(c, '\u{61c}' | '\u{180e}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}')
    };
    let text: String = text.chars().map(|c| if is_odd(c) { '?' } else { c }).collect();
    clip(&text, width)
}

/// At most `width` characters, the last of them `…` where something is missing.
pub(super) fn clip(text: &str, width: usize) -> String {
    if text.chars().count() <= width {
        return text.to_owned();
    }
    text.chars().take(width.saturating_sub(1)).chain(std::iter::once('…')).take(width).collect()
}

/// Lines of at most `width` characters where words allow, the second and later ones indented by `indent`.
pub(super) fn wrap(text: &str, width: usize, indent: usize) -> Vec<String> {
    let leading = text.chars().take_while(|c| *c == ' ').count();
    let mut lines = vec![];
    let mut line = " ".repeat(leading);
    let mut is_empty = true;
    // Two spaces, as between columns, stay within a line.
    for word in text.trim_start().split(' ') {
        if !is_empty && line.chars().count() + 1 + word.chars().count() > width {
            lines.push(line.trim_end().to_owned());
            line = " ".repeat(indent);
            is_empty = true;
        }
        if !is_empty {
            line.push(' ');
        }
        line.push_str(word);
        is_empty = false;
    }
    lines.push(line);
    lines
}

/// `30s`, `2m`, `500ms` or `45`.
///
/// # Errors
/// It is none of these.
pub(super) fn duration(text: &str) -> Result<Duration, String> {
    let unit_at = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    let (number, unit) = text.split_at(unit_at);
    let number: u64 = number.parse().map_err(|_| "a duration such as 30s, 2m or 500ms is expected".to_owned())?;
    let factor = match unit {
        "ms" => 1,
        "" | "s" => 1_000,
        "m" => 60_000,
        "h" => 3_600_000,
        _ => return Err(format!("`{unit}` is no unit of time: ms, s, m or h are")),
    };
    number.checked_mul(factor).map(Duration::from_millis).ok_or_else(|| "that is too long".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers() {
        let check = |number: u64, exactly: &str, roughly: &str| {
            assert_eq!((exact(number).as_str(), about(number).as_str()), (exactly, roughly), "{number}");
        };
        check(0, "0", "0");
        check(999, "999", "999");
        check(1_000, "1,000", "1.00k");
        check(35_249, "35,249", "35.2k");
        check(99_960, "99,960", "100k");
        check(999_499, "999,499", "999k");
        check(999_500, "999,500", "1.00M");
        check(1_234_567, "1,234,567", "1.23M");
        check(u64::MAX, "18,446,744,073,709,551,615", "18447P");
    }

    #[test]
    fn rates() {
        for (number, expected) in [(0.01, "0"), (0.4, "0.4"), (19.94, "19.9"), (-3.0, "-3.0"), (412.4, "412"), (35_249.0, "35.2k")] {
            assert_eq!(rate(number), expected);
        }
    }

    #[test]
    fn names() {
        for (path, expected) in [("/src/leaky/main.go", "leaky/main.go"), ("main.go", "main.go"), ("a/b.go", "a/b.go"), ("", "")] {
            assert_eq!(short_path(path), expected);
        }
        for (text, width, expected) in
            [("a\x1b[2Jb\n", 20, "a?[2Jb?"), ("abc\u{202e}d", 20, "abc?d"), ("abcdef", 4, "abc…"), ("naïve", 5, "naïve")]
        {
            assert_eq!(printable(text, width), expected);
        }
    }

    #[test]
    fn lines_are_wrapped() {
        let check = |text: &str, width: usize, expected: &[&str]| assert_eq!(wrap(text, width, 4), expected, "{text}");
        check("", 10, &[""]);
        check("  LEAK  one two three", 40, &["  LEAK  one two three"]);
        check("  LEAK  one two three", 14, &["  LEAK  one", "    two three"]);
        check("averylongwordindeed and more", 10, &["averylongwordindeed", "    and", "    more"]);
    }

    #[test]
    fn durations() {
        for (text, expected) in
            [("30s", Some(30_000)), ("2m", Some(120_000)), ("500ms", Some(500)), ("45", Some(45_000)), ("1h", Some(3_600_000))]
        {
            assert_eq!(duration(text).ok(), expected.map(Duration::from_millis), "{text}");
        }
        for text in ["", "s", "3x", "-1s", "99999999999999999999s", "18446744073709551615s"] {
            assert!(duration(text).is_err(), "{text}");
        }
    }
}

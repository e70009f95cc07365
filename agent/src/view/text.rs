//! Numbers and names for people's eyes. In: figures, and strings that others chose. Out: text that is harmless to a terminal. Pure;
//! must not know where it is shown.

use std::time::Duration;

use ratatui::text::Span;

use crate::model::is_harmful;

/// What a bar of a sparkline can be, lowest first.
const BARS: [char; 8] = ['▁', '▂', '▃', '▄', '▅', '▆', '▇', '█'];

/// `12,345`, and from a million on in three digits: `1.23M`. At most seven characters.
pub(super) fn number(number: u64) -> String {
    if number >= 1_000_000 {
        return rounded(float(number), &[("M", 1e6), ("G", 1e9), ("T", 1e12), ("P", 1e15), ("E", 1e18)]);
    }
    let digits = number.to_string();
    match digits.len().checked_sub(3).and_then(|at| digits.split_at_checked(at)) {
        Some((thousands, rest)) if !thousands.is_empty() => format!("{thousands},{rest}"),
        _ => digits,
    }
}

/// Bytes, in three digits: `812B`, `12.0M`.
pub(super) fn bytes(number: u64) -> String {
    const KIB: f64 = 1024.0;
    let units = [("B", 1.0), ("K", KIB), ("M", KIB * KIB), ("G", KIB * KIB * KIB), ("T", KIB * KIB * KIB * KIB)];
    if number < 1000 { format!("{number}B") } else { rounded(float(number), &units) }
}

/// Events in some time: `0`, `0.4`, `19.9`, `412`, `35.2k`.
pub(super) fn rate(events: f64) -> String {
    match events {
        none if none.abs() < 0.05 => "0".to_owned(),
        small if small.abs() < 99.95 => format!("{small:.1}"),
        large => rounded(large, &[("", 1.0), ("k", 1e3), ("M", 1e6), ("G", 1e9), ("T", 1e12)]),
    }
}

/// A change, with its sign: `+12.0`, `-0.3`, `0`.
pub(super) fn change(change: f64) -> String {
    let text = rate(change);
    if change >= 0.05 { format!("+{text}") } else { text }
}

fn rounded(number: f64, units: &[(&str, f64)]) -> String {
    // 999.5 in a unit would be shown as 1000.
    let fits = units.iter().find(|(_, size)| number.abs() < 999.5 * size);
    let (unit, size) = fits.or(units.last()).copied().unwrap_or(("", 1.0));
    let scaled = number / size;
    let places = match scaled.abs() {
        _ if unit.is_empty() => 0,
        small if small < 9.995 => 2,
        middle if middle < 99.95 => 1,
        _ => 0,
    };
    format!("{scaled:.places$}{unit}")
}

/// How long: `0s`, `59s`, `3m10s`, `2h05m`, `3d04h`.
pub(super) fn age(age: Duration) -> String {
    let seconds = age.as_secs();
    match seconds {
        0..60 => format!("{seconds}s"),
        60..3600 => format!("{}m{:02}s", seconds / 60, seconds % 60),
        3600..86_400 => format!("{}h{:02}m", seconds / 3600, seconds / 60 % 60),
        _ => format!("{}d{:02}h", seconds / 86_400, seconds / 3600 % 24),
    }
}

/// The last two parts of a path: `leaky/main.go`.
pub(super) fn short_path(path: &str) -> &str {
    path.rmatch_indices('/').nth(1).and_then(|(at, _)| path.get(at + 1..)).unwrap_or(path)
}

/// A text of somebody else's, with `?` for what is harmful: a cell keeps its width. At most `limit` characters.
pub(super) fn harmless(text: &str, limit: usize) -> String {
    text.chars().take(limit).map(|c| if is_harmful(c) { '?' } else { c }).collect()
}

/// A text in exactly so many columns: padded, at the left when it is to stand right, or cut, with `…` where something is missing.
pub(super) fn fit(text: &str, columns: usize, right: bool) -> String {
    let width = |text: &str| if text.is_ascii() { text.len() } else { Span::raw(text).width() };
    let mut shown = text.to_owned();
    if width(text) > columns {
        // Some characters take two columns, and some none.
        while width(&shown) >= columns.max(1) && shown.pop().is_some() {}
        if columns > 0 {
            shown.push('…');
        }
    }
    let padding = " ".repeat(columns.saturating_sub(width(&shown)));
    if right { padding + &shown } else { shown + &padding }
}

/// The end of a text in at most so many characters, with `…` where its beginning is missing.
pub(super) fn fit_end(text: &str, room: usize) -> String {
    let length = text.chars().count();
    if length <= room {
        return text.to_owned();
    }
    let end = text.chars().skip(length + 1 - room.max(1));
    std::iter::once('…').chain(end).take(room).collect()
}

/// Values, oldest first, as bars. What changes by less than a tenth is drawn as such: nobody shall be alarmed by noise.
pub(super) fn sparkline(values: &[f64]) -> String {
    let (least, most) = values.iter().fold((f64::MAX, 0.0_f64), |(least, most), value| (least.min(*value), most.max(*value)));
    let range = (most - least).max(most / 10.0).max(1.0);
    let bar = |value: &f64| {
        let height = (value - least) / range * 7.0;
        BARS.into_iter().enumerate().rev().find(|(bar, _)| height + 0.5 >= float(*bar as u64)).map_or(' ', |(_, bar)| bar)
    };
    values.iter().map(bar).collect()
}

/// As near as a float comes.
#[expect(clippy::cast_precision_loss, reason = "three digits are shown")]
pub(super) const fn float(number: u64) -> f64 {
    number as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers() {
        for (value, expected) in [
            (0, "0"),
            (999, "999"),
            (1_000, "1,000"),
            (999_999, "999,999"),
            (1_234_567, "1.23M"),
            (999_900_000, "1.00G"),
            (u64::MAX, "18.4E"),
        ] {
            assert_eq!(number(value), expected);
        }
        for (value, expected) in
            [(0, "0B"), (999, "999B"), (1_000, "0.98K"), (4 << 20, "4.00M"), (300 << 30, "300G"), (u64::MAX, "16777216T")]
        {
            assert_eq!(bytes(value), expected);
        }
        for (value, expected) in [(0.01, "0"), (0.4, "+0.4"), (19.94, "+19.9"), (-3.0, "-3.0"), (412.4, "+412"), (35_249.0, "+35.2k")] {
            assert_eq!(change(value), expected);
        }
    }

    #[test]
    fn times() {
        for (seconds, expected) in [(0, "0s"), (59, "59s"), (190, "3m10s"), (7_500, "2h05m"), (273_600, "3d04h")] {
            assert_eq!(age(Duration::from_secs(seconds)), expected);
        }
    }

    #[test]
    fn names_of_strangers() {
        for (text, limit, expected) in [("a\x1b[2Jb\n", 20, "a?[2Jb?"), ("abc\u{202e}d", 20, "abc?d"), ("abcdef", 4, "abcd")] {
            assert_eq!(harmless(text, limit), expected);
        }
        for (path, expected) in [("/src/leaky/main.go", "leaky/main.go"), ("main.go", "main.go"), ("/a.go", "/a.go"), ("", "")] {
            assert_eq!(short_path(path), expected);
        }
    }

    #[test]
    fn cells() {
        for (text, columns, right, expected) in [
            ("ab", 4, false, "ab  "),
            ("ab", 4, true, "  ab"),
            ("abcdef", 4, false, "abc…"),
            ("abcd", 4, false, "abcd"),
            ("日本語", 4, false, "日… "),
            ("x", 0, false, ""),
        ] {
            assert_eq!(fit(text, columns, right), expected);
        }
        for (text, room, expected) in [("abcd", 4, "abcd"), ("abcde", 4, "…cde"), ("abc", 1, "…"), ("abc", 0, "")] {
            assert_eq!(fit_end(text, room), expected);
        }
    }

    #[test]
    fn sparklines() {
        for (values, expected) in
            [(&[][..], ""), (&[5.0], "▁"), (&[0.0, 7.0, 14.0], "▁▅█"), (&[100.0, 101.0, 100.0], "▁▂▁"), (&[1000.0, 1000.0], "▁▁")]
        {
            assert_eq!(sparkline(values), expected);
        }
    }
}

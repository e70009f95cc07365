//! Text for terminals. Input noun: strings that others chose. Output: what may be printed. Must not know what it says.

use std::{
    io::{self, IsTerminal as _, Write as _},
    iter::repeat_n,
};

use crate::model::is_harmful;

/// Prints a text as a whole. Who closes the pipe early (`| head`) has seen enough.
pub(super) fn print(text: &str) -> io::Result<()> {
    match io::stdout().lock().write_all(text.as_bytes()) {
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
        result => result,
    }
}

/// Prints a value as JSON.
pub(super) fn print_json(value: &impl serde::Serialize) -> anyhow::Result<()> {
    let mut text = serde_json::to_string_pretty(value)?;
    text.push('\n');
    Ok(print(&text)?)
}

/// Whether a person reads, and wants colours.
pub(super) fn colours() -> bool {
    io::stdout().is_terminal() && std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty())
}

/// A text of somebody else's: what is harmful is escaped, so that it can be told, and it ends after `limit` characters.
pub(super) fn harmless(text: &str, limit: usize) -> String {
    let mut out: String =
        text.chars().take(limit).map(|c| if is_harmful(c) { c.escape_unicode().to_string() } else { c.to_string() }).collect();
    if text.chars().nth(limit).is_some() {
        out.push('…');
    }
    out
}

/// Rows with columns as wide as their widest cell; the last is not padded.
pub(super) fn table(rows: &[Vec<String>], indent: usize) -> String {
    let width = |column: usize| rows.iter().filter_map(|row| row.get(column)).map(|cell| cell.chars().count()).max().unwrap_or(0);
    let widths: Vec<usize> = (0..rows.iter().map(Vec::len).max().unwrap_or(0)).map(width).collect();
    let mut out = String::new();
    for row in rows {
        out.extend(repeat_n(' ', indent));
        for (column, (cell, width)) in row.iter().zip(&widths).enumerate() {
            out.push_str(cell);
            if column + 1 < row.len() {
                out.extend(repeat_n(' ', width.saturating_sub(cell.chars().count()) + 2));
            }
        }
        out.truncate(out.trim_end_matches(' ').len());
        out.push('\n');
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn harmless_texts() {
        for (text, limit, expected) in [
            ("github.com/a/b", 50, "github.com/a/b"),
            ("\u{1b}[2Jgone", 50, "\\u{1b}[2Jgone"),
            ("a\nb", 50, "a\\u{a}b"),
            ("a\u{202e}b", 50, "a\\u{202e}b"),
            ("größer", 3, "grö…"),
            ("grö", 3, "grö"),
        ] {
            assert_eq!(harmless(text, limit), expected);
        }
    }

    #[test]
    fn tables() {
        let rows = [vec!["a".to_owned(), "größer".to_owned(), "c".to_owned()], vec!["bcd".to_owned(), "e".to_owned(), String::new()]];
        assert_eq!(table(&rows, 2), "  a    größer  c\n  bcd  e\n");
        assert_eq!(table(&[], 2), "");
    }
}

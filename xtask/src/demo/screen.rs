//! The terminal: a picture redrawn in place, or lines appended where there is no terminal. Gives the terminal back when dropped.

use std::io::{IsTerminal as _, Write as _, stdout};
use std::panic;
use std::time::{Duration, Instant};

use anyhow::Result;

use super::text::clip;

/// Another screen, no cursor, no line breaks by itself; and back.
const ENTER: &str = "\x1b[?1049h\x1b[?25l\x1b[?7l\x1b[H\x1b[2J";
const LEAVE: &str = "\x1b[?7h\x1b[?25h\x1b[?1049l";

/// How often a picture is appended where nothing can be redrawn.
const APPEND: Duration = Duration::from_secs(5);

/// How a line looks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Style {
    Plain,
    Bold,
    Dim,
    Bad,
    Good,
}

/// Text without control characters, and how it looks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Line(pub(super) Style, pub(super) String);

impl Line {
    pub(super) fn plain(text: impl Into<String>) -> Self {
        Self(Style::Plain, text.into())
    }
}

/// Where the demo draws.
pub(super) struct Screen {
    in_place: bool,
    colours: bool,
    appended: Option<Instant>,
}

impl Screen {
    /// Takes the terminal, if standard output is one.
    pub(super) fn take() -> Self {
        let is_dumb = std::env::var("TERM").is_ok_and(|term| term == "dumb");
        let in_place = stdout().is_terminal() && !is_dumb;
        if in_place {
            // What a panic says must be seen: the hook runs before anything is dropped.
            let hook = panic::take_hook();
            panic::set_hook(Box::new(move |info| {
                give_back();
                hook(info);
            }));
            let _ = write!(stdout(), "{ENTER}");
            let _ = stdout().flush();
        }
        Self { in_place, colours: colours(), appended: None }
    }

    /// Columns and rows that a picture may have.
    pub(super) fn size(&self) -> (usize, usize) {
        let size = self.in_place.then(|| rustix::termios::tcgetwinsize(stdout()).ok()).flatten();
        match size {
            Some(size) if size.ws_col > 0 && size.ws_row > 0 => (size.ws_col.into(), size.ws_row.into()),
            _ => (160, 60),
        }
    }

    /// Shows a picture: at once in place, every few seconds where it is appended.
    ///
    /// # Errors
    /// Nobody reads any more.
    pub(super) fn draw(&mut self, lines: &[Line]) -> Result<()> {
        let mut out = stdout().lock();
        if !self.in_place {
            if self.appended.is_some_and(|at| at.elapsed() < APPEND) {
                return Ok(());
            }
            self.appended = Some(Instant::now());
            for line in lines {
                writeln!(out, "{}", painted(line, self.colours))?;
            }
            writeln!(out)?;
            return Ok(out.flush()?);
        }
        let (columns, rows) = self.size();
        let mut text = String::from("\x1b[H");
        for (index, Line(style, line)) in lines.iter().take(rows).enumerate() {
            if index > 0 {
                text.push_str("\r\n");
            }
            text.push_str(&painted(&Line(*style, clip(line, columns)), self.colours));
            text.push_str("\x1b[K");
        }
        text.push_str("\x1b[J");
        out.write_all(text.as_bytes())?;
        Ok(out.flush()?)
    }
}

impl Drop for Screen {
    fn drop(&mut self) {
        if self.in_place {
            give_back();
        }
    }
}

fn give_back() {
    let _ = write!(stdout(), "{LEAVE}");
    let _ = stdout().flush();
}

/// Prints lines that stay.
///
/// # Errors
/// Nobody reads any more.
pub(super) fn print(lines: &[Line]) -> Result<()> {
    let (mut out, colours) = (stdout().lock(), colours());
    for line in lines {
        writeln!(out, "{}", painted(line, colours))?;
    }
    Ok(out.flush()?)
}

/// Colours on a terminal only, and not where NO_COLOR says no.
fn colours() -> bool {
    stdout().is_terminal() && std::env::var_os("NO_COLOR").is_none_or(|value| value.is_empty())
}

fn painted(Line(style, text): &Line, colours: bool) -> String {
    let code = match style {
        Style::Plain => return text.clone(),
        Style::Bold => "1",
        Style::Dim => "2",
        Style::Bad => "1;31",
        Style::Good => "32",
    };
    if colours { format!("\x1b[{code}m{text}\x1b[0m") } else { text.clone() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn colours_are_an_extra() {
        let line = Line(Style::Bad, "leak".into());
        assert_eq!((painted(&line, true).as_str(), painted(&line, false).as_str()), ("\x1b[1;31mleak\x1b[0m", "leak"));
        assert_eq!(painted(&Line::plain("x"), true), "x");
    }
}

//! What stands out and how: with colours, or, where NO_COLOR says so, with what else a terminal can do. Pure.

use ratatui::style::{Color, Modifier, Style};

/// How things look.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Theme {
    /// Whether there are colours.
    pub(super) colours: bool,
}

impl Theme {
    fn coloured(self, colour: Color) -> Style {
        if self.colours { Style::new().fg(colour) } else { Style::new() }
    }

    /// Most.
    pub(super) const fn plain(self) -> Style {
        Style::new()
    }

    /// Heads of tables.
    pub(super) fn head(self) -> Style {
        self.coloured(Color::Cyan).add_modifier(Modifier::BOLD)
    }

    /// What matters less.
    pub(super) fn dim(self) -> Style {
        Style::new().add_modifier(Modifier::DIM)
    }

    /// Where the keys work.
    pub(super) fn selected(self) -> Style {
        Style::new().add_modifier(Modifier::REVERSED)
    }

    /// What grows: worth a look, and no verdict.
    pub(super) fn growing(self) -> Style {
        self.coloured(Color::Yellow).add_modifier(Modifier::BOLD)
    }

    /// What the agent has lost or must not do.
    pub(super) fn warning(self) -> Style {
        self.coloured(Color::Red)
    }
}

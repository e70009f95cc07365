//! What is shown now and what the user chose: the view between two pictures. No terminal; keys come as they were pressed.
//!
//! In: Reports, keys. Out: a drawn [`Frame`], and whether to go on. Must not know: threads, how a terminal is taken.

use std::sync::Arc;

use ratatui::{
    Frame,
    crossterm::event::{KeyCode, KeyEvent, KeyEventKind, KeyModifiers},
};

use super::{
    About, Log,
    history::History,
    picture::Picture,
    rows::{Order, Row, most_growing, rows},
    theme::Theme,
};
use crate::model::Report;

/// How far a page goes.
const PAGE: isize = 10;

/// What a key asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Act {
    /// Nothing.
    Nothing,
    /// Show what has changed.
    Draw,
    /// Draw everything anew: something else has written to the terminal.
    Clear,
    /// End the agent, as SIGINT does.
    Quit,
}

/// The view between two pictures.
pub(super) struct State {
    about: About,
    log: Log,
    theme: Theme,
    history: History,
    report: Option<Arc<Report>>,
    rows: Vec<Row>,
    order: Order,
    /// The process that the user chose; until then the one that grows most is looked at.
    chosen: Option<u32>,
}

impl State {
    pub(super) fn new(about: About, log: Log, theme: Theme) -> Self {
        let (history, order) = (History::default(), Order::default());
        Self { about, log, theme, history, report: None, rows: Vec::new(), order, chosen: None }
    }

    /// The next Report.
    pub(super) fn take(&mut self, report: Arc<Report>) {
        self.history.note(&report);
        self.report = Some(report);
        self.sort();
    }

    fn sort(&mut self) {
        self.rows = self.report.as_ref().map(|report| rows(report, &self.history, self.order)).unwrap_or_default();
        // What has ended cannot stay chosen.
        self.chosen = self.chosen.filter(|chosen| self.rows.iter().any(|row| row.pid == *chosen));
    }

    fn selected(&self) -> Option<u32> {
        self.chosen.or_else(|| most_growing(&self.rows))
    }

    fn step(&mut self, by: isize) {
        let at = self.rows.iter().position(|row| Some(row.pid) == self.selected()).unwrap_or(0);
        let last = self.rows.len().saturating_sub(1);
        self.chosen = self.rows.get(at.saturating_add_signed(by).min(last)).map(|row| row.pid);
    }

    /// A key was pressed.
    pub(super) fn key(&mut self, key: KeyEvent) -> Act {
        if key.kind == KeyEventKind::Release {
            return Act::Nothing;
        }
        match (key.code, key.modifiers.contains(KeyModifiers::CONTROL)) {
            (KeyCode::Char('c'), true) | (KeyCode::Char('q' | 'Q'), false) => return Act::Quit,
            (KeyCode::Char('l'), true) => return Act::Clear,
            (KeyCode::Up | KeyCode::Char('k'), false) => self.step(-1),
            (KeyCode::Down | KeyCode::Char('j'), false) => self.step(1),
            (KeyCode::PageUp, _) => self.step(-PAGE),
            (KeyCode::PageDown, _) => self.step(PAGE),
            (KeyCode::Home, _) => self.step(isize::MIN),
            (KeyCode::End, _) => self.step(isize::MAX),
            (KeyCode::Esc, _) => self.chosen = None,
            (KeyCode::Char('s' | 'S'), false) => {
                self.order = self.order.next();
                self.sort();
            }
            _ => return Act::Nothing,
        }
        Act::Draw
    }

    pub(super) fn draw(&self, frame: &mut Frame<'_>) {
        let log = (self.log)();
        let picture = Picture {
            about: &self.about,
            report: self.report.as_deref(),
            history: &self.history,
            rows: &self.rows,
            selected: self.selected(),
            order: self.order,
            log: &log,
            theme: self.theme,
        };
        picture.draw(frame);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::view::testing::{busy, leaky, quiet, report};

    fn state() -> State {
        let about = About { version: "0", metrics: String::new() };
        let mut state = State::new(about, Box::new(Vec::new), Theme { colours: false });
        for second in [0, 5, 10] {
            state.take(Arc::new(report(second, vec![busy(second), quiet(), leaky(second)])));
        }
        state
    }

    fn press(state: &mut State, code: KeyCode) -> Act {
        state.key(KeyEvent::new(code, KeyModifiers::NONE))
    }

    #[test]
    fn keys() {
        let mut state = state();
        assert_eq!(state.selected(), Some(10), "what grows most");
        for (code, expected) in [
            (KeyCode::Down, 11),
            (KeyCode::Down, 12),
            (KeyCode::Down, 12),
            (KeyCode::Home, 10),
            (KeyCode::End, 12),
            (KeyCode::Up, 11),
            (KeyCode::Char('s'), 11), // another order, the same process
            (KeyCode::Esc, 10),
        ] {
            assert_eq!((press(&mut state, code), state.selected()), (Act::Draw, Some(expected)), "{code}");
        }
        assert_eq!(press(&mut state, KeyCode::Char('x')), Act::Nothing);
        assert_eq!(press(&mut state, KeyCode::Char('q')), Act::Quit);
        assert_eq!(state.key(KeyEvent::new(KeyCode::Char('c'), KeyModifiers::CONTROL)), Act::Quit);
        assert_eq!(press(&mut state, KeyCode::Char('c')), Act::Nothing);
    }

    #[test]
    fn who_was_chosen_and_ended_is_left() {
        let mut state = state();
        press(&mut state, KeyCode::End);
        state.take(Arc::new(report(15, vec![leaky(15)])));
        assert_eq!(state.selected(), Some(10));
        state.take(Arc::new(report(16, Vec::new())));
        assert_eq!(state.selected(), None);
        assert_eq!(press(&mut state, KeyCode::Down), Act::Draw);
    }
}

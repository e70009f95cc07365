//! The terminal, taken and given back, whatever happens in between.
//!
//! In: standard input and output. Out: a [`Screen`] to draw on. Must not know: what is drawn.

use std::{
    env,
    io::{self, IsTerminal as _, stdin, stdout},
    panic,
    sync::atomic::{AtomicBool, Ordering},
};

use ratatui::{DefaultTerminal, Frame};
use rustix::{process::getpgrp, termios::tcgetpgrp};

/// A panic has given the terminal back, in whichever thread it was: nothing may be drawn over what it said.
static PANICKED: AtomicBool = AtomicBool::new(false);

/// Whether there is a terminal to draw on and to take keys from. In the background there is not: who touches the settings of a
/// terminal from there is stopped.
pub(super) fn is_there() -> bool {
    let is_dumb = env::var_os("TERM").is_some_and(|term| term == "dumb");
    let foreground = || tcgetpgrp(stdin()).is_ok_and(|group| group == getpgrp());
    !is_dumb && stdin().is_terminal() && stdout().is_terminal() && foreground()
}

/// Whether the user wants colours.
pub(super) fn colours() -> bool {
    env::var_os("NO_COLOR").is_none_or(|value| value.is_empty())
}

/// A terminal that is ours until this is dropped.
pub(super) struct Screen(DefaultTerminal);

impl Screen {
    /// Takes the terminal.
    ///
    /// # Errors
    /// It does not let itself be taken; then it is as it was.
    pub(super) fn take() -> io::Result<Self> {
        // Its hook gives the terminal back before the panic is told.
        let terminal = ratatui::try_init().inspect_err(|_| ratatui::restore())?;
        let hook = panic::take_hook();
        panic::set_hook(Box::new(move |info| {
            PANICKED.store(true, Ordering::SeqCst);
            hook(info);
        }));
        Ok(Self(terminal))
    }

    /// Draws what has changed.
    ///
    /// # Errors
    /// The terminal has gone.
    pub(super) fn draw(&mut self, draw: impl FnOnce(&mut Frame<'_>)) -> io::Result<()> {
        if !has_panicked() {
            self.0.draw(draw)?;
        }
        Ok(())
    }

    /// Draws everything anew next time.
    ///
    /// # Errors
    /// The terminal has gone.
    pub(super) fn clear(&mut self) -> io::Result<()> {
        self.0.clear()
    }
}

/// Whether something has panicked, and the terminal is not ours any more.
pub(super) fn has_panicked() -> bool {
    PANICKED.load(Ordering::SeqCst)
}

impl Drop for Screen {
    fn drop(&mut self) {
        if !has_panicked() {
            ratatui::restore();
        }
    }
}

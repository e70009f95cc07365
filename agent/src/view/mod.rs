//! The live view: what `goroscope run` shows on a terminal.
//!
//! In: Reports, the agent's last words, keys. Out: what a terminal shows, and that the user wants to leave. Must not know: how
//! Reports come to be.
//!
//! `history` remembers the last minutes, `rows`, `leaks` and `detail` say what is worth showing, `table` and `picture` where it stands: all
//! pure. `state` adds what the user chose, `terminal` takes the terminal and gives it back. Here is the thread that owns both.

mod detail;
mod history;
mod leaks;
mod picture;
mod rows;
mod state;
mod table;
mod terminal;
#[cfg(test)]
mod testing;
mod text;
mod theme;

use std::{
    io,
    sync::{
        Arc,
        mpsc::{Receiver, Sender, TryRecvError, channel},
    },
    thread::{Builder, JoinHandle},
    time::Duration,
};

use ratatui::crossterm::event::{self, Event};
use tracing::warn;

use self::{
    state::{Act, State},
    terminal::Screen,
    theme::Theme,
};
use crate::model::Report;

/// How long keys are waited for: as late may a Report be shown, or the terminal be given back.
const TICK: Duration = Duration::from_millis(100);

/// What the view says of the agent itself.
#[derive(Clone, Debug)]
pub struct About {
    /// The agent's version.
    pub version: &'static str,
    /// Where metrics are served: a URL.
    pub metrics: String,
}

/// Gives the agent's last words, oldest first.
pub type Log = Box<dyn Fn() -> Vec<String> + Send>;

/// Whether there is a terminal for the view: standard input and output are one, in the foreground, and it is not dumb.
#[must_use]
pub fn is_possible() -> bool {
    terminal::is_there()
}

/// The view, on a thread of its own. The terminal is given back when this is dropped.
#[derive(Debug)]
pub struct View {
    feed: Feed,
    thread: Option<JoinHandle<()>>,
}

/// Takes Reports to the view.
#[derive(Clone, Debug)]
pub struct Feed(Sender<Message>);

#[derive(Debug)]
enum Message {
    Report(Arc<Report>),
    End,
}

impl Feed {
    /// Shows a Report; whether there still is a view.
    pub fn show(&self, report: Arc<Report>) -> bool {
        self.0.send(Message::Report(report)).is_ok()
    }
}

impl View {
    /// Takes the terminal and shows what is fed. `ended` is called once, when the view ends: the user has left it, the terminal has
    /// gone, something panicked, or [`View`] was dropped.
    ///
    /// # Errors
    /// The terminal cannot be taken, or there is no thread to be had; `ended` is not called then.
    pub fn start(about: About, log: Log, ended: impl FnOnce() + Send + 'static) -> io::Result<Self> {
        let screen = Screen::take()?;
        let (sender, messages) = channel();
        let state = State::new(about, log, Theme { colours: terminal::colours() });
        let thread = Builder::new().name("view".into()).spawn(move || {
            let _ended = AtEnd(Some(ended));
            if let Err(error) = run(screen, &messages, state) {
                warn!(%error, "the terminal has gone");
            }
        })?;
        Ok(Self { feed: Feed(sender), thread: Some(thread) })
    }

    /// Where Reports are to be taken.
    #[must_use]
    pub fn feed(&self) -> Feed {
        self.feed.clone()
    }
}

impl Drop for View {
    fn drop(&mut self) {
        let _ = self.feed.0.send(Message::End);
        if let Some(thread) = self.thread.take() {
            // What it panicked with has been told.
            let _ = thread.join();
        }
    }
}

/// Also after a panic the agent must hear that the view is no more.
struct AtEnd<F: FnOnce()>(Option<F>);

impl<F: FnOnce()> Drop for AtEnd<F> {
    fn drop(&mut self) {
        if let Some(ended) = self.0.take() {
            ended();
        }
    }
}

/// Shows and listens until the end. The screen is dropped, and so given back, before anybody hears of it.
fn run(mut screen: Screen, messages: &Receiver<Message>, mut state: State) -> io::Result<()> {
    let mut act = Act::Draw;
    loop {
        loop {
            match messages.try_recv() {
                Ok(Message::Report(report)) => {
                    state.take(report);
                    act = Act::Draw;
                }
                Err(TryRecvError::Empty) => break,
                Ok(Message::End) | Err(TryRecvError::Disconnected) => return Ok(()),
            }
        }
        if terminal::has_panicked() {
            return Ok(());
        }
        if act != Act::Nothing {
            screen.draw(|frame| state.draw(frame))?;
        }
        act = Act::Nothing;
        let mut wait = TICK;
        while event::poll(wait)? {
            // Whatever is there already belongs to the same picture.
            wait = Duration::ZERO;
            match event::read()? {
                Event::Key(key) => match state.key(key) {
                    Act::Quit => return Ok(()),
                    Act::Clear => {
                        screen.clear()?;
                        act = Act::Draw;
                    }
                    Act::Draw => act = Act::Draw,
                    Act::Nothing => {}
                },
                Event::Resize(..) => act = Act::Draw,
                _ => {}
            }
        }
    }
}

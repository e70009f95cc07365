//! Ctrl-C and its like, as something to wait for.

use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail};
use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};
use signal_hook::iterator::Signals;

/// How often a condition is looked at.
const POLL: Duration = Duration::from_millis(20);

/// SIGINT, SIGTERM and SIGHUP of this process: from [`Interrupts::catch`] on they do not end it by themselves.
pub(super) struct Interrupts(Receiver<()>);

impl Interrupts {
    /// Catches them.
    ///
    /// # Errors
    /// The system does not allow that.
    pub(super) fn catch() -> Result<Self> {
        let mut signals = Signals::new([SIGINT, SIGTERM, SIGHUP]).context("cannot catch signals")?;
        let (sender, receiver) = channel();
        thread::spawn(move || {
            for _ in signals.forever() {
                if sender.send(()).is_err() {
                    return;
                }
            }
        });
        Ok(Self(receiver))
    }

    /// Waits for so long; whether one came.
    pub(super) fn came_within(&self, time: Duration) -> bool {
        match self.0.recv_timeout(time) {
            Ok(()) => true,
            Err(RecvTimeoutError::Timeout) => false,
            // No thread left that could tell: wait as asked.
            Err(RecvTimeoutError::Disconnected) => {
                thread::sleep(time);
                false
            }
        }
    }

    /// Sleeps.
    ///
    /// # Errors
    /// It was interrupted.
    pub(super) fn sleep(&self, time: Duration) -> Result<()> {
        if self.came_within(time) {
            bail!("interrupted; everything that the demo started has been ended");
        }
        Ok(())
    }

    /// Waits until `ready` has something.
    ///
    /// # Errors
    /// It fails, it has nothing after `patience`, or it was interrupted.
    pub(super) fn wait<T>(&self, what: &str, patience: Duration, mut ready: impl FnMut() -> Result<Option<T>>) -> Result<T> {
        let begin = Instant::now();
        loop {
            if let Some(done) = ready()? {
                return Ok(done);
            }
            if begin.elapsed() > patience {
                bail!("{what}: not within {} s", patience.as_secs());
            }
            self.sleep(POLL)?;
        }
    }
}

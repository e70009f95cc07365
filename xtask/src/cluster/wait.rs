//! Waiting for what the cluster does in its own time. In: a question. Out: its answer, once it has one.

use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Result, bail};

use crate::interrupted;

/// How often is asked.
const POLL: Duration = Duration::from_millis(200);

/// Asks until there is an answer.
///
/// # Errors
/// None within `seconds`: the last error, if there was one. Or a signal came.
pub(super) fn until<T>(what: &str, seconds: u64, mut ask: impl FnMut() -> Result<Option<T>>) -> Result<T> {
    let deadline = Instant::now() + Duration::from_secs(seconds);
    loop {
        let answer = ask();
        if let Ok(Some(answer)) = answer {
            return Ok(answer);
        }
        if Instant::now() >= deadline {
            return match answer {
                Err(error) => Err(error.context(format!("waited {seconds} s for {what}"))),
                Ok(_) => bail!("waited {seconds} s for {what}"),
            };
        }
        pause(POLL)?;
    }
}

/// Sleeps.
///
/// # Errors
/// A signal came.
pub(super) fn pause(time: Duration) -> Result<()> {
    let deadline = Instant::now() + time;
    loop {
        if interrupted::is() {
            bail!("interrupted");
        }
        let left = deadline.saturating_duration_since(Instant::now());
        if left.is_zero() {
            return Ok(());
        }
        thread::sleep(left.min(POLL));
    }
}

//! Ctrl-C and its like, for commands that must clear up before they end: noticed, not obeyed at once.

use std::sync::Arc;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, Ordering};

use anyhow::{Context as _, Result};
use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};

static CAME: OnceLock<Arc<AtomicBool>> = OnceLock::new();

/// From now on SIGINT, SIGTERM and SIGHUP do not end this process but are noticed.
///
/// # Errors
/// The system does not allow that.
pub(crate) fn notice() -> Result<()> {
    let came = CAME.get_or_init(Arc::default);
    for signal in [SIGINT, SIGTERM, SIGHUP] {
        signal_hook::flag::register(signal, Arc::clone(came)).context("cannot catch signals")?;
    }
    Ok(())
}

/// Whether one has come.
pub(crate) fn is() -> bool {
    CAME.get().is_some_and(|came| came.load(Ordering::Relaxed))
}

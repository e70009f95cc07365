//! The harness of the integration tests: builds and runs target programs, runs the agent, reads what it serves.
//!
//! Everything here fails loudly: a test that lacks a privilege or a toolchain fails, it is never skipped.

pub mod agent;
pub mod api_server;
pub mod build;
pub mod cgroup;
pub mod check;
pub mod elf;
pub mod exact;
pub mod goroutines;
pub mod http;
pub mod matrix;
pub mod metrics;
pub mod proving;
pub mod recipe;
pub mod target;
pub mod text;

use std::{
    fmt::Debug,
    sync::{Mutex, MutexGuard, PoisonError},
    thread,
    time::{Duration, Instant},
};

/// How long anything may take before it is called broken. Not a measure of speed: a loaded CI machine must not fail.
pub const DEADLINE: Duration = Duration::from_secs(60);

/// Polls `condition` until it gives something.
///
/// # Panics
/// After [`DEADLINE`], with `what` was waited for.
pub fn wait_for<T>(what: &str, mut condition: impl FnMut() -> Option<T>) -> T {
    let start = Instant::now();
    loop {
        if let Some(value) = condition() {
            return value;
        }
        assert!(start.elapsed() < DEADLINE, "gave up waiting: {what}");
        // wait: what is polled belongs to another process, which sends no event for it
        thread::sleep(Duration::from_millis(10));
    }
}

/// Polls `actual` until it is what is expected.
///
/// # Panics
/// After [`DEADLINE`], with both.
pub fn wait_equal<T: PartialEq + Debug>(what: &str, expected: &T, mut actual: impl FnMut() -> T) {
    let mut last = None;
    let start = Instant::now();
    while last.as_ref() != Some(expected) {
        assert!(start.elapsed() < DEADLINE, "gave up waiting: {what}: {last:?} is not {expected:?}");
        // wait: what is polled belongs to another process, which sends no event for it
        thread::sleep(Duration::from_millis(10));
        last = Some(actual());
    }
}

/// Polls `condition` until it holds.
pub fn wait_until(what: &str, mut condition: impl FnMut() -> bool) {
    wait_for(what, || condition().then_some(()));
}

/// Held by a test that looks at breakpoints, or that starts an agent which finds processes by itself: each would see the others.
pub fn alone() -> MutexGuard<'static, ()> {
    static ALONE: Mutex<()> = Mutex::new(());
    ALONE.lock().unwrap_or_else(PoisonError::into_inner)
}

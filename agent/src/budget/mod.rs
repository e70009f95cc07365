//! What may be on, when: from hit rates to a family's mode, from windows to estimates.
//!
//! In: hits as the kernel side tells them, windows as they were. Out: verdicts and estimates. Pure: the clock is passed
//! in (CLOCK_MONOTONIC, ns). Knows no kernel, no process, no probe. First form: a fixed limit and a fixed duty; the
//! closed loop over the target's own CPU time takes the place of [`Bucket`] and [`Schedule`] without other changes.

mod bucket;
mod estimate;
mod schedule;

pub use self::{
    bucket::Bucket,
    estimate::{Estimate, Window},
    schedule::{Schedule, WINDOW},
};

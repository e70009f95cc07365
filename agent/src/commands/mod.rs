//! The subcommands that answer a question and end.
//!
//! Input noun: the words of the command line. Output: text or JSON on standard output. May know every room; must not know how the
//! command line is parsed, nor the agent's life (that is `app`).

mod check;
mod doctor;
mod file;
mod goroutines;
mod inspect;
mod text;

pub use check::{Check, check};
pub use doctor::doctor;
pub use goroutines::{GoroutinesError, Question, goroutines};
pub use inspect::{inspect, lacks_right};

//! The rooms that read memory of targets, as the agent has them.
#![allow(dead_code, missing_docs, unreachable_pub, reason = "the agent uses all of it")]

#[path = "../../src/goruntime/mod.rs"]
pub mod goruntime;
#[path = "../../src/model/mod.rs"]
pub mod model;
#[path = "../../src/reach/mod.rs"]
pub mod reach;

//! The contract between the kernel side and the agent: records, map keys and values, numbered drops.
//!
//! Every struct is `repr(C)` without padding; sizes are asserted, so a hole fails the build on both sides.
#![no_std]

pub mod cookie;
pub mod counters;
pub mod drops;
pub mod executable;
pub mod process;
pub mod record;

pub use cookie::Cookie;
pub use counters::{Counters, FAMILIES, Family, KINDS, Kind};
pub use drops::Drop;
pub use executable::{Executable, LIBRARY_RANGES_MAX, TextRange};
pub use process::{ProcessInfo, ProcessKey, SiteKey};
pub use record::{Record, RecordKind};

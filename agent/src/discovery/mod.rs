//! The /proc side of finding processes: which run, since when, which executable, where it is loaded, in which cgroup.
//!
//! Input noun: a pid (from [`ProcRoot::scan`], or from an exec record that the tracer read). Output noun: [`Process`]. Must
//! not know what makes an executable Go, what a container is called, nor anything of BPF.
//!
//! Every process may end, exec or be replaced by another of its pid between two reads: that is [`ProcError::Gone`] or
//! [`ProcError::Changing`], and normal. Every read is bounded, since names and cgroup paths are chosen by the observed.

mod calls;
mod connections;
mod descriptors;
mod error;
mod limits;
mod procfs;
mod stat;
mod tasks;

pub use calls::Threads;
pub use descriptors::Descriptors;
pub use error::ProcError;
pub use procfs::{Life, Listed, ProcRoot, Process, Scan};

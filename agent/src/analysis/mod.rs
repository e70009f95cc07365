//! What an executable is: opens nothing itself, reads the file once, and remembers.
//!
//! Input noun: an open executable file. Output noun: [`Executable`](crate::model::Executable), or a
//! [`Refusal`](crate::model::Refusal). Must not know processes, probes, nor where the file came from.
//!
//! Two memories save work. By *inode*: the same file again is the same result at once, and most files on a host are not Go at
//! all. By *content*: replicas in containers are other inodes with the same bytes. There the bytes that an earlier analysis
//! read are read again from the new file and compared by hash, since a build id alone can be forged by any pod.

mod analyser;
mod lru;
mod recorder;
mod sameness;

pub use analyser::{Analyser, Settings};
pub use sameness::{Sameness, same_file, verify};

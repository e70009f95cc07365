//! Whether two files are one, and whether a file still is what the plan was made from. Input noun: [`Executable`]s, a [`Probe`].
//! Output noun: [`Sameness`]. Must not know links.

use goroscope_gobin::Source as _;

use crate::model::{Executable, Probe, Refusal, Subject};

/// Whether two files are one inode, where a breakpoint in one would be one in the other.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sameness {
    /// One inode.
    Same,
    /// Two.
    Different,
    /// All but the device agrees. Overlayfs shows one real inode under several devices, so look for the breakpoint.
    Maybe,
}

/// Whether two executables are one file.
#[must_use]
pub fn same_file(a: &Executable, b: &Executable) -> Sameness {
    if a.inode == b.inode {
        return Sameness::Same;
    }
    let but_for_device = |executable: &Executable| {
        let inode = executable.inode;
        (inode.ino, inode.size, inode.mtime, inode.ctime, executable.id.digest)
    };
    // On one device the inode number decides: both files are held open, so it is nobody else's. What else differs is then a
    // later look at a file that was touched.
    match (a.inode.dev == b.inode.dev, a.inode.ino == b.inode.ino) {
        (true, true) => Sameness::Same,
        (false, true) if but_for_device(a) == but_for_device(b) => Sameness::Maybe,
        _ => Sameness::Different,
    }
}

/// Whether the bytes at a probe's site are those that were disassembled: to be asked just before attaching.
///
/// # Errors
/// `bytes_differ` or `read_failed`, for the family of the probe.
pub fn verify(executable: &Executable, probe: &Probe) -> Result<(), Refusal> {
    let refuse = |reason, detail| Err(Refusal { subject: Subject::Family(probe.kind.family()), reason, detail });
    let mut bytes = vec![0; probe.bytes.len()];
    if let Err(error) = executable.read_exact_at(probe.offset, &mut bytes) {
        return refuse("read_failed", format!("{} at {}: {error}", probe.function, probe.offset));
    }
    if bytes.is_empty() || bytes != probe.bytes {
        return refuse("bytes_differ", format!("{} at {}: {:02x?} are now {bytes:02x?}", probe.function, probe.offset, probe.bytes));
    }
    Ok(())
}

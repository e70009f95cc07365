//! A thread as the kernel knows it.

/// One that sleeps.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Asleep {
    /// Its number in its own pid namespace: what `gettid` says to it.
    pub thread: u32,
    /// How often it has been switched off, by itself or by others: as long as it sleeps, the number stays. Where it waits for a child that
    /// waits for its process, that of the child is in it.
    pub switches: u64,
    /// Nothing that is known ends its system call but the process itself: no clock, no device, no other process but by a signal.
    pub endless: bool,
}

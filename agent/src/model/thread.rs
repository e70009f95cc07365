//! A thread as the kernel knows it.

/// One that sleeps.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Asleep {
    /// Its number in its own pid namespace: what `gettid` says to it.
    pub thread: u32,
    /// How often it has been switched off, by itself or by others: as long as it sleeps, the number stays.
    pub switches: u64,
}

//! Every way in which the kernel side can lose something: a number, a name, and what is lost.

/// The index into map `DROPS_BY_KIND` (one u64 per CPU each).
#[repr(u32)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Drop {
    /// `COUNTERS` is full: the hit of a new process is not counted.
    CountersFull = 0,
    /// `SITES` is full: the hit is in the total and in `other`, not under its site.
    SitesFull = 1,
    /// `PROCESSES` is full: a new process has no exec time, so a reused pid may continue its predecessor's counters.
    ProcessesFull = 2,
    /// The ring buffer is full: a record is lost (the agent scans /proc again).
    RecordsFull = 3,
    /// The caller could not be read from the target's stack: the hit is in the total and in `other`.
    SiteUnread = 4,
}

/// The number of drop kinds.
pub const DROPS: usize = 5;

impl Drop {
    /// Every drop kind, in the order of its number.
    pub const ALL: [Self; DROPS] = [Self::CountersFull, Self::SitesFull, Self::ProcessesFull, Self::RecordsFull, Self::SiteUnread];

    /// The name, as metric label.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::CountersFull => "counters_full",
            Self::SitesFull => "sites_full",
            Self::ProcessesFull => "processes_full",
            Self::RecordsFull => "records_full",
            Self::SiteUnread => "site_unread",
        }
    }
}

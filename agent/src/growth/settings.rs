//! What a watch may cost, and for how long something must have grown. Input: whoever watches. Output nouns: [`Settings`], [`Stretches`]. Must
//! not know rules.

/// What a watch may cost.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Settings {
    /// Goroutines that are followed at most, 40 bytes each.
    pub members: usize,
    /// Stacks that are asked for in one census.
    pub stacks: usize,
    /// The shortest stretches of time, up to now, that are judged for themselves: a leak that began late in a long watch shows in one.
    /// `None`: the watch is judged as a whole.
    pub stretches: Option<Stretches>,
}

/// For how long something must have grown, at least, in a watch without end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stretches {
    /// Of what was lost, ns.
    pub lost_ns: u64,
    /// Of what may only wait, but becomes more so fast, and so evenly, as no client that comes back does; see `judge`. ns.
    pub rush_ns: u64,
    /// Of what may only wait, ns: longer than a server and its clients need to be all there.
    pub waiting_ns: u64,
}

impl Default for Stretches {
    /// What was lost and grows fast is told within a minute. What waits may do so for good reason: as long as the last of the clients that
    /// had to wait for their server may still come back (gRPC: after pauses of up to 144 s), their number is a burst.
    fn default() -> Self {
        Self { lost_ns: 55_000_000_000, rush_ns: 45_000_000_000, waiting_ns: 165_000_000_000 }
    }
}

impl Default for Settings {
    fn default() -> Self {
        Self { members: 900_000, stacks: 16_000, stretches: None }
    }
}

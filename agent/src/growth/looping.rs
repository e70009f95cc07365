//! How many run again and again, and how many did at the last proof. Input: members of one census after another. Output: whether a proof has
//! something to tell of them, as when their lives end and who leads to nothing outside, and whether they are so many more that it is due now.
//! Must not know proofs.

use super::{member::Member, spread::FEWEST};

/// So many more, and a third of those there were, are worth a proof.
const MORE: u64 = 256;

/// Goroutines that began while watched, have run again and again, and do not wait for the network.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Looping {
    now: u64,
    at_proof: u64,
}

impl Looping {
    pub(super) const fn begin_census(&mut self) {
        self.now = 0;
    }

    /// `is_outside`: it waits for the network, or is in a system call.
    pub(super) fn see(&mut self, member: &Member, is_outside: bool) {
        self.now += u64::from(member.runs > 1 && !member.at_start() && !is_outside);
    }

    /// A proof was made, or tried.
    pub(super) const fn proof(&mut self) {
        self.at_proof = self.now;
    }

    /// As many as can be accused.
    pub(super) fn matter(self) -> bool {
        self.now >= FEWEST.into()
    }

    pub(super) fn has_grown(self) -> bool {
        self.now >= self.at_proof.saturating_add(MORE.max(self.at_proof / 3))
    }
}

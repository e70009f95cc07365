//! How many run again and again, and how many of them a proof has seen. Input: members of one census after another. Output: whether a proof
//! has something to tell of them, as when their lives end and who leads to nothing outside, and whether there are so many more that it is
//! due now. Must not know what proofs say.

use super::spread::FEWEST;

/// So many more, and a third of those there were, are worth a proof.
const MORE: u64 = 256;

/// Goroutines that began while watched, have run again and again, and do not wait for the network.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Looping {
    now: u64,
    at_proof: u64,
    /// Of those that have lived for longer than others of their `go` statement, how many a proof has seen, and how many none.
    seen: u64,
    unseen: u64,
}

impl Looping {
    pub(super) const fn begin_census(&mut self) {
        (self.now, self.seen, self.unseen) = (0, 0, 0);
    }

    /// `is_old`: it has lived for longer than others; `seen`: a proof was made since it began.
    pub(super) const fn see(&mut self, is_old: bool, seen: bool) {
        self.now += 1;
        match (is_old, seen) {
            (true, true) => self.seen += 1,
            (true, false) => self.unseen += 1,
            (false, _) => {}
        }
    }

    /// A proof was made, or tried.
    pub(super) const fn proof(&mut self) {
        self.at_proof = self.now;
    }

    /// As many as can be accused are old enough.
    pub(super) fn matter(self) -> bool {
        self.seen + self.unseen >= FEWEST.into()
    }

    /// So many more are that a proof is due.
    pub(super) fn want_proof(self) -> bool {
        let have_grown = self.now >= self.at_proof.saturating_add(MORE.max(self.at_proof / 3));
        have_grown || (self.unseen >= FEWEST.into() && self.unseen >= self.seen / 3)
    }
}

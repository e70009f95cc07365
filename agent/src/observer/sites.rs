//! Where the processes of one executable were seen to have hits. Input noun: [`SiteHits`] of those that were listed. Output: those of one
//! process that has ended, without listing. Must not know maps.

use std::collections::BTreeSet;

use goroscope_abi::Kind;

use crate::tracer::{Hits, SiteHits};

/// Sites that are remembered of one executable.
const SITES: usize = 256;

/// Sites as in an ELF file.
#[derive(Debug, Default)]
pub(super) struct KnownSites(BTreeSet<(Kind, u64)>);

impl KnownSites {
    /// What a process that has ended has at them, as `hits_at` a runtime address tells; none unless that is all it has.
    pub(super) fn find(&self, hits: &Hits, hits_at: impl Fn(Kind, u64) -> Option<u64>) -> Option<Vec<SiteHits>> {
        let mut left = hits.sited();
        let mut found = Vec::with_capacity(self.0.len());
        for &(kind, address) in self.0.iter().filter(|(kind, _)| hits.has(*kind)) {
            if left == 0 {
                break;
            }
            let pc = address.wrapping_add(hits.bias);
            if let Some(hits) = hits_at(kind, pc) {
                left = left.checked_sub(hits)?;
                found.push(SiteHits { kind, pc, hits });
            }
        }
        (left == 0).then_some(found)
    }

    /// Remembers where a process, that is loaded so far above its file, was seen to have hits.
    pub(super) fn learn(&mut self, sites: &[SiteHits], bias: u64) {
        for site in sites.iter().map(|site| (site.kind, site.pc.wrapping_sub(bias))) {
            // Emptied, not pruned: those that are in use are learned again.
            if self.0.len() >= SITES && !self.0.contains(&site) {
                self.0.clear();
            }
            self.0.insert(site);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const BIAS: u64 = 0x1000;
    const KIND: Kind = Kind::GoroutineStart;

    fn site(pc: u64, hits: u64) -> SiteHits {
        SiteHits { kind: KIND, pc, hits }
    }

    /// So many hits of which so many are at sites.
    fn process(all: u64, sited: u64, bias: u64) -> Hits {
        let mut hits = Hits { bias, ..Hits::default() };
        (hits.by_kind[KIND as usize], hits.unsited[KIND as usize]) = (all, all - sited);
        hits
    }

    #[test]
    fn all_or_none() {
        let mut known = KnownSites::default();
        assert_eq!(known.find(&process(3, 0, 0), |_, _| None), Some(vec![]), "nothing is at sites");
        assert_eq!(known.find(&process(3, 3, 0), |_, _| None), None, "nothing is known");
        known.learn(&[site(BIAS + 8, 1), site(BIAS + 16, 1)], BIAS);
        let at = |_: Kind, pc: u64| [(BIAS * 2 + 8, 3), (BIAS * 2 + 16, 4)].into_iter().find(|(at, _)| *at == pc).map(|(_, hits)| hits);
        let found = vec![site(BIAS * 2 + 8, 3), site(BIAS * 2 + 16, 4)];
        assert_eq!(known.find(&process(9, 7, BIAS * 2), at), Some(found), "loaded elsewhere");
        assert_eq!(known.find(&process(9, 8, BIAS * 2), at), None, "one is elsewhere");
        assert_eq!(known.find(&process(9, 6, BIAS * 2), at), None, "more than there can be");
    }

    #[test]
    fn those_in_use_are_learned_again() {
        let mut known = KnownSites::default();
        for pc in 0..10 * SITES as u64 {
            known.learn(&[site(pc * 8, 1), site(8, 1)], 0);
            assert!(known.0.len() <= SITES && known.0.contains(&(KIND, 8)));
        }
    }
}

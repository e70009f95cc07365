//! Which sites of a family are shown by name: at most twenty, for good, and the rest in `other`, which never falls.

use std::collections::BTreeMap;

use crate::model::Sites;

/// Names per family and label set.
const NAMES: usize = 20;

/// Where there are more sites than names, the last names are kept for sites that matter: those with at least one event
/// in [`SHARE`].
const KEPT: usize = 8;

/// One in a hundred.
const SHARE: u64 = 100;

/// The names of one family of one label set.
#[derive(Debug, Default)]
pub(super) struct Names {
    /// Events that a site had when it got its name: they were in `other` and stay there.
    base: BTreeMap<String, u64>,
    /// Counts at the last report of the sites without a name.
    seen: BTreeMap<String, u64>,
    /// What was shown last.
    shown: Sites,
}

impl Names {
    /// Splits `total` among the named sites and `other`. `counts` holds every site of the family; neither ever falls.
    ///
    /// The two may come from different readings, such as creations from memory and their sites from probes an instant later. What
    /// the sites then have too much, or what `other` would lose, is held back from the sites until `total` has caught up.
    pub(super) fn split(&mut self, total: u64, counts: &BTreeMap<String, u64>) -> Sites {
        self.admit(total, counts);
        let named: Vec<(String, u64)> =
            self.base.iter().map(|(name, base)| (name.clone(), counts.get(name).copied().unwrap_or(0).saturating_sub(*base))).collect();
        let named = self.hold_back(total, named);
        let sum: u64 = named.iter().map(|(_, count)| count).sum();
        self.seen = counts.iter().filter(|(name, _)| !self.base.contains_key(*name)).map(|(name, count)| (name.clone(), *count)).collect();
        self.shown = Sites { named, other: total.saturating_sub(sum) };
        self.shown.clone()
    }

    /// Takes from what the names have grown by what is missing for `other` not to fall. Enough is there: what was shown last adds up
    /// to the last total.
    fn hold_back(&self, total: u64, mut named: Vec<(String, u64)>) -> Vec<(String, u64)> {
        let sum: u64 = named.iter().map(|(_, count)| count).sum();
        let mut missing = sum.saturating_add(self.shown.other).saturating_sub(total);
        for (name, count) in &mut named {
            let last = self.shown.named.iter().find(|(shown, _)| shown == name).map_or(0, |(_, last)| *last);
            let held = count.saturating_sub(last).min(missing);
            *count -= held;
            missing -= held;
        }
        named
    }

    /// Names the busiest sites that have none yet, while there is room.
    fn admit(&mut self, total: u64, counts: &BTreeMap<String, u64>) {
        if self.base.len() >= NAMES {
            return;
        }
        let mut candidates: Vec<(&String, u64)> =
            counts.iter().filter(|(name, _)| !self.base.contains_key(*name)).map(|(name, count)| (name, *count)).collect();
        candidates.sort_by_key(|(_, count)| std::cmp::Reverse(*count));
        for (name, count) in candidates {
            let free = NAMES - self.base.len();
            let matters = count.saturating_mul(SHARE) >= total;
            if free == 0 || (counts.len() > NAMES && free <= KEPT && !matters) {
                break;
            }
            self.base.insert(name.clone(), self.seen.get(name).copied().unwrap_or(0));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn counts(rows: &[(&str, u64)]) -> BTreeMap<String, u64> {
        rows.iter().map(|(name, count)| ((*name).to_owned(), *count)).collect()
    }

    /// Splits each of `reports` (total, counts); `other` and every named site must never fall, and the sum must be the total.
    fn check(reports: &[(u64, BTreeMap<String, u64>)]) -> Vec<Sites> {
        let mut names = Names::default();
        let mut all: Vec<Sites> = Vec::new();
        for (total, counts) in reports {
            let sites = names.split(*total, counts);
            assert_eq!(sites.named.iter().map(|(_, count)| count).sum::<u64>() + sites.other, *total);
            assert!(sites.named.len() <= NAMES);
            if let Some(last) = all.last() {
                assert!(sites.other >= last.other, "other falls: {last:?} {sites:?}");
                for (name, count) in &last.named {
                    let now = sites.named.iter().find(|(n, _)| n == name).expect("a name is gone").1;
                    assert!(now >= *count, "{name} falls");
                }
            }
            all.push(sites);
        }
        all
    }

    #[test]
    fn few_sites_are_all_named() {
        let sites = check(&[(7, counts(&[("a", 5), ("b", 1)])), (21, counts(&[("a", 9), ("b", 1), ("c", 10)]))]);
        assert_eq!(sites[0], Sites { named: vec![("a".into(), 5), ("b".into(), 1)], other: 1 });
        assert_eq!(sites[1].named, [("a".into(), 9), ("b".into(), 1), ("c".into(), 10)]);
        assert_eq!(sites[1].other, 1);
    }

    #[test]
    fn no_more_than_twenty_and_room_is_kept_for_those_that_matter() {
        let many: Vec<(String, u64)> = (0..100).map(|i| (format!("f{i:03}"), 1)).collect();
        let mut first: BTreeMap<String, u64> = many.into_iter().collect();
        first.insert("busy".into(), 100_000);
        let total = first.values().sum();
        let mut second = first.clone();
        second.insert("late".into(), 50_000);
        second.insert("f099".into(), 60_000);
        let total_2 = second.values().sum();
        let sites = check(&[(total, first), (total_2, second)]);
        assert_eq!(sites[0].named.len(), NAMES - KEPT);
        assert!(sites[0].named.contains(&("busy".into(), 100_000)));
        assert!(sites[1].named.contains(&("late".into(), 50_000)));
        // Its first event stays in `other`.
        assert!(sites[1].named.contains(&("f099".into(), 59_999)));
    }

    #[test]
    fn sites_that_run_ahead_of_the_total_are_held_back_until_it_follows() {
        // 50 were created before anybody counted sites.
        let sites = check(&[
            (150, counts(&[("a", 60), ("b", 40)])),
            (160, counts(&[("a", 70), ("b", 45)])),
            (165, counts(&[("a", 70), ("b", 45)])),
            (300, counts(&[("a", 170), ("b", 80)])),
        ]);
        assert_eq!(sites[0], Sites { named: vec![("a".into(), 60), ("b".into(), 40)], other: 50 });
        assert_eq!(sites[1], Sites { named: vec![("a".into(), 65), ("b".into(), 45)], other: 50 });
        assert_eq!(sites[2].named, [("a".into(), 70), ("b".into(), 45)]);
        assert_eq!(sites[3], Sites { named: vec![("a".into(), 170), ("b".into(), 80)], other: 50 });
        // More sites than there were events: an estimate that was too high.
        let sites = check(&[(10, counts(&[("a", 10)])), (11, counts(&[("a", 40)])), (30, counts(&[("a", 41)]))]);
        assert_eq!(sites[1], Sites { named: vec![("a".into(), 11)], other: 0 });
        assert_eq!(sites[2], Sites { named: vec![("a".into(), 30)], other: 0 });
    }

    #[test]
    fn twenty_equal_sites_all_have_names() {
        let rows: BTreeMap<String, u64> = (0..20).map(|i| (format!("f{i}"), 3)).collect();
        let sites = check(&[(60, rows)]);
        assert_eq!(sites[0].named.len(), 20);
        assert_eq!(sites[0].other, 0);
    }
}

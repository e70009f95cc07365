//! When to look again. Input: how long was watched, what the last look cost. Output: the time of the next. Has no clock.

use std::time::Duration;

/// A census takes at most one part in so many of a core.
const CENSUS_SHARE: u32 = 66;
/// So does a proof: one hundredth.
const PROOF_SHARE: u64 = 100;
/// The first proof: what waits by then has waited longer than most requests take.
const FIRST_PROOF_NS: u64 = 2_000_000_000;
/// The shortest time between two proofs: copies closer than that could err alike.
const CLOSEST_NS: u64 = 1_500_000_000;
/// The longest.
const FARTHEST_NS: u64 = 600_000_000_000;

/// How long to wait between the beginnings of two censuses: `wish`, or more when a census takes `cost`.
#[must_use]
pub fn census_period(wish: Duration, cost: Duration) -> Duration {
    wish.max(cost.saturating_mul(CENSUS_SHARE))
}

/// When the next proof is due, in ns since the watch began: the distances grow with the cost, and, unless there is `news`, with the time
/// that has passed.
pub(super) const fn next_proof(last: Option<(u64, u64)>, news: bool) -> u64 {
    let Some((at, cost)) = last else { return FIRST_PROOF_NS };
    let mut distance = if news { CLOSEST_NS } else { at / 3 };
    if distance < CLOSEST_NS {
        distance = CLOSEST_NS;
    }
    if distance > FARTHEST_NS {
        distance = FARTHEST_NS;
    }
    let bound = cost.saturating_mul(PROOF_SHARE);
    at.saturating_add(if distance < bound { bound } else { distance })
}

#[cfg(test)]
mod tests {
    use super::next_proof;

    #[test]
    fn a_proof_takes_at_most_a_hundredth_of_a_core() {
        for (at, cost) in [(2_000, 0), (2_000, 3), (9_000, 700), (100_000, 1), (4_000_000, 20_000)] {
            let (at, cost) = (at * 1_000_000, cost * 1_000_000);
            for news in [false, true] {
                let distance = next_proof(Some((at, cost)), news) - at;
                assert!(distance >= 100 * cost && distance >= 1_500_000_000, "{at} {cost}: {distance}");
            }
        }
    }
}

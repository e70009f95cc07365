//! Streams of events whose number is known, seen through windows.
#![expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "made-up numbers")]

use super::*;

const SECOND: u64 = 1_000_000_000;

/// Runs `seconds` of windows, one each 5 s at times that vary, over a stream of `rate(t)` events per second; whether the
/// interval holds the truth at every moment, and how far off the number is in the end.
fn check(seconds: u64, rate: impl Fn(u64) -> f64) -> f64 {
    let mut estimate = Estimate::new(1_000, 0);
    let mut truth = 1_000.0;
    let mut last = 1_000;
    let mut random = 0x2545_f491_4f6c_dd1d_u64;
    let mut next = SECOND;
    for ms in 0..seconds * 1_000 {
        let now = (ms + 1) * 1_000_000;
        truth += rate(now) / 1_000.0;
        if now >= next {
            random ^= random << 13;
            random ^= random >> 7;
            random ^= random << 17;
            next += 5 * SECOND / 2 + random % (5 * SECOND);
            let events = (rate(now) * 0.005) as u64;
            estimate.add(&Window {
                closed_ns: now,
                length: Duration::from_millis(5),
                events,
                family_by_cpu: vec![events / 2, events - events / 2],
            });
        }
        let count = estimate.count(now);
        assert!(count.value >= last, "the number falls");
        last = count.value;
        assert!((count.low..=count.high).contains(&estimate.carried(now).value));
        assert!((count.low as f64) <= truth + 1.0 && truth <= count.high as f64 + 1.0, "{truth} outside {count:?} at {ms} ms");
    }
    (estimate.count(seconds * SECOND).value as f64 - truth) / truth
}

#[test]
fn steady_rates() {
    for rate in [3_000.0, 20_000.0, 100_000.0] {
        let off = check(120, |_| rate);
        assert!(off.abs() < 0.10, "{rate}/s is off by {off}");
    }
}

#[test]
fn a_slope_is_followed() {
    let off = check(120, |ns| 5_000.0 + ns as f64 / 1e9 * 100.0);
    assert!(off.abs() < 0.12, "off by {off}");
}

#[test]
fn a_saturated_cpu_gives_a_wide_interval_not_a_wrong_number() {
    // A loop that does 100 M/s unprobed and 1.2 M/s while the probes are on.
    let mut estimate = Estimate::new(0, 0);
    for i in 1..10 {
        estimate.add(&Window { closed_ns: i * 5 * SECOND, length: Duration::from_millis(5), events: 6_000, family_by_cpu: vec![6_000] });
    }
    let count = estimate.count(45 * SECOND);
    assert!(count.low <= 45 * 1_200_000, "{count:?}");
    assert!(count.high >= 45 * 100_000_000, "{count:?}");
}

#[test]
fn nothing_known_is_said() {
    let count = Estimate::new(500, 0).count(SECOND);
    assert_eq!((count.value, count.low), (500, 500));
    assert!(!count.is_exact());
}

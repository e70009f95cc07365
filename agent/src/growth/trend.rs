//! How the memory of a process grows, and when it comes to a limit. Input: bytes at instants, [`MemoryLimit`]s, what leaks. Output noun:
//! [`Projection`]. Must not know where the figures come from; has no clock.

use std::time::Duration;

use crate::model::{MemoryLimit, Projection, Suspect};

/// Instants that are kept, evenly over the watch: where there are more, every second one is forgotten.
const SAMPLES: usize = 64;
/// What is further away than this is not said: ten years.
const FARTHEST: f64 = 10.0 * 365.0 * 86_400.0;
/// Bytes of one goroutine at least: the smallest stack and its `runtime.g`.
const GOROUTINE: f64 = 2_500.0;
/// Fewer instants tell nothing.
const FEWEST: usize = 6;

/// The bytes that a runtime holds, over time.
#[derive(Clone, Debug, Default)]
pub struct MemoryTrend {
    samples: Vec<(u64, u64)>,
}

impl MemoryTrend {
    /// At this time, ns, so many bytes.
    pub fn note(&mut self, now_ns: u64, bytes: u64) {
        if self.samples.len() >= SAMPLES {
            let mut keep = false;
            self.samples.retain(|_| {
                keep = !keep;
                keep
            });
        }
        self.samples.push((now_ns, bytes));
    }

    /// When the next instant is due, so that they are even.
    #[must_use]
    pub fn next_ns(&self) -> u64 {
        match (self.samples.first(), self.samples.last()) {
            (Some((first, _)), Some((last, _))) => last.saturating_add((last - first) / (SAMPLES as u64 / 2)),
            _ => 0,
        }
    }

    /// Bytes a second in the last half of what was seen: the median of the slopes between all pairs of instants, which single steps
    /// and what the collector gives back do not move. None where too little was seen.
    #[must_use]
    pub fn bytes_per_second(&self) -> Option<f64> {
        let (first, last) = (self.samples.first()?.0, self.samples.last()?.0);
        let middle = first + (last - first) / 2;
        let recent = self.samples.get(self.samples.partition_point(|(at, _)| *at < middle)..)?;
        if recent.len() < FEWEST {
            return None;
        }
        let mut slopes = Vec::with_capacity(recent.len() * recent.len() / 2);
        for (index, (at, bytes)) in recent.iter().enumerate() {
            for (before, had) in recent.iter().take(index) {
                let seconds = Duration::from_nanos(at.saturating_sub(*before)).as_secs_f64();
                if seconds > 0.0 {
                    slopes.push((float(*bytes) - float(*had)) / seconds);
                }
            }
        }
        slopes.sort_by(f64::total_cmp);
        slopes.get(slopes.len() / 2).copied()
    }

    /// Which of `limits` is reached first, and when: by the growth that was seen, or by what the goroutines that leak take at least,
    /// whichever is more. None where there is no limit, or no growth.
    #[must_use]
    pub fn project(&self, suspects: &[Suspect], limits: &[MemoryLimit]) -> Option<Projection> {
        let leaking: f64 = suspects.iter().map(|suspect| suspect.slope).sum::<f64>() * GOROUTINE;
        let bytes_per_second = self.bytes_per_second().unwrap_or(0.0).max(leaking);
        let reached = |limit: &MemoryLimit| float(limit.bytes.saturating_sub(limit.used)) / bytes_per_second;
        let first = limits.iter().min_by(|a, b| reached(a).total_cmp(&reached(b)))?;
        let seconds = reached(first);
        // Without growth it is no number, or endless.
        (bytes_per_second > 0.0 && seconds <= FARTHEST).then(|| Projection {
            limit: *first,
            bytes_per_second,
            reached_in: Duration::from_secs_f64(seconds),
        })
    }
}

/// Bytes as a number with a point: exact up to 8 PB.
#[expect(clippy::cast_precision_loss, reason = "bytes of one machine fit into 53 bits")]
const fn float(bytes: u64) -> f64 {
    bytes as f64
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{Evidence, LimitKind, RuntimeAddress};

    const SECOND: u64 = 1_000_000_000;

    fn suspect(slope: f64) -> Suspect {
        Suspect {
            created_at: RuntimeAddress(1),
            blocked_at: None,
            wait: None,
            evidence: Evidence::Proven,
            count: 10,
            slope,
            since_ns: 0,
            watched_ns: SECOND,
            one_in: 1,
        }
    }

    fn limit(kind: LimitKind, bytes: u64, used: u64) -> MemoryLimit {
        MemoryLimit { kind, bytes, used }
    }

    /// Bytes at each second, what leaks, limits: which limit is reached, in how many seconds.
    fn check(name: &str, bytes: impl Fn(u64) -> u64, slope: f64, limits: &[MemoryLimit], expected: Option<(LimitKind, u64)>) {
        let mut trend = MemoryTrend::default();
        for second in 0..1000 {
            trend.note(second * SECOND, bytes(second));
        }
        assert!(trend.samples.len() <= SAMPLES, "{name}");
        let found = trend.project(&[suspect(slope)], limits).map(|found| (found.limit.kind, found.reached_in.as_secs()));
        assert_eq!(found, expected, "{name}");
    }

    #[test]
    fn projections() {
        let cgroup = limit(LimitKind::Cgroup, 2_000_000, 1_000_000);
        let go = limit(LimitKind::Go, 1_500_000, 1_400_000);
        check("steady", |at| 5_000 + at * 1_000, 0.1, &[cgroup], Some((LimitKind::Cgroup, 1_000)));
        check("the first of two", |at| 5_000 + at * 1_000, 0.1, &[cgroup, go], Some((LimitKind::Go, 100)));
        check("no limit", |at| at * 1_000, 0.1, &[], None);
        check("a warm-up that is over", |at| at.min(300) * 100_000, 0.4, &[cgroup], Some((LimitKind::Cgroup, 1_000)));
        check("a step", |at| if at < 900 { 5 } else { 500_000 }, 0.4, &[cgroup], Some((LimitKind::Cgroup, 1_000)));
        check("shrinks, and nothing leaks", |at| 1_000_000 - at * 10, 0.0, &[cgroup], None);
        check("not in ten years", |_| 5, 1e-9, &[cgroup], None);
        check("it is there", |at| at, 1.0, &[limit(LimitKind::Go, 10, 11)], Some((LimitKind::Go, 0)));
    }

    #[test]
    fn instants_are_even_and_few() {
        let mut trend = MemoryTrend::default();
        assert_eq!((trend.next_ns(), trend.bytes_per_second()), (0, None));
        let mut now = 0;
        for _ in 0..500 {
            now = now.max(trend.next_ns()) + SECOND;
            trend.note(now, now / SECOND * 7);
        }
        assert!(now > 100_000 * SECOND, "they get rarer");
        assert!((trend.bytes_per_second().unwrap() - 7.0).abs() < 1e-6);
    }

    #[test]
    fn what_the_collector_gives_back_does_not_move_the_trend() {
        let mut trend = MemoryTrend::default();
        (0..1000).for_each(|second| trend.note(second * SECOND, 1_000_000 + second * 100 + second * 7 % 23 * 1_000));
        let found = trend.bytes_per_second().unwrap();
        assert!((80.0..120.0).contains(&found), "{found}");
    }
}

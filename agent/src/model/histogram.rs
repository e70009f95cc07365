//! A histogram of durations, folded into few buckets.

/// Observations by size: at most a dozen buckets, whatever the source has.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Histogram {
    /// Upper bound (seconds, rising; the last is infinite) and how many observations lie between it and the one before.
    buckets: Vec<(f64, u64)>,
    /// Seconds.
    sum: f64,
}

impl Histogram {
    /// From buckets as described at [`Histogram::buckets`], and the sum of all observations in seconds.
    #[must_use]
    pub const fn new(buckets: Vec<(f64, u64)>, sum: f64) -> Self {
        Self { buckets, sum }
    }

    /// Upper bound in seconds (rising, the last is infinite) and the number of observations between it and the one before.
    #[must_use]
    pub fn buckets(&self) -> &[(f64, u64)] {
        &self.buckets
    }

    /// Observations.
    #[must_use]
    pub fn count(&self) -> u64 {
        self.buckets.iter().fold(0, |sum, (_, count)| sum.saturating_add(*count))
    }

    /// Seconds; an estimate where the source has buckets only.
    #[must_use]
    pub const fn sum(&self) -> f64 {
        self.sum
    }

    /// Adds the observations of another one with the same bounds; one without buckets is none. Others are left out.
    pub fn add(&mut self, other: &Self) {
        if self.buckets.is_empty() {
            self.buckets.clone_from(&other.buckets);
        } else if self.buckets.len() == other.buckets.len() {
            for ((_, count), (_, more)) in self.buckets.iter_mut().zip(&other.buckets) {
                *count = count.saturating_add(*more);
            }
        } else {
            return;
        }
        self.sum += other.sum;
    }
}

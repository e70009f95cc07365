//! Medians, percentiles and their text.

/// The middle of `values`; 0 for none.
pub(super) fn median(values: &[f64]) -> f64 {
    percentile(values, 50)
}

/// The smallest value that `percent` of `values` do not exceed; 0 for none.
pub(super) fn percentile(values: &[f64], percent: usize) -> f64 {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    let rank = (sorted.len() * percent).div_ceil(100).max(1) - 1;
    sorted.get(rank).copied().unwrap_or(0.0)
}

/// `median (smallest to largest)`, each as `text` says it.
pub(super) fn spread(values: &[f64], text: impl Fn(f64) -> String) -> String {
    format!("{} ({} to {})", text(median(values)), text(percentile(values, 0)), text(percentile(values, 100)))
}

/// A share as percent, with its sign.
pub(super) fn percent(share: f64) -> String {
    format!("{:+.2} %", share * 100.0)
}

/// Nanoseconds, in the unit that fits.
pub(super) fn time(ns: f64) -> String {
    match ns.abs() {
        ns_abs if ns_abs < 1e4 => format!("{ns:.1} ns"),
        ns_abs if ns_abs < 1e6 => format!("{:.1} us", ns / 1e3),
        ns_abs if ns_abs < 1e9 => format!("{:.1} ms", ns / 1e6),
        _ => format!("{:.2} s", ns / 1e9),
    }
}

/// Bytes as MiB.
pub(super) fn mib(bytes: u64) -> String {
    #[expect(clippy::cast_precision_loss, reason = "for people")]
    let mib = bytes as f64 / 1_048_576.0;
    format!("{mib:.1} MiB")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentiles() {
        let hundred: Vec<f64> = (1..=100).rev().map(f64::from).collect();
        for (percent, expected) in [(0, 1.0), (50, 50.0), (99, 99.0), (100, 100.0)] {
            assert!((percentile(&hundred, percent) - expected).abs() < f64::EPSILON, "{percent}");
        }
        assert!((median(&[]) - 0.0).abs() < f64::EPSILON);
        assert!((median(&[3.0]) - 3.0).abs() < f64::EPSILON);
    }

    #[test]
    fn times() {
        for (ns, expected) in [(8.44, "8.4 ns"), (10_400.0, "10.4 us"), (3.5e6, "3.5 ms"), (2.5e9, "2.50 s")] {
            assert_eq!(time(ns), expected);
        }
    }
}

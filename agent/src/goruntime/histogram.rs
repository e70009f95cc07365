//! `runtime.timeHistogram`, folded. Input noun: its counts. Output noun: [`Histogram`]. Must not know what was measured.

use super::Fields as _;
use crate::model::Histogram;

/// The bounds that are kept are powers of 4 ns: bounds of the runtime's own buckets in every version, so that nothing is split.
const BOUNDS: [u32; 11] = [10, 12, 14, 16, 18, 20, 22, 24, 26, 28, 30];

/// How a version sorts durations.
#[derive(Clone, Copy, Debug)]
struct Shape {
    /// Exponential buckets, each in this many parts.
    buckets: u32,
    parts_log2: u32,
    /// Durations below 2^(this - 1) ns are all in the first.
    first_bit: u32,
}

/// Go 1.19 (src/runtime/histogram.go: timeHistNumSuperBuckets, timeHistSubBucketBits); the rest from 1.20 on.
const fn shape(minor: u16) -> Shape {
    match minor {
        ..=19 => Shape { buckets: 45, parts_log2: 4, first_bit: 5 },
        _ => Shape { buckets: 40, parts_log2: 2, first_bit: 9 },
    }
}

/// Folds the counts of a histogram of Go 1.`minor`. `bytes` are its struct, with counts at `counts`; the bytes behind those are counted
/// as too short and too long.
pub(super) fn fold(bytes: &[u8], counts: u32, underflow: u32, overflow: Option<u32>, minor: u16) -> Histogram {
    let shape = shape(minor);
    let mut buckets: Vec<(f64, u64)> = BOUNDS.iter().map(|bit| (seconds(1u64 << bit), 0)).collect();
    buckets.push((f64::INFINITY, 0));
    let mut sum = 0.0;
    let mut add = |lower_ns: u64, count: u64| {
        let index = BOUNDS.iter().position(|bit| lower_ns < 1u64 << bit).unwrap_or(BOUNDS.len());
        if let Some((_, total)) = buckets.get_mut(index) {
            *total = total.saturating_add(count);
        }
        #[expect(clippy::cast_precision_loss, reason = "an estimate")]
        let more = seconds(lower_ns) * count as f64;
        sum += more;
    };
    let parts = 1u32 << shape.parts_log2;
    for bucket in 0..shape.buckets {
        for part in 0..parts {
            let count = bytes.u64(counts + 8 * (bucket * parts + part));
            if count > 0 {
                add(lower(shape, bucket, part), count);
            }
        }
    }
    add(0, bytes.u64(underflow));
    if let Some(overflow) = overflow {
        add(lower(shape, shape.buckets, 0), bytes.u64(overflow));
    }
    Histogram::new(buckets, sum)
}

/// The shortest duration that is counted there, ns.
const fn lower(shape: Shape, bucket: u32, part: u32) -> u64 {
    let Shape { parts_log2, first_bit, .. } = shape;
    if bucket == 0 {
        return (part as u64) << (first_bit - 1 - parts_log2);
    }
    let base = first_bit - 2 + bucket;
    (1 << base) + ((part as u64) << (base - parts_log2))
}

#[expect(clippy::cast_precision_loss, reason = "durations below 2^53 ns")]
fn seconds(ns: u64) -> f64 {
    ns as f64 / 1e9
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bounds() {
        let check =
            |minor, bucket, part, expected: u64| assert_eq!(lower(shape(minor), bucket, part), expected, "1.{minor} {bucket} {part}");
        // The first bucket is divided like all others; the next ones begin at 256, 512, ... ns.
        check(27, 0, 0, 0);
        check(27, 0, 3, 192);
        check(27, 1, 0, 256);
        check(27, 1, 1, 320);
        check(27, 2, 0, 512);
        check(27, 39, 3, (1 << 46) + 3 * (1 << 44));
        check(19, 0, 15, 15);
        check(19, 1, 0, 16);
        check(19, 1, 15, 31);
        check(19, 2, 0, 32);
        check(19, 2, 1, 34);
    }

    #[test]
    fn folding_keeps_every_observation() {
        let mut bytes = vec![0u8; 1296];
        for index in 0..160 {
            bytes[8 * index..8 * index + 8].copy_from_slice(&1u64.to_le_bytes());
        }
        bytes[1280..1288].copy_from_slice(&7u64.to_le_bytes());
        bytes[1288..1296].copy_from_slice(&9u64.to_le_bytes());
        let histogram = fold(&bytes, 0, 1280, Some(1288), 27);
        assert_eq!(histogram.count(), 176);
        assert_eq!(histogram.buckets().len(), 12);
        // 4 below 256 ns, 4 to 512, 4 to 1,024, and the negative ones.
        assert_eq!(histogram.buckets()[0].1, 19);
        assert_eq!(histogram.buckets()[1].1, 8);
        assert!(histogram.sum() > 0.0);
    }
}

//! The heap's own account. Input nouns: bytes of `runtime.memstats` and `runtime.gcController`. Output: sums. Must not know memory.

use goroscope_gobin::layout::{GcController, Layout, SIZE_CLASSES};

use super::Fields as _;

/// `runtime.consistentHeapStats` has this many sets of numbers, in turns: their sums are the numbers.
const GENERATIONS: u32 = 3;

/// What was allocated since the process started, and what stacks have.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct HeapStats {
    /// `/gc/heap/allocs:bytes`.
    pub(super) allocated_bytes: u64,
    /// `/gc/heap/allocs:objects`.
    pub(super) allocations: u64,
    /// `/memory/classes/heap/stacks:bytes`.
    pub(super) stack_bytes: u64,
}

/// Sums as `runtime.heapStatsAggregate.compute` does.
pub(super) fn stats(memstats: &[u8], layout: &Layout) -> HeapStats {
    let delta = &layout.heap_stats_delta;
    let first = layout.mstats.heap_stats.saturating_add(layout.consistent_heap_stats.stats);
    let mut sum = HeapStats::default();
    for generation in 0..GENERATIONS {
        let base = first.saturating_add(delta.size.saturating_mul(generation));
        let word = |at: u32| memstats.u64(base.saturating_add(at));
        // A generation alone may be negative.
        sum.stack_bytes = sum.stack_bytes.wrapping_add(word(delta.in_stacks));
        sum.allocated_bytes = sum.allocated_bytes.wrapping_add(word(delta.large_alloc));
        sum.allocations = sum.allocations.wrapping_add(word(delta.large_alloc_count));
        for (class, size) in (0..).zip(SIZE_CLASSES) {
            let count = word(delta.small_alloc_count.saturating_add(8 * class));
            sum.allocations = sum.allocations.wrapping_add(count);
            sum.allocated_bytes = sum.allocated_bytes.wrapping_add(count.wrapping_mul(size.into()));
        }
    }
    sum
}

/// `/gc/heap/goal:bytes`, as `runtime.gcControllerState.heapGoalInternal` finds it from what it keeps.
pub(super) fn goal(gc: &[u8], layout: &GcController, minor: u16) -> u64 {
    const RUNWAY: u64 = 64 << 10;
    let goal = gc.u64(layout.gc_percent_heap_goal);
    let by_limit = goal_by_limit(gc, layout, minor);
    if by_limit < goal {
        return by_limit;
    }
    let goal = goal.max(gc.u64(layout.sweep_dist_min_trigger));
    match gc.u64(layout.triggered) {
        u64::MAX => goal,
        triggered => goal.max(triggered.wrapping_add(RUNWAY)),
    }
}

/// What the memory limit leaves to the heap, as `runtime.gcControllerState.memoryLimitHeapGoal` finds it.
fn goal_by_limit(gc: &[u8], layout: &GcController, minor: u16) -> u64 {
    const HEADROOM: u64 = 1 << 20;
    let limit = gc.u64(layout.memory_limit);
    let marked = gc.u64(layout.heap_marked);
    let ready = gc.u64(layout.mapped_ready);
    let in_use = gc.u64(layout.total_alloc).wrapping_sub(gc.u64(layout.total_free));
    let heap = gc.u64(layout.heap_free).saturating_add(in_use);
    let other = ready.saturating_sub(heap);
    let overage = ready.saturating_sub(limit);
    let Some(goal) = limit.checked_sub(other.saturating_add(overage)).filter(|goal| *goal > 0) else { return marked };
    // From 1.21 on it is 3 per cent, if that is more.
    let headroom = if minor >= 21 { HEADROOM.max(goal / 100 * 3) } else { HEADROOM };
    let goal = match goal.checked_sub(headroom) {
        Some(rest) if rest >= headroom => rest,
        _ => headroom,
    };
    goal.max(marked)
}

#[cfg(test)]
mod tests {
    use goroscope_gobin::{Arch, GoVersion, layout::tabled};

    use super::*;

    #[test]
    fn goals() {
        let layout = Layout::read(&tabled(&GoVersion::parse("go1.27.3").unwrap(), Arch::Amd64).unwrap()).unwrap().gc_controller;
        let check = |fields: &[(u32, u64)], minor, expected: u64| {
            let mut gc = vec![0_u8; 392];
            for (at, value) in [(layout.memory_limit, i64::MAX.unsigned_abs()), (layout.triggered, u64::MAX)].iter().chain(fields) {
                let at = usize::try_from(*at).unwrap();
                gc[at..at + 8].copy_from_slice(&value.to_le_bytes());
            }
            assert_eq!(goal(&gc, &layout, minor), expected, "{fields:?} 1.{minor}");
        };
        let goal = layout.gc_percent_heap_goal;
        check(&[(goal, 4 << 20)], 27, 4 << 20);
        check(&[(goal, 4 << 20), (layout.sweep_dist_min_trigger, 5 << 20)], 27, 5 << 20);
        check(&[(goal, 4 << 20), (layout.triggered, 4 << 20)], 27, (4 << 20) + (64 << 10));
        // A limit of 100 MiB, of which 20 MiB are not heap.
        let limit = [(goal, u64::MAX), (layout.memory_limit, 100 << 20), (layout.mapped_ready, 60 << 20), (layout.total_alloc, 40 << 20)];
        check(&limit, 20, 79 << 20);
        check(&limit, 27, (80 << 20) - (80 << 20) / 100 * 3);
        // More than the limit is in use by others than the heap.
        check(&[(goal, u64::MAX), (layout.memory_limit, 10), (layout.mapped_ready, 60 << 20), (layout.heap_marked, 7)], 27, 7);
    }
}

//! Why a goroutine waits: the numbers of `runtime.waitReason`, which move from version to version.
//!
//! Input noun: a number and the minor version. Output noun: [`WaitReason`]. Must not know goroutines. The table,
//! `layouts/waitReason.txt`, comes from src/runtime/runtime2.go of each version (`cargo xtask offsets`).

use std::sync::LazyLock;

use crate::{MAX_MINOR, MIN_MINOR};

const TABLE: &str = include_str!("../layouts/waitReason.txt");

/// What a goroutine waits for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct WaitReason {
    text: &'static str,
    kind: WaitKind,
}

/// What can end a wait: the reasons as those see them who ask whether it will.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum WaitKind {
    /// Another goroutine that uses one of the channels in the queue entries (`g.waiting`): send, receive, select.
    Channel,
    /// Nobody: a nil channel, or a select without cases.
    Forever,
    /// Another goroutine that releases a semaphore: Mutex, RWMutex, WaitGroup, and the runtime's own.
    Semaphore,
    /// Another goroutine that signals a `sync.Cond`.
    Cond,
    /// The kernel: the network, a pipe, a timer of the poller.
    Io,
    /// The clock.
    Sleep,
    /// Another goroutine that resumes a coroutine (`iter.Pull`).
    Coroutine,
    /// Something in a bubble of `testing/synctest`.
    Synctest,
    /// The kernel, or C: the goroutine does not wait, its thread does.
    Syscall,
    /// The runtime itself: collector, scheduler, tracer.
    Runtime,
}

static REASONS: LazyLock<Vec<Vec<Option<WaitReason>>>> = LazyLock::new(|| {
    let mut reasons = vec![Vec::new(); usize::from(MAX_MINOR - MIN_MINOR) + 1];
    for line in TABLE.lines().filter(|line| !line.starts_with('#')) {
        let mut cells = line.split('|').map(str::trim);
        let (Some(number), Some(versions), Some(text)) = (cells.next(), cells.next(), cells.next()) else { continue };
        let (Ok(number), Some((from, to))) = (number.parse::<usize>(), versions.split_once('-')) else { continue };
        let (Ok(from), Ok(to)) = (from.parse::<u16>(), to.parse::<u16>()) else { continue };
        for minor in from..=to {
            let Some(column) = minor.checked_sub(MIN_MINOR).and_then(|index| reasons.get_mut(usize::from(index))) else { continue };
            column.resize(column.len().max(number + 1), None);
            if let Some(slot) = column.get_mut(number) {
                *slot = Some(WaitReason { text, kind: kind(text) });
            }
        }
    }
    reasons
});

impl WaitReason {
    /// In a system call or in C: none of the runtime's reasons, but what it prints in a traceback in place of one.
    pub const SYSCALL: Self = Self { text: "syscall", kind: WaitKind::Syscall };

    /// The reason that `number` stands for in Go 1.`minor`; `None` for 0 and for numbers that the version does not have.
    #[must_use]
    pub fn of(minor: u16, number: u8) -> Option<Self> {
        let column = REASONS.get(usize::from(minor.checked_sub(MIN_MINOR)?))?;
        column.get(usize::from(number)).copied().flatten()
    }

    /// As Go prints it in a traceback.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        self.text
    }

    /// What can end it.
    #[must_use]
    pub const fn kind(self) -> WaitKind {
        self.kind
    }

    /// Every reason of any version, once: the closed set of a metric label.
    #[must_use]
    pub fn all() -> Vec<Self> {
        let mut all: Vec<Self> = REASONS.iter().flatten().flatten().copied().collect();
        all.sort_unstable();
        all.dedup();
        all
    }
}

fn kind(text: &str) -> WaitKind {
    match text {
        "chan receive" | "chan send" | "select" => WaitKind::Channel,
        "chan receive (nil chan)" | "chan send (nil chan)" | "select (no cases)" => WaitKind::Forever,
        "semacquire" | "sync.Mutex.Lock" | "sync.RWMutex.RLock" | "sync.RWMutex.Lock" | "sync.WaitGroup.Wait" => WaitKind::Semaphore,
        "sync.Cond.Wait" => WaitKind::Cond,
        "IO wait" => WaitKind::Io,
        "sleep" => WaitKind::Sleep,
        "coroutine" => WaitKind::Coroutine,
        text if text.contains("synctest") || text.ends_with("(durable)") => WaitKind::Synctest,
        _ => WaitKind::Runtime,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reasons() {
        let check = |minor, number, expected: Option<(&str, WaitKind)>| {
            assert_eq!(WaitReason::of(minor, number).map(|reason| (reason.as_str(), reason.kind())), expected, "1.{minor} {number}");
        };
        check(19, 14, Some(("chan receive", WaitKind::Channel)));
        check(25, 14, Some(("chan receive", WaitKind::Channel)));
        check(26, 14, Some(("sleep", WaitKind::Sleep)));
        check(27, 19, Some(("chan receive", WaitKind::Channel)));
        check(27, 18, Some(("select", WaitKind::Channel)));
        check(24, 24, Some(("sync.WaitGroup.Wait", WaitKind::Semaphore)));
        check(19, 21, Some(("timer goroutine (idle)", WaitKind::Runtime)));
        check(27, 45, Some(("sync.WaitGroup.Wait (durable)", WaitKind::Synctest)));
        check(19, 0, None);
        check(19, 255, None);
        check(18, 14, None);
        check(28, 14, None);
    }
}

//! `/proc/PID/stat` and the boot time of `/proc/stat`. Input noun: their bytes. Output noun: [`Stat`]. Must not know files.

use std::time::{Duration, SystemTime};

/// `PF_KTHREAD` of the kernel's `sched.h`.
const KERNEL_THREAD: u64 = 0x0020_0000;

/// The fields of `/proc/PID/stat` that matter.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Stat {
    /// Field 3: `R`, `S`, `Z`, ...
    pub(super) state: u8,
    /// Field 9 says that this is a thread of the kernel.
    pub(super) kernel_thread: bool,
    /// Field 20.
    pub(super) threads: u64,
    /// Field 22: clock ticks from boot to the start of the process. With the pid it names one process for good.
    pub(super) start_ticks: u64,
    /// Field 26: where the executable's text begins in memory. 0 without an address space and in the middle of an exec, 1
    /// for who may not know (it takes what `ptrace` takes).
    pub(super) start_code: u64,
}

impl Stat {
    /// Whether this task has ended: a zombie, or being reaped.
    pub(super) const fn is_dead(self) -> bool {
        matches!(self.state, b'Z' | b'X' | b'x')
    }

    /// The fields of a line. The name, field 2, is chosen by the process: any bytes, closing brackets and newlines included.
    pub(super) fn parse(line: &[u8]) -> Option<Self> {
        let after_name = line.iter().rposition(|byte| *byte == b')')?;
        let rest = str::from_utf8(line.get(after_name + 1..)?).ok()?;
        let mut fields = rest.split_ascii_whitespace();
        let state = *fields.next()?.as_bytes().first()?;
        // Counted from field 4, the next one.
        let flags: u64 = fields.nth(9 - 4)?.parse().ok()?;
        let threads = fields.nth(20 - 10)?.parse().ok()?;
        let start_ticks = fields.nth(22 - 21)?.parse().ok()?;
        let start_code = fields.nth(26 - 23)?.parse().ok()?;
        Some(Self { state, kernel_thread: flags & KERNEL_THREAD != 0, threads, start_ticks, start_code })
    }
}

/// When the machine was booted, from `/proc/stat`.
pub(super) fn boot_time(stat: &[u8]) -> Option<SystemTime> {
    let line = stat.split(|byte| *byte == b'\n').find_map(|line| line.strip_prefix(b"btime "))?;
    let seconds: u64 = str::from_utf8(line).ok()?.trim().parse().ok()?;
    SystemTime::UNIX_EPOCH.checked_add(Duration::from_secs(seconds))
}

/// When a process started. `None` when the numbers make no time.
pub(super) fn started_at(boot: SystemTime, ticks: u64, ticks_per_second: u64) -> Option<SystemTime> {
    boot.checked_add(since_boot(ticks, ticks_per_second)?)
}

/// How long after the boot of the machine.
pub(super) fn since_boot(ticks: u64, ticks_per_second: u64) -> Option<Duration> {
    let seconds = ticks.checked_div(ticks_per_second)?;
    let rest = ticks.checked_rem(ticks_per_second)?.checked_mul(1_000_000_000)?.checked_div(ticks_per_second)?;
    Duration::from_secs(seconds).checked_add(Duration::from_nanos(rest))
}

#[cfg(test)]
mod tests {
    use super::*;

    // `cat /proc/self/stat` on Linux 6.18, with the name exchanged.
    const TAIL: &[u8] = b" S 1 4242 4242 0 -1 4194304 97 0 0 0 1 2 0 0 20 0 7 0 123456 2703360 216 18446744073709551615 4198400 4202496 0 0 0 0 0 0 0 0 0 0 17 1 0 0 0 0 0 0 0 0 0 0 0 0 0\n";

    fn check(name: &[u8], tail: &[u8], expected: Option<Stat>) {
        let line = [b"4242 (".as_slice(), name, b")", tail].concat();
        assert_eq!(Stat::parse(&line), expected, "{}", line.escape_ascii());
    }

    #[test]
    fn stat_lines() {
        let plain = Stat { state: b'S', kernel_thread: false, threads: 7, start_ticks: 123_456, start_code: 0x401000 };
        check(b"cat", TAIL, Some(plain));
        check(b"", TAIL, Some(plain));
        check(b"a) Z 1 (b", TAIL, Some(plain));
        check(b"new\nline \xff", TAIL, Some(plain));
        check(b"cat", b"", None);
        check(b"cat", b" S 1 2 3", None);
        check(b"cat", b" S 1 4242 4242 0 -1 flags 97 0 0 0 1 2 0 0 20 0 7 0 123456 1 2 3 4", None);
        check(b"cat", b" S \xff", None);
        let kernel = b" I 2 0 0 0 -1 69238880 0 0 0 0 0 0 0 0 0 -20 1 0 12 0 0 18446744073709551615 0 0";
        check(b"kworker/0:0H", kernel, Some(Stat { state: b'I', kernel_thread: true, threads: 1, start_ticks: 12, start_code: 0 }));
        assert_eq!(Stat::parse(b"no brackets"), None);
    }

    #[test]
    fn times() {
        let boot = boot_time(b"cpu  1 2 3\nintr 5 0 0\nctxt 9\nbtime 1700000000\nprocesses 3\n").unwrap();
        assert_eq!(boot, SystemTime::UNIX_EPOCH + Duration::from_secs(1_700_000_000));
        assert_eq!(boot_time(b"cpu 1\n"), None);
        assert_eq!(boot_time(b"btime -1\n"), None);
        assert_eq!(started_at(boot, 250, 100), Some(boot + Duration::from_millis(2500)));
        assert_eq!(started_at(boot, 250, 0), None);
        assert_eq!(started_at(boot, u64::MAX, 1), None);
    }
}

//! What the agent's own process uses: the standard `process_*` families of Prometheus clients.
//!
//! In: /proc/self. Out: samples. Must not know: Reports, other processes.

use std::{fs, io};

use super::family::{Descriptor, Families, Labels, Value};

static CPU: Descriptor =
    Descriptor::counter("process_cpu_seconds_total", "CPU time of the agent, user and system, in seconds.").unit("seconds");
static RESIDENT: Descriptor =
    Descriptor::gauge("process_resident_memory_bytes", "Resident memory of the agent in bytes, BPF maps not included.").unit("bytes");
static VIRTUAL: Descriptor = Descriptor::gauge("process_virtual_memory_bytes", "Virtual memory of the agent in bytes.").unit("bytes");
static OPEN_FDS: Descriptor = Descriptor::gauge("process_open_fds", "File descriptors that the agent has open.");
static MAX_FDS: Descriptor = Descriptor::gauge("process_max_fds", "File descriptors that the agent may have open.");
static START_TIME: Descriptor =
    Descriptor::gauge("process_start_time_seconds", "When the agent started, in seconds since 1970.").unit("seconds");

/// Every family of this room.
#[cfg(test)]
pub(super) static ALL: [&Descriptor; 6] = [&CPU, &RESIDENT, &VIRTUAL, &OPEN_FDS, &MAX_FDS, &START_TIME];

/// What the agent uses at one instant.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct OwnUsage {
    /// User and system time, seconds.
    pub cpu_seconds: f64,
    /// Resident memory, bytes.
    pub resident_bytes: u64,
    /// Virtual memory, bytes.
    pub virtual_bytes: u64,
    /// Open file descriptors.
    pub open_fds: u64,
    /// The soft limit of open file descriptors; none when there is no limit.
    pub max_fds: Option<u64>,
    /// Seconds since 1970.
    pub start_time_seconds: f64,
}

impl OwnUsage {
    /// Reads /proc/self. A few short files: about 50 us.
    ///
    /// # Errors
    /// /proc is not there, or does not look like Linux's.
    pub fn read() -> io::Result<Self> {
        let (stat, boot) = (fs::read_to_string("/proc/self/stat")?, fs::read_to_string("/proc/stat")?);
        let (limits, page) = (fs::read_to_string("/proc/self/limits")?, rustix::param::page_size() as u64);
        // The directory that is being read is one of them.
        let open_fds = (fs::read_dir("/proc/self/fd")?.count() as u64).saturating_sub(1);
        parse(&stat, &boot, &limits, rustix::param::clock_ticks_per_second(), page)
            .map(|usage| Self { open_fds, ..usage })
            .ok_or_else(|| io::Error::new(io::ErrorKind::InvalidData, "/proc/self/stat"))
    }

    pub(super) fn add(&self, families: &mut Families) {
        let Self { cpu_seconds, resident_bytes, virtual_bytes, open_fds, max_fds, start_time_seconds } = *self;
        let mut push = |descriptor, value| families.push(descriptor, Labels::default(), value);
        push(&CPU, Value::Float(cpu_seconds));
        push(&RESIDENT, Value::Count(resident_bytes));
        push(&VIRTUAL, Value::Count(virtual_bytes));
        push(&OPEN_FDS, Value::Count(open_fds));
        if let Some(max_fds) = max_fds {
            push(&MAX_FDS, Value::Count(max_fds));
        }
        push(&START_TIME, Value::Float(start_time_seconds));
    }
}

/// /proc/self/stat, /proc/stat and /proc/self/limits as numbers (proc(5)); `open_fds` is not in there.
fn parse(stat: &str, boot: &str, limits: &str, ticks: u64, page: u64) -> Option<OwnUsage> {
    // The name in parentheses may hold anything, so fields are counted from behind it: state is field 3.
    let fields: Vec<_> = stat.get(stat.rfind(')')? + 1..)?.split_ascii_whitespace().collect();
    let field = |number: usize| fields.get(number - 3)?.parse::<u64>().ok();
    let boot: u64 = boot.lines().find_map(|line| line.strip_prefix("btime "))?.trim().parse().ok()?;
    let max_fds = limits.lines().find_map(|line| line.strip_prefix("Max open files"))?.split_ascii_whitespace().next()?;
    Some(OwnUsage {
        cpu_seconds: seconds(field(14)?.checked_add(field(15)?)?, ticks),
        resident_bytes: field(24)?.checked_mul(page)?,
        virtual_bytes: field(23)?,
        open_fds: 0,
        max_fds: max_fds.parse().ok(),
        start_time_seconds: boot as f64 + seconds(field(22)?, ticks),
    })
}

fn seconds(value: u64, ticks: u64) -> f64 {
    value as f64 / ticks as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_taken_from_the_right_fields() {
        let stat = "7 (a) b (c)) S 1 7 7 0 -1 4194560 1 0 0 0 250 50 0 0 20 0 5 0 1000 8192 3 18446744073709551615 1 1 0 0";
        let usage = parse(stat, "cpu 1 2\nbtime 1700000000\n", "Max open files            1024                 4096   files\n", 100, 4096);
        let expected = OwnUsage {
            cpu_seconds: 3.0,
            resident_bytes: 3 * 4096,
            virtual_bytes: 8192,
            open_fds: 0,
            max_fds: Some(1024),
            start_time_seconds: 1_700_000_010.0,
        };
        assert_eq!(usage, Some(expected));
        assert_eq!(parse("7 (a", "", "", 100, 4096), None);
    }

    #[test]
    fn this_process_has_numbers() {
        let usage = OwnUsage::read().unwrap();
        assert!(usage.resident_bytes > 100_000 && usage.open_fds >= 3, "{usage:?}");
        let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().as_secs_f64();
        assert!(usage.start_time_seconds <= now + 1.0 && usage.start_time_seconds > now - 86400.0, "{usage:?} {now}");
    }
}

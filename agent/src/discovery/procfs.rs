//! Reading /proc, or a directory like it. Input noun: a pid. Output noun: [`Process`]. Must not know formats: those are next door.

use std::{
    fs::{self, File, OpenOptions},
    io::Read as _,
    os::unix::fs::{MetadataExt as _, OpenOptionsExt as _},
    path::{Path, PathBuf},
    sync::OnceLock,
    time::{Duration, SystemTime},
};

use rustix::fs::OFlags;

use super::{
    error::ProcError,
    stat::{self, Stat},
};
use crate::model::RuntimeAddress;

/// One line of 52 numbers and a name of 64 bytes.
const STAT_LIMIT: u64 = 4 << 10;
/// 15 hierarchies with paths of 4,096 bytes fit.
const CGROUP_LIMIT: u64 = 64 << 10;
/// The line of interrupt counters grows with the machine: 100 kB on large ones.
const SYSTEM_STAT_LIMIT: u64 = 4 << 20;
/// `kernel.pid_max` cannot be above this.
const PIDS_LIMIT: usize = 4 << 20;
/// How long to wait, in ms, before a process that changes under our eyes is looked at again: an exec takes less than a millisecond,
/// unless its disk is slow.
const PAUSES: [u64; 5] = [1, 2, 4, 8, 0];

/// /proc, or a directory that looks like it.
#[derive(Clone, Debug)]
pub struct ProcRoot {
    path: PathBuf,
    /// Read once: /proc/stat takes long on large machines.
    boot: OnceLock<SystemTime>,
}

/// A process that runs: what names it for good, and no more.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Listed {
    /// The pid.
    pub pid: u32,
    /// Clock ticks from boot to the start of the process.
    pub start_ticks: u64,
}

impl Listed {
    /// For how long it has been running.
    #[must_use]
    pub fn age(self) -> Duration {
        let now = rustix::time::clock_gettime(rustix::time::ClockId::Boottime);
        let now = Duration::try_from(now).unwrap_or_default();
        let started = stat::since_boot(self.start_ticks, rustix::param::clock_ticks_per_second());
        started.map_or(Duration::ZERO, |started| now.saturating_sub(started))
    }
}

/// What [`ProcRoot::scan`] found.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Scan {
    /// Processes that run, by pid.
    pub processes: Vec<Listed>,
    /// Threads of the kernel: skipped.
    pub kernel_threads: usize,
    /// Zombies: skipped.
    pub zombies: usize,
    /// Ended while being listed, or not to be read: skipped.
    pub unreadable: usize,
}

/// One process at one instant.
#[derive(Debug)]
pub struct Process {
    /// The pid.
    pub pid: u32,
    /// Clock ticks from boot to the start of the process: with the pid it names one process for good.
    pub start_ticks: u64,
    /// The same as a time of the day.
    pub started_at: SystemTime,
    /// `readlink /proc/PID/exe`: the path in the mount namespace of the process, ` (deleted)` behind it when it is.
    pub exe: PathBuf,
    /// The executable itself, even if deleted, replaced, or in a container.
    pub file: File,
    /// Where the executable's text begins in the process: with the lowest executable segment of the file it gives the load bias.
    pub text: RuntimeAddress,
    /// `/proc/PID/cgroup`; empty when there is none.
    pub cgroup: String,
}

/// Whether a process still runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Life {
    /// At least one thread runs.
    Alive,
    /// All threads have ended, or the pid is another process' by now.
    Exited,
}

/// What must be the same before and after for facts to belong together: not even an exec of the same file slips through,
/// as its text moves.
#[derive(PartialEq, Eq)]
struct Image {
    start_ticks: u64,
    text: RuntimeAddress,
    exe: (u64, u64),
}

impl Default for ProcRoot {
    fn default() -> Self {
        Self::new("/proc")
    }
}

impl ProcRoot {
    /// The directory to read: `/proc` but in tests.
    pub fn new(path: impl Into<PathBuf>) -> Self {
        Self { path: path.into(), boot: OnceLock::new() }
    }

    /// Which processes run now.
    ///
    /// # Errors
    /// The directory itself cannot be read. What happens to single processes is counted in the result.
    pub fn scan(&self) -> Result<Scan, ProcError> {
        let directory = fs::read_dir(&self.path).map_err(|source| ProcError::Io { what: "proc", source })?;
        let mut scan = Scan::default();
        for entry in directory.flatten().take(PIDS_LIMIT) {
            let Some(pid) = entry.file_name().to_str().and_then(parse_pid) else { continue };
            match self.stat(pid) {
                Ok(stat) if stat.kernel_thread => scan.kernel_threads += 1,
                Ok(stat) if self.has_ended(pid, stat) => scan.zombies += 1,
                Ok(stat) => scan.processes.push(Listed { pid, start_ticks: stat.start_ticks }),
                Err(_) => scan.unreadable += 1,
            }
        }
        scan.processes.sort_unstable();
        Ok(scan)
    }

    /// Everything about one process, all of the same image: one that execs meanwhile is looked at again.
    ///
    /// Opening an executable on a FUSE or network file system can block for as long as its server likes: call this off the
    /// async runtime, and not on a thread that everything else waits for.
    ///
    /// # Errors
    /// [`ProcError`]; `Gone` and `Changing` are normal.
    pub fn observe(&self, pid: u32) -> Result<Process, ProcError> {
        let boot = self.boot_time()?;
        for pause in PAUSES {
            match self.observe_once(pid, boot) {
                Err(ProcError::Changing { .. }) => std::thread::sleep(Duration::from_millis(pause)),
                result => return result,
            }
        }
        Err(ProcError::Changing { pid })
    }

    fn observe_once(&self, pid: u32, boot: SystemTime) -> Result<Process, ProcError> {
        let before = self.image(pid)?;
        let exe = self.exe(pid)?;
        let file = self.open_exe(pid)?;
        // The cgroup is a matter of names only: without one a process is still worth observing.
        let cgroup = self.cgroup(pid).unwrap_or_default();
        let opened = file.metadata().map_err(|source| ProcError::of(pid, "exe", source))?;
        if self.image(pid)? != before || (opened.dev(), opened.ino()) != before.exe {
            return Err(ProcError::Changing { pid });
        }
        let ticks = before.start_ticks;
        let started_at = stat::started_at(boot, ticks, rustix::param::clock_ticks_per_second()).unwrap_or(boot);
        Ok(Process { pid, start_ticks: ticks, started_at, exe, file, text: before.text, cgroup })
    }

    /// Whether the process that started at `start_ticks` still runs. A leader that ended before its threads is alive.
    ///
    /// # Errors
    /// Only what says neither.
    pub fn life(&self, process: Listed) -> Result<Life, ProcError> {
        match self.stat(process.pid) {
            Ok(stat) if stat.start_ticks != process.start_ticks => Ok(Life::Exited),
            Ok(stat) if self.has_ended(process.pid, stat) => Ok(Life::Exited),
            Ok(_) => Ok(Life::Alive),
            Err(ProcError::Gone { .. }) => Ok(Life::Exited),
            Err(other) => Err(other),
        }
    }

    /// Whether nothing of this process is left that could still run: it is gone, or a zombie without threads. No when that is not known,
    /// nor when another process has its number by now.
    #[must_use]
    pub fn is_over(&self, pid: u32) -> bool {
        match self.stat(pid) {
            Ok(stat) => self.has_ended(pid, stat),
            Err(error) => matches!(error, ProcError::Gone { .. }),
        }
    }

    /// Whether CLOCK_MONOTONIC is the same to the process as to this one; not if that is not known.
    #[must_use]
    pub fn shares_clock(&self, pid: u32) -> bool {
        let namespace = |of: &str| fs::read_link(self.path.join(of).join("ns/time"));
        match (namespace("self"), namespace(&pid.to_string())) {
            (Ok(own), Ok(its)) => own == its,
            // A kernel without them.
            (Err(error), _) => error.kind() == std::io::ErrorKind::NotFound,
            _ => false,
        }
    }

    /// When the machine was booted, to the second.
    ///
    /// # Errors
    /// `/proc/stat` is not what it should be.
    pub fn boot_time(&self) -> Result<SystemTime, ProcError> {
        if let Some(boot) = self.boot.get() {
            return Ok(*boot);
        }
        let what = "stat";
        let text = read_bounded(&self.path.join(what), SYSTEM_STAT_LIMIT, what, |source| ProcError::Io { what, source })?;
        let boot = stat::boot_time(&text).ok_or(ProcError::Malformed { what })?;
        Ok(*self.boot.get_or_init(|| boot))
    }

    /// The path of the executable as the process sees it.
    ///
    /// # Errors
    /// [`ProcError`].
    pub fn exe(&self, pid: u32) -> Result<PathBuf, ProcError> {
        fs::read_link(self.file(pid, "exe")).map_err(|source| ProcError::of(pid, "exe", source))
    }

    /// The executable, opened for reading through the kernel's own link: no path is looked up.
    ///
    /// # Errors
    /// [`ProcError`].
    pub fn open_exe(&self, pid: u32) -> Result<File, ProcError> {
        OpenOptions::new()
            .read(true)
            .custom_flags((OFlags::NONBLOCK | OFlags::NOCTTY).bits().cast_signed())
            .open(self.file(pid, "exe"))
            .map_err(|source| ProcError::of(pid, "exe", source))
    }

    /// `/proc/PID/cgroup`, bytes that are no UTF-8 replaced.
    ///
    /// # Errors
    /// [`ProcError`].
    pub fn cgroup(&self, pid: u32) -> Result<String, ProcError> {
        Ok(String::from_utf8_lossy(&self.read(pid, "cgroup", CGROUP_LIMIT)?).into_owned())
    }

    fn image(&self, pid: u32) -> Result<Image, ProcError> {
        let stat = self.stat(pid)?;
        if stat.kernel_thread || stat.is_dead() {
            return Err(ProcError::Gone { pid });
        }
        let exe = fs::metadata(self.file(pid, "exe")).map_err(|source| ProcError::of(pid, "exe", source))?;
        let text = match stat.start_code {
            0 => return Err(ProcError::Changing { pid }),
            1 => return Err(ProcError::NotPermitted { pid, what: "stat" }),
            address => RuntimeAddress(address),
        };
        Ok(Image { start_ticks: stat.start_ticks, text, exe: (exe.dev(), exe.ino()) })
    }

    fn stat(&self, pid: u32) -> Result<Stat, ProcError> {
        let line = self.read(pid, "stat", STAT_LIMIT)?;
        Stat::parse(&line).ok_or(ProcError::Malformed { what: "stat" })
    }

    /// Whether a process with this leader has ended altogether: threads may outlive their leader.
    fn has_ended(&self, pid: u32, leader: Stat) -> bool {
        if !leader.is_dead() {
            return false;
        }
        let Ok(tasks) = fs::read_dir(self.file(pid, "task")) else { return true };
        // The count saves reading the directory of every ordinary zombie.
        leader.threads <= 1
            || !tasks.flatten().take(PIDS_LIMIT).any(|task| {
                let stat = read_bounded(&task.path().join("stat"), STAT_LIMIT, "stat", |source| ProcError::of(pid, "stat", source));
                stat.ok().and_then(|line| Stat::parse(&line)).is_some_and(|stat| !stat.is_dead())
            })
    }

    fn read(&self, pid: u32, what: &'static str, limit: u64) -> Result<Vec<u8>, ProcError> {
        read_bounded(&self.file(pid, what), limit, what, |source| ProcError::of(pid, what, source))
    }

    pub(super) fn locks(&self) -> PathBuf {
        self.path.join("locks")
    }

    pub(super) fn file(&self, pid: u32, name: &str) -> PathBuf {
        self.path.join(pid.to_string()).join(name)
    }
}

/// A directory's name as the kernel writes pids: digits, no sign, no leading zero.
fn parse_pid(name: &str) -> Option<u32> {
    let plain = name.bytes().all(|byte| byte.is_ascii_digit()) && !name.starts_with('0');
    plain.then(|| name.parse().ok()).flatten()
}

/// The whole file, if it is not longer than `limit`.
pub(super) fn read_bounded(
    path: &Path,
    limit: u64,
    what: &'static str,
    error: impl Fn(std::io::Error) -> ProcError,
) -> Result<Vec<u8>, ProcError> {
    let mut bytes = Vec::new();
    let file = File::open(path).map_err(&error)?;
    file.take(limit + 1).read_to_end(&mut bytes).map_err(&error)?;
    if bytes.len() as u64 > limit { Err(ProcError::TooLarge { what, limit }) } else { Ok(bytes) }
}

#[cfg(test)]
mod tests;

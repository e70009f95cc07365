//! The threads of a process, and the processes that they began. Input noun: a pid. Output noun: [`Status`]. Must not know what threads do.

use std::{
    fs,
    path::{Path, PathBuf},
};

use super::{
    error::ProcError,
    procfs::{ProcRoot, read_bounded},
};

/// Threads that are looked at: Go allows 10,000 by default.
const THREADS: usize = 32 << 10;
/// Children of one process that are looked at.
const CHILDREN: usize = 4096;
/// `/proc/PID/task/TID/status` has 1,500 bytes, and more where there are many groups.
const STATUS_LIMIT: u64 = 256 << 10;
/// `/proc/PID/task/TID/children`, of numbers.
const CHILDREN_LIMIT: u64 = 1 << 20;

/// What matters of `status`.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Status {
    /// Its numbers, from the namespace of /proc to its own.
    pub(super) numbers: Vec<u32>,
    pub(super) sleeps: bool,
    pub(super) switches: u64,
}

impl ProcRoot {
    /// The processes that the process has begun and not waited for, none that are theirs.
    ///
    /// # Errors
    /// That cannot be known: the kernel does not tell, or they are too many.
    pub(super) fn children(&self, pid: u32) -> Result<Vec<u32>, ProcError> {
        let (mut children, mut told) = (Vec::new(), false);
        let tasks: Vec<u32> = self.tasks(pid)?.collect();
        if tasks.len() >= THREADS {
            return Err(ProcError::TooLarge { what: "task", limit: THREADS as u64 });
        }
        for task in tasks {
            let path = self.task(pid, task, "children");
            let read = read_bounded(&path, CHILDREN_LIMIT, "children", |source| ProcError::of(pid, "children", source));
            match read {
                Ok(text) => {
                    told = true;
                    children.extend(String::from_utf8_lossy(&text).split_whitespace().filter_map(|child| child.parse::<u32>().ok()));
                }
                // The thread has ended.
                Err(ProcError::Gone { .. }) => {}
                Err(error) => return Err(error),
            }
        }
        if children.len() > CHILDREN {
            return Err(ProcError::TooLarge { what: "children", limit: CHILDREN as u64 });
        }
        if told { Ok(children) } else { Err(ProcError::Gone { pid }) }
    }

    pub(super) fn tasks(&self, pid: u32) -> Result<impl Iterator<Item = u32>, ProcError> {
        let directory = fs::read_dir(self.file(pid, "task")).map_err(|source| ProcError::of(pid, "task", source))?;
        Ok(directory.flatten().take(THREADS).filter_map(|entry| entry.file_name().to_str()?.parse().ok()))
    }

    pub(super) fn task(&self, pid: u32, task: u32, file: &str) -> PathBuf {
        self.file(pid, "task").join(task.to_string()).join(file)
    }

    pub(super) fn status(&self, pid: u32, task: u32) -> Option<Status> {
        Status::parse(&text(&self.task(pid, task, "status"), STATUS_LIMIT)?)
    }
}

/// A file that is read as text; none where it cannot be read.
pub(super) fn text(path: &Path, limit: u64) -> Option<String> {
    let bytes = read_bounded(path, limit, "proc", |source| ProcError::Io { what: "proc", source }).ok()?;
    Some(String::from_utf8_lossy(&bytes).into_owned())
}

/// `name:` and the rest of its line.
pub(super) fn field<'t>(text: &'t str, name: &str) -> Option<&'t str> {
    text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':')).map(str::trim)
}

impl Status {
    fn parse(text: &str) -> Option<Self> {
        let numbers = field(text, "NSpid").or_else(|| field(text, "Pid"))?;
        let number = |name: &str| field(text, name)?.parse::<u64>().ok();
        Some(Self {
            numbers: numbers.split_whitespace().map(|number| number.parse().ok()).collect::<Option<_>>()?,
            // Sleeping, or in a sleep that no signal ends: what waits for a disk or a file server.
            sleeps: field(text, "State")?.starts_with(['S', 'D']),
            switches: number("voluntary_ctxt_switches")?.saturating_add(number("nonvoluntary_ctxt_switches")?),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const STATUS: &str = "voluntary_ctxt_switches:\t5\nnonvoluntary_ctxt_switches:\t2\n";

    #[test]
    fn who_sleeps() {
        let status = |state: &str, nspid: &str| format!("Name:\tx\nState:\t{state}\nPid:\t40\n{nspid}{STATUS}");
        for (text, expected) in [
            (status("S (sleeping)", "NSpid:\t40\t7\n"), Some((vec![40, 7], true, 7))),
            (status("D (disk sleep)", "NSpid:\t40\n"), Some((vec![40], true, 7))),
            (status("S (sleeping)", ""), Some((vec![40], true, 7))),
            (status("R (running)", "NSpid:\t40\n"), Some((vec![40], false, 7))),
            (status("S (sleeping)", "NSpid:\tx\n"), None),
            ("State:\tS (sleeping)\nPid:\t40\n".to_owned(), None),
            (String::new(), None),
        ] {
            let found = Status::parse(&text).map(|status| (status.numbers, status.sleeps, status.switches));
            assert_eq!(found, expected, "{text}");
        }
    }
}

//! The threads of a process that sleep. Input noun: a pid. Output noun: [`Asleep`]. Must not know what they run.

use std::{collections::HashMap, fs};

use super::{
    error::ProcError,
    procfs::{ProcRoot, read_bounded},
};
use crate::model::Asleep;

/// Threads that are looked at: Go allows 10,000 by default.
const THREADS: usize = 32 << 10;
/// `/proc/PID/task/TID/status` has 1,500 bytes, and more where there are many groups.
const STATUS_LIMIT: u64 = 256 << 10;

impl ProcRoot {
    /// Those that sleep, by the number that each has in its own namespace: what the process itself calls it.
    ///
    /// # Errors
    /// The threads cannot be listed. One that ends meanwhile is not among them.
    pub fn asleep(&self, pid: u32) -> Result<HashMap<u32, Asleep>, ProcError> {
        let directory = fs::read_dir(self.file(pid, "task")).map_err(|source| ProcError::of(pid, "task", source))?;
        let texts = directory.flatten().take(THREADS).filter_map(|entry| {
            let error = |source| ProcError::of(pid, "status", source);
            read_bounded(&entry.path().join("status"), STATUS_LIMIT, "status", error).ok()
        });
        Ok(texts.filter_map(|text| asleep(&String::from_utf8_lossy(&text))).map(|thread| (thread.thread, thread)).collect())
    }
}

/// What `status` says of a thread that sleeps.
fn asleep(text: &str) -> Option<Asleep> {
    let field = |name: &str| text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':')).map(str::trim);
    // Sleeping, or in a sleep that no signal ends: what waits for a disk or a file server.
    if !field("State")?.starts_with(['S', 'D']) {
        return None;
    }
    let thread = field("NSpid").and_then(|all| all.split_whitespace().next_back()).or_else(|| field("Pid"))?.parse().ok()?;
    let number = |name: &str| field(name)?.parse::<u64>().ok();
    Some(Asleep { thread, switches: number("voluntary_ctxt_switches")?.saturating_add(number("nonvoluntary_ctxt_switches")?) })
}

#[cfg(test)]
mod tests {
    use std::{sync::mpsc, thread};

    use super::*;

    #[test]
    fn who_sleeps() {
        let status = |state: &str, nspid: &str| {
            format!("Name:\tx\nState:\t{state}\nPid:\t40\n{nspid}voluntary_ctxt_switches:\t5\nnonvoluntary_ctxt_switches:\t2\n")
        };
        for (text, expected) in [
            (status("S (sleeping)", "NSpid:\t40\t7\n"), Some((7, 7))),
            (status("D (disk sleep)", "NSpid:\t40\n"), Some((40, 7))),
            (status("S (sleeping)", ""), Some((40, 7))),
            (status("R (running)", "NSpid:\t40\n"), None),
            (status("S (sleeping)", "NSpid:\tx\n"), None),
            ("State:\tS (sleeping)\nPid:\t40\n".to_owned(), None),
            (String::new(), None),
        ] {
            assert_eq!(asleep(&text).map(|asleep| (asleep.thread, asleep.switches)), expected, "{text}");
        }
    }

    #[test]
    fn a_thread_that_has_not_run_is_as_it_was() {
        let (wake, waits) = mpsc::channel();
        let (told, tells) = mpsc::channel();
        let sleeper = thread::spawn(move || {
            let own = fs::read_link("/proc/thread-self").unwrap();
            told.send(own.file_name().unwrap().to_str().unwrap().parse::<u32>().unwrap()).unwrap();
            waits.iter().for_each(drop);
        });
        let number = tells.recv().unwrap();
        let root = ProcRoot::new("/proc");
        let settled = || {
            let look = || root.asleep(std::process::id()).unwrap().get(&number).copied();
            std::iter::repeat_with(look).take(10_000).flatten().next().expect("it sleeps")
        };
        let first = settled();
        assert_eq!(settled(), first);
        wake.send(()).unwrap();
        let ran = (0..10_000).any(|_| settled() != first);
        assert!(ran, "it has run");
        drop(wake);
        sleeper.join().unwrap();
    }
}

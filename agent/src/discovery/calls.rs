//! The system calls in which threads of a process sleep, and what ends them. Input noun: a thread, by the number that its process calls it.
//! Output noun: [`Asleep`]. Must not know what threads run.
//!
//! Endless are calls that the process itself must end: file locks that it holds itself, futexes of its own, pauses, pipes whose other end it
//! holds. So is the wait for a child that writes into a pipe of which it has the reading end. All others may end by themselves: with the
//! time, or when others like.

use std::{
    collections::{HashMap, HashSet},
    fs,
    os::unix::fs::MetadataExt as _,
};

use super::{
    descriptors::{Descriptors, inode},
    procfs::ProcRoot,
    tasks::{Status, field, text},
};
use crate::model::{Asleep, OwnEnds};

/// `/proc/PID/task/TID/syscall`: a number and eight addresses.
const CALL_LIMIT: u64 = 4 << 10;
/// `/proc/locks`: 60 bytes for each lock of the host.
const LOCKS_LIMIT: u64 = 4 << 20;
/// Where the threads of a process are found whose pid namespace is not that of /proc.
#[derive(Debug, Default)]
pub struct Threads {
    numbers: HashMap<u32, u32>,
    /// All have been listed since [`Threads::begin`].
    listed: bool,
    /// What leads to the process itself, its children by the number that it calls each, and the files that it has locked, by device and
    /// inode: as first asked for since then.
    own_ends: Option<OwnEnds>,
    children: Option<HashMap<u32, u32>>,
    locked: Option<HashSet<(u64, u64)>>,
}

/// A system call that goes on: its number, and what it was called with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Call {
    number: i64,
    arguments: [u64; 6],
}

/// Who ends a system call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum End {
    /// Whoever holds a lock of the process' own, or nobody.
    Lock,
    /// Whoever has locked the file of this descriptor.
    FileLock(u32),
    /// Whoever holds the other end of this descriptor, by reading or writing.
    Descriptor(u32),
    /// A child with this number, in the namespace of the process.
    Child(u32),
    /// What this descriptor stands for: a process.
    ChildOf(u32),
    /// The time, a device, somebody else.
    Others,
}

impl Threads {
    /// A number of looks begins: what is the same for all is asked for at most once in it.
    pub fn begin(&mut self) {
        self.listed = false;
        (self.own_ends, self.children, self.locked) = (None, None, None);
    }

    /// The thread that its process calls `thread`, if it sleeps in a system call. None: it runs, is stopped, or nobody may know.
    pub fn asleep(&mut self, root: &ProcRoot, pid: u32, thread: u32, descriptors: &Descriptors) -> Option<Asleep> {
        let (task, status) = self.find(root, pid, thread)?;
        let call = root.call(pid, task).filter(|_| status.sleeps)?;
        let own = Asleep { thread, switches: status.switches, endless: false };
        let child = match call.end() {
            End::Others => return Some(own),
            End::Lock => return Some(Asleep { endless: true, ..own }),
            End::FileLock(descriptor) => {
                let locked = self.locked.get_or_insert_with(|| root.locked_by(pid));
                return Some(Asleep { endless: root.opened(pid, descriptor).is_some_and(|file| locked.contains(&file)), ..own });
            }
            End::Descriptor(descriptor) => {
                let own_ends = self.own_ends.get_or_insert_with(|| descriptors.own_ends(root, pid).0);
                let is_own = own_ends.0.get(&descriptor).is_some_and(|end| end.pipe);
                return Some(Asleep { endless: is_own, ..own });
            }
            End::Child(number) => {
                let namespaces = status.numbers.len();
                self.children.get_or_insert_with(|| root.children_by_number(pid, namespaces)).get(&number).copied()
            }
            End::ChildOf(descriptor) => root.process_of(pid, descriptor),
        };
        let waits = child.and_then(|child| root.writes_to(child, pid, descriptors));
        Some(waits.map_or(own, |switches| Asleep { endless: true, switches: own.switches.saturating_add(switches), ..own }))
    }

    fn find(&mut self, root: &ProcRoot, pid: u32, thread: u32) -> Option<(u32, Status)> {
        let is_it = |task: u32| root.status(pid, task).filter(|status| status.numbers.last() == Some(&thread)).map(|status| (task, status));
        let known = is_it(self.numbers.get(&thread).copied().unwrap_or(thread));
        if known.is_some() || self.listed {
            return known;
        }
        self.listed = true;
        let tasks = root.tasks(pid).ok()?;
        self.numbers = tasks.filter_map(|task| Some((*root.status(pid, task)?.numbers.last()?, task))).collect();
        is_it(*self.numbers.get(&thread)?)
    }
}

impl ProcRoot {
    fn call(&self, pid: u32, task: u32) -> Option<Call> {
        Call::parse(&text(&self.task(pid, task, "syscall"), CALL_LIMIT)?)
    }

    /// The children of a process whose namespace is the last of so many, by the number that it calls each.
    fn children_by_number(&self, pid: u32, namespaces: usize) -> HashMap<u32, u32> {
        let numbered = |child: u32| Some((*self.status(child, child)?.numbers.get(namespaces.saturating_sub(1))?, child));
        self.children(pid).unwrap_or_default().into_iter().filter_map(numbered).collect()
    }

    /// The files that a process has locked by `flock`, by device and inode.
    fn locked_by(&self, pid: u32) -> HashSet<(u64, u64)> {
        let text = text(&self.locks(), LOCKS_LIMIT).unwrap_or_default();
        text.lines().filter_map(locked).filter(|(holder, _)| *holder == pid).map(|(_, file)| file).collect()
    }

    /// Device and inode of an open file.
    fn opened(&self, pid: u32, descriptor: u32) -> Option<(u64, u64)> {
        let found = fs::metadata(self.file(pid, "fd").join(descriptor.to_string())).ok()?;
        Some((found.dev(), found.ino()))
    }

    /// The process that a descriptor stands for.
    fn process_of(&self, pid: u32, descriptor: u32) -> Option<u32> {
        let text = text(&self.file(pid, "fdinfo").join(descriptor.to_string()), CALL_LIMIT)?;
        field(&text, "Pid")?.parse().ok()
    }

    /// Whether a thread of the process `child` sleeps while it writes into a pipe of which the process has the reading end: how often it
    /// was switched off.
    fn writes_to(&self, child: u32, pid: u32, descriptors: &Descriptors) -> Option<u64> {
        self.tasks(child).ok()?.find_map(|task| {
            let call = self.call(child, task).filter(|call| [libc::SYS_write, libc::SYS_writev].contains(&call.number))?;
            let [descriptor, ..] = call.arguments;
            let link = fs::read_link(self.file(child, "fd").join(descriptor.to_string())).ok()?;
            inode(link.to_str()?, "pipe:[").filter(|pipe| descriptors.reads_pipe(self, pid, *pipe))?;
            self.status(child, task).filter(|status| status.sleeps).map(|status| status.switches)
        })
    }
}

/// Of a line of `/proc/locks`, who has locked by `flock`, and what: `1: FLOCK  ADVISORY  WRITE 4711 fd:01:131 0 EOF`. Who waits has an arrow
/// in front.
fn locked(line: &str) -> Option<(u32, (u64, u64))> {
    let mut words = line.split_ascii_whitespace().skip(1);
    let (kind, holder, file) = (words.next()?, words.nth(2)?, words.next()?);
    let mut parts = file.split(':');
    let (major, minor, inode) = (parts.next()?, parts.next()?, parts.next()?);
    let device = rustix::fs::makedev(u32::from_str_radix(major, 16).ok()?, u32::from_str_radix(minor, 16).ok()?);
    (kind == "FLOCK").then_some((holder.parse().ok()?, (device, inode.parse().ok()?)))
}

impl Call {
    /// A number and six arguments in hexadecimal; `running`, and -1 outside of all system calls, are none.
    fn parse(text: &str) -> Option<Self> {
        let mut words = text.split_ascii_whitespace();
        let number = words.next()?.parse().ok().filter(|number| *number >= 0)?;
        let mut arguments = [0; 6];
        for argument in &mut arguments {
            *argument = u64::from_str_radix(words.next()?.strip_prefix("0x")?, 16).ok()?;
        }
        Some(Self { number, arguments })
    }

    /// `int` arguments have no meaning above their 32 bits.
    fn end(&self) -> End {
        /// Of `futex`: waits in memory that the process shares with nobody.
        const WAITS: [u64; 2] =
            [(libc::FUTEX_WAIT | libc::FUTEX_PRIVATE_FLAG) as u64, (libc::FUTEX_WAIT_BITSET | libc::FUTEX_PRIVATE_FLAG) as u64];
        const CLOCK: u64 = libc::FUTEX_CLOCK_REALTIME as u64;
        let [first, second, _, fourth, ..] = self.arguments;
        let int = |argument: u64| u32::try_from(argument & 0xffff_ffff).unwrap_or(u32::MAX);
        let child = |number: u64| match int(number) {
            // Any of them, or any of a group.
            0 | 0x8000_0000.. => End::Others,
            number => End::Child(number),
        };
        match self.number {
            libc::SYS_rt_sigsuspend => End::Lock,
            libc::SYS_flock => End::FileLock(int(first)),
            #[cfg(target_arch = "x86_64")]
            libc::SYS_pause => End::Lock,
            libc::SYS_futex if WAITS.contains(&(second & !CLOCK)) && fourth == 0 => End::Lock,
            libc::SYS_read | libc::SYS_write | libc::SYS_readv | libc::SYS_writev => End::Descriptor(int(first)),
            libc::SYS_wait4 => child(first),
            libc::SYS_waitid if first == u64::from(libc::P_PID) => child(second),
            libc::SYS_waitid if first == u64::from(libc::P_PIDFD) => End::ChildOf(int(second)),
            _ => End::Others,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::{
        io::{Read as _, pipe},
        process::{Command, Stdio},
        sync::mpsc,
        thread,
        time::Duration,
    };

    use super::*;

    #[test]
    fn who_has_locked_a_file() {
        for (line, expected) in [
            ("1: FLOCK  ADVISORY  WRITE 4711 fd:01:131 0 EOF", Some((4711, (rustix::fs::makedev(0xfd, 1), 131)))),
            ("1: -> FLOCK  ADVISORY  WRITE 4712 fd:01:131 0 EOF", None),
            ("2: POSIX  ADVISORY  WRITE 4711 fd:01:131 0 EOF", None),
            ("3: OFDLCK ADVISORY  WRITE -1 fd:01:131 0 EOF", None),
            ("4: FLOCK  ADVISORY  WRITE", None),
            ("", None),
        ] {
            assert_eq!(locked(line), expected, "{line}");
        }
    }

    #[test]
    fn who_ends_a_call() {
        let check = |number: i64, arguments: [u64; 4], expected: End| {
            let [first, second, third, fourth] = arguments;
            let text = format!("{number} {first:#x} {second:#x} {third:#x} {fourth:#x} 0x0 0x0 0x7ffd 0x7f01\n");
            let call = Call::parse(&text).unwrap_or_else(|| panic!("{text}"));
            assert_eq!(call.end(), expected, "{text}");
        };
        check(libc::SYS_flock, [9, 2, 0, 0], End::FileLock(9));
        check(libc::SYS_fcntl, [9, libc::F_SETLKW as u64, 0, 0], End::Others);
        check(libc::SYS_futex, [0xc000, 128, 2, 0], End::Lock);
        check(libc::SYS_futex, [0xc000, 128 | 256 | 9, 2, 0], End::Lock);
        check(libc::SYS_futex, [0xc000, 128, 2, 0x7f00], End::Others);
        check(libc::SYS_futex, [0xc000, 0, 2, 0], End::Others);
        check(libc::SYS_read, [u64::MAX << 32 | 7, 0xc000, 1, 0], End::Descriptor(7));
        check(libc::SYS_wait4, [4711, 0, 0, 0], End::Child(4711));
        check(libc::SYS_wait4, [u64::MAX, 0, 0, 0], End::Others);
        check(libc::SYS_wait4, [0, 0, 0, 0], End::Others);
        check(libc::SYS_waitid, [1, 4711, 0, 4], End::Child(4711));
        check(libc::SYS_waitid, [3, 9, 0, 4], End::ChildOf(9));
        check(libc::SYS_waitid, [0, 0, 0, 4], End::Others);
        check(libc::SYS_ppoll, [0xc000, 1, 0, 0], End::Others);
        check(libc::SYS_nanosleep, [0xc000, 0, 0, 0], End::Others);
        for none in ["running\n", "-1 0x7ffd 0x7f01\n", "0 0x1\n", "x 0x0 0x0 0x0 0x0 0x0 0x0 0x0 0x0", ""] {
            assert_eq!(Call::parse(none), None, "{none}");
        }
    }

    /// What is asleep, of a thread of this process, as soon as it is.
    fn settled(threads: &mut Threads, number: u32) -> Asleep {
        let root = ProcRoot::new("/proc");
        let mut descriptors = Descriptors::default();
        let look = || {
            threads.begin();
            descriptors.look(&root, std::process::id(), 0).unwrap();
            threads.asleep(&root, std::process::id(), number, &descriptors)
        };
        std::iter::repeat_with(look).take(10_000).flatten().next().expect("it sleeps")
    }

    fn own_number() -> u32 {
        let own = fs::read_link("/proc/thread-self").unwrap();
        own.file_name().unwrap().to_str().unwrap().parse().unwrap()
    }

    /// A thread of this process, which says its number before it does what it does.
    fn spawn(does: impl FnOnce() + Send + 'static) -> (u32, thread::JoinHandle<()>) {
        let (told, tells) = mpsc::channel();
        let thread = thread::spawn(move || {
            told.send(own_number()).unwrap();
            does();
        });
        (tells.recv().unwrap(), thread)
    }

    /// Whether it comes to be so: others of this process's threads fork meanwhile, and their children hold all for a moment.
    fn comes_to_be(threads: &mut Threads, number: u32, endless: bool) -> bool {
        (0..2000).any(|_| {
            // wait: for children of other threads to exec, of which nothing tells.
            thread::sleep(Duration::from_millis(1));
            settled(threads, number).endless == endless
        })
    }

    #[test]
    fn a_thread_that_has_not_run_is_as_it_was() {
        let (wake, waits) = mpsc::channel();
        let (number, sleeper) = spawn(move || waits.iter().for_each(drop));
        let mut threads = Threads::default();
        let first = settled(&mut threads, number);
        assert!(first.endless, "a lock, to the kernel");
        assert_eq!(settled(&mut threads, number), first);
        wake.send(()).unwrap();
        let ran = (0..10_000).any(|_| settled(&mut threads, number) != first);
        assert!(ran, "it has run");
        drop(wake);
        sleeper.join().unwrap();
    }

    #[test]
    fn pipes_of_the_process_itself_and_of_others() {
        let mut threads = Threads::default();
        let (mut reader, writer) = pipe().unwrap();
        let (number, thread) = spawn(move || drop(reader.read(&mut [0])));
        assert!(comes_to_be(&mut threads, number, true), "its own");
        // A child has it too.
        let mut child = Command::new("sleep").arg("1000").stdout(writer.try_clone().unwrap()).spawn().unwrap();
        assert!(!settled(&mut threads, number).endless, "a child has it");
        drop(writer);
        assert!(!settled(&mut threads, number).endless, "a child alone has it");
        child.kill().unwrap();
        child.wait().unwrap();
        thread.join().unwrap();
    }

    #[test]
    fn children_that_wait_for_their_parent_and_others() {
        let mut threads = Threads::default();
        for (program, expected) in [("yes", true), ("cat", false)] {
            let mut child = Command::new(program).stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
            let (input, output) = (child.stdin.take(), child.stdout.take());
            let (number, thread) = spawn(move || drop(child.wait()));
            assert!(comes_to_be(&mut threads, number, expected), "{program}");
            assert_eq!(settled(&mut threads, number).endless, expected, "{program}");
            drop((input, output));
            thread.join().unwrap();
        }
    }
}

//! What the open files of a process lead to: connections that others made to it, over TCP and over unix sockets, and the process itself.
//! Input noun: a pid, a time. Output: inodes of sockets, [`OwnEnds`]. Must not know who uses them.
//!
//! All are those of the thread that leads the process: those of threads that unshared theirs, as no Go program does, are not seen.

use std::{
    collections::{HashMap, HashSet},
    fs,
    io::ErrorKind,
    os::unix::fs::PermissionsExt as _,
};

use super::{connections::Connections, error::ProcError, procfs::ProcRoot};
use crate::model::{OwnEnd, OwnEnds};

/// Open files that are looked at, of a process, and of all that descend from one.
const FILES: usize = 128 << 10;
/// Processes that descend from one: where there are more, it is not known who holds what.
const DESCENDANTS: usize = 4096;
/// The mode of a link whose file is read, or written.
const READS: u32 = 0o400;
const WRITES: u32 = 0o200;
/// Standard input, output and error: whoever began the process may hold them, too.
const INHERITED: u32 = 2;
/// How long the tables are believed, ns, while the process has the same sockets: a connection that its other end has closed keeps its
/// inode.
const BELIEVED_NS: u64 = 30_000_000_000;

/// The open files of one process, as last looked at.
#[derive(Debug, Default)]
pub struct Descriptors {
    open: OpenFiles,
    connections: Connections,
    /// What may lead to the process itself was not so at the look before.
    changed: bool,
    /// When the tables were read, ns; none: never.
    read_ns: Option<u64>,
}

/// What is open, by inode.
pub(super) type Held = HashMap<u64, Open>;

/// The files that matter.
#[derive(Debug, Default)]
struct OpenFiles {
    sockets: Held,
    pipes: Held,
    /// All were looked at.
    complete: bool,
}

/// The descriptors of one open file: as many as matter.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Open {
    first: u32,
    second: Option<u32>,
    /// There are more.
    more: bool,
}

impl Open {
    /// Adds a descriptor to those of an inode.
    fn add(held: &mut Held, inode: u64, descriptor: u32) {
        held.entry(inode)
            .and_modify(|open| {
                open.more = open.second.is_some();
                open.second.get_or_insert(descriptor);
            })
            .or_insert(Self { first: descriptor, second: None, more: false });
    }

    /// There are two, and the process itself opened them, as far as their numbers tell.
    fn is_pair(&self) -> bool {
        !self.more && self.first > INHERITED && self.second.is_some_and(|second| second > INHERITED)
    }
}

impl Descriptors {
    /// Looks at them. Whether the tables of connections could be read whole: else there are none.
    ///
    /// To read the tables the kernel goes through every connection of the host: they are read anew when the process has other sockets
    /// than at the last look, and now and then.
    ///
    /// # Errors
    /// The open files of the process cannot be listed.
    pub fn look(&mut self, root: &ProcRoot, pid: u32, now_ns: u64) -> Result<bool, ProcError> {
        let open = root.open_files(pid)?;
        let is_known = self.open.sockets == open.sockets && self.read_ns.is_some_and(|read| now_ns < read.saturating_add(BELIEVED_NS));
        self.changed = self.open.pipes != open.pipes;
        if !is_known {
            let read = root.connections(pid, &open.sockets);
            self.read_ns = read.is_ok().then_some(now_ns);
            let connections = read.unwrap_or_default();
            self.changed |= connections.own != self.connections.own;
            self.connections = connections;
        }
        self.open = open;
        Ok(self.read_ns.is_some())
    }

    /// Inodes of the established connections that others made to the process: at a port or a path where it listens, and whose other end
    /// is not the process itself. Who made a connection ends it; what the process connected to is its own to close.
    #[must_use]
    pub fn accepted(&self) -> &[u64] {
        &self.connections.accepted
    }

    /// Whether anything may lead to the process itself.
    #[must_use]
    pub fn may_lead_to_itself(&self) -> bool {
        self.open.complete && (!self.connections.own.is_empty() || self.open.pipes.values().any(|open| open.second.is_some()))
    }

    /// Whether what may lead to the process itself was other pipes or connections at the look before.
    #[must_use]
    pub const fn have_changed(&self) -> bool {
        self.changed
    }

    /// Pipes and TCP connections that lead to the process itself, and that none of its descendants has open, too; and whether one was left
    /// out for that. None at all where that cannot be known.
    #[must_use]
    pub fn own_ends(&self, root: &ProcRoot, pid: u32) -> (OwnEnds, bool) {
        if !self.may_lead_to_itself() {
            return (OwnEnds::default(), false);
        }
        let sockets = &self.open.sockets;
        let pairs = self.connections.own.iter().filter_map(|pair| Some((*pair, (alone(sockets, pair.0)?, alone(sockets, pair.1)?))));
        let pairs: Vec<_> = pairs.collect();
        let pipes: Vec<(u64, Open)> =
            self.open.pipes.iter().filter(|(_, open)| open.is_pair()).map(|(inode, open)| (*inode, *open)).collect();
        if pairs.is_empty() && pipes.is_empty() {
            return (OwnEnds::default(), false);
        }
        let Some(elsewhere) = root.open_in_descendants(pid) else { return (OwnEnds::default(), true) };
        let mut own_ends = OwnEnds::default();
        let mut held = false;
        for ((one, other), (descriptor, other_end)) in pairs {
            if elsewhere.contains(&one) || elsewhere.contains(&other) {
                held = true;
            } else {
                own_ends.0.insert(descriptor, OwnEnd { descriptor: other_end, pipe: false });
            }
        }
        for (inode, open) in pipes {
            if elsewhere.contains(&inode) {
                held = true;
            } else {
                own_ends.0.extend(root.own_pipe(pid, inode, open).into_iter().flatten());
            }
        }
        (own_ends, held)
    }

    /// Whether the process has the reading end of this pipe, and opened it itself.
    pub(super) fn reads_pipe(&self, root: &ProcRoot, pid: u32, inode: u64) -> bool {
        let open = self.open.pipes.get(&inode).filter(|open| open.first > INHERITED);
        let reads = |descriptor: u32| root.mode(pid, descriptor, inode) == Some(READS);
        open.is_some_and(|open| reads(open.first) || open.second.is_some_and(reads))
    }
}

/// The descriptor of what has but one.
fn alone(held: &Held, inode: u64) -> Option<u32> {
    held.get(&inode).filter(|open| open.second.is_none() && open.first > INHERITED).map(|open| open.first)
}

impl ProcRoot {
    fn open_files(&self, pid: u32) -> Result<OpenFiles, ProcError> {
        let mut open = OpenFiles { complete: true, ..OpenFiles::default() };
        for (count, file) in self.links(pid)?.enumerate() {
            let Some((descriptor, link)) = file.filter(|_| count < FILES) else {
                open.complete = false;
                break;
            };
            if let Some(inode) = inode(&link, "socket:[") {
                Open::add(&mut open.sockets, inode, descriptor);
            } else if let Some(inode) = inode(&link, "pipe:[") {
                Open::add(&mut open.pipes, inode, descriptor);
            }
        }
        Ok(open)
    }

    /// The open files of a process, and what each leads to; none in place of what may not be read. What is closed meanwhile is left out.
    fn links(&self, pid: u32) -> Result<impl Iterator<Item = Option<(u32, String)>>, ProcError> {
        let directory = fs::read_dir(self.file(pid, "fd")).map_err(|source| ProcError::of(pid, "fd", source))?;
        Ok(directory.filter_map(|entry| {
            let Ok(entry) = entry else { return Some(None) };
            let descriptor = entry.file_name().to_str()?.parse().ok()?;
            match fs::read_link(entry.path()) {
                Ok(link) => Some(Some((descriptor, link.to_str().unwrap_or_default().to_owned()))),
                Err(error) if error.kind() == ErrorKind::NotFound => None,
                Err(_) => Some(None),
            }
        }))
    }

    /// The inodes of pipes and sockets that are open in processes that descend from this one; none if that cannot be known.
    fn open_in_descendants(&self, pid: u32) -> Option<HashSet<u64>> {
        let (mut found, mut files, mut processes) = (HashSet::new(), 0, vec![pid]);
        let mut next = 0;
        while let Some(process) = processes.get(next).copied() {
            next += 1;
            match self.children(process) {
                Ok(children) => processes.extend(children),
                Err(ProcError::Gone { .. }) if process != pid => continue,
                Err(_) => return None,
            }
            if processes.len() > DESCENDANTS {
                return None;
            }
            if process == pid {
                continue;
            }
            let links = match self.links(process) {
                Ok(links) => links,
                Err(ProcError::Gone { .. }) => continue,
                Err(_) => return None,
            };
            for link in links {
                let (_, link) = link?;
                files += 1;
                if files > FILES {
                    return None;
                }
                found.extend(inode(&link, "pipe:[").or_else(|| inode(&link, "socket:[")));
            }
        }
        Some(found)
    }

    /// Both ends of a pipe with two descriptors, where one of each is there.
    fn own_pipe(&self, pid: u32, inode: u64, open: Open) -> Option<[(u32, OwnEnd); 2]> {
        let (one, other) = (open.first, open.second?);
        let modes = (self.mode(pid, one, inode)?, self.mode(pid, other, inode)?);
        let end = |descriptor| OwnEnd { descriptor, pipe: true };
        matches!(modes, (READS, WRITES) | (WRITES, READS)).then(|| [(one, end(other)), (other, end(one))])
    }

    /// Whether a descriptor reads or writes, if it is of this pipe: its link is readable where the file is, and writable likewise.
    fn mode(&self, pid: u32, descriptor: u32, pipe: u64) -> Option<u32> {
        let path = self.file(pid, "fd").join(descriptor.to_string());
        let link = fs::read_link(&path).ok()?;
        let is_it = inode(link.to_str()?, "pipe:[") == Some(pipe);
        Some(fs::symlink_metadata(path).ok()?.permissions().mode() & (READS | WRITES)).filter(|_| is_it)
    }
}

/// 4711 of `socket:[4711]`.
pub(super) fn inode(link: &str, kind: &str) -> Option<u64> {
    link.strip_prefix(kind)?.strip_suffix(']')?.parse().ok()
}

#[cfg(test)]
mod tests {
    use tempfile::TempDir;

    use super::*;
    use crate::discovery::connections::ESTABLISHED;

    /// A /proc of one process, with these sockets and this table.
    fn lay(proc: &TempDir, sockets: &[u64], table: &str) {
        let _ = fs::remove_dir_all(proc.path().join("7"));
        fs::create_dir_all(proc.path().join("7/fd")).unwrap();
        fs::create_dir_all(proc.path().join("7/net")).unwrap();
        for inode in sockets {
            std::os::unix::fs::symlink(format!("socket:[{inode}]"), proc.path().join(format!("7/fd/{inode}"))).unwrap();
        }
        fs::write(proc.path().join("7/net/tcp"), table).unwrap();
    }

    #[test]
    fn tables_are_read_when_sockets_change_and_now_and_then() {
        let listening = "0: 00000000:1F90 00000000:0000 0A 0:0 0:0 0 0 0 5 1";
        let line = |inode: u64, state: &str| format!("1: 0100007F:1F90 0200007F:{inode:04X} {state} 0:0 0:0 0 0 0 {inode} 1");
        let table = |lines: &[String]| format!("head\n{listening}\n{}\n", lines.join("\n"));
        let (proc, mut known) = (TempDir::new().unwrap(), Descriptors::default());
        let root = ProcRoot::new(proc.path());
        let second = 1_000_000_000;
        // Sockets, lines of the table, the time; what is accepted then.
        for (sockets, lines, at, expected) in [
            (&[5][..], &[][..], 0, &[][..]),
            (&[5, 6], &[line(6, ESTABLISHED)], second, &[6]),
            (&[5, 6], &[line(6, "08")], 30 * second, &[6]),
            (&[5, 6], &[line(6, "08")], 31 * second, &[]),
            (&[5, 6, 8], &[line(6, ESTABLISHED), line(8, ESTABLISHED), line(9, ESTABLISHED)], 32 * second, &[6, 8]),
            (&[5, 8], &[line(6, ESTABLISHED), line(8, ESTABLISHED)], 33 * second, &[8]),
            (&[], &[], 34 * second, &[]),
        ] {
            lay(&proc, sockets, &table(lines));
            known.look(&root, 7, at).unwrap();
            let mut found = known.accepted().to_vec();
            found.sort_unstable();
            assert_eq!(found, expected, "at {at}");
        }
        assert!(known.look(&root, 8, 0).is_err(), "no such process");
    }

    #[test]
    fn links() {
        assert_eq!(inode("socket:[42]", "socket:["), Some(42));
        assert_eq!(inode("pipe:[42]", "socket:["), None);
        assert_eq!(inode("/dev/null", "pipe:["), None);
    }

    #[test]
    fn what_leads_to_the_process_itself() {
        use std::{
            io::pipe,
            net::{TcpListener, TcpStream},
            os::fd::AsRawFd,
        };
        let number = |file: &dyn AsRawFd| u32::try_from(file.as_raw_fd()).unwrap();
        let mut known = Descriptors::default();
        let mut own_end = |file: &dyn AsRawFd| {
            let root = ProcRoot::new("/proc");
            known.look(&root, std::process::id(), 0).unwrap();
            known.read_ns = None;
            // Children that other tests begin at the same time have all of it until they execute their program.
            let mut looks = std::iter::repeat_with(|| known.own_ends(&root, std::process::id())).take(1000);
            let (own_ends, _) = looks.find(|(_, held)| !held).unwrap();
            own_ends.0.get(&u32::try_from(file.as_raw_fd()).unwrap()).copied()
        };
        let (reader, writer) = pipe().unwrap();
        let end = |file: &dyn AsRawFd, pipe| Some(OwnEnd { descriptor: number(file), pipe });
        assert_eq!([own_end(&reader), own_end(&writer)], [end(&writer, true), end(&reader, true)]);
        // One end more, and one end only.
        let again = writer.try_clone().unwrap();
        assert_eq!([own_end(&reader), own_end(&again)], [None; 2]);
        drop((again, writer));
        assert_eq!(own_end(&reader), None);

        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let client = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        assert_eq!(own_end(&client), None, "not accepted yet");
        let server = listener.accept().unwrap().0;
        assert_eq!([own_end(&client), own_end(&server)], [end(&server, false), end(&client, false)]);
        let again = client.try_clone().unwrap();
        assert_eq!([own_end(&client), own_end(&server), own_end(&again)], [None; 3]);
        drop((again, client));
        assert_eq!(own_end(&server), None);
    }
}

//! What the open files of a process lead to: connections that others made to it, over TCP and over unix sockets, and the process itself.
//! Input noun: a pid, a time. Output: inodes of sockets, [`OwnEnds`]. Must not know who uses them.
//!
//! All are those of the thread that leads the process: those of threads that unshared theirs, as no Go program does, are not seen.

use std::{
    collections::{BTreeSet, HashMap, HashSet},
    fs::{self, File},
    io::{BufRead as _, BufReader, ErrorKind, Read as _},
    os::unix::fs::PermissionsExt as _,
};

use super::{error::ProcError, procfs::ProcRoot};
use crate::model::{OwnEnd, OwnEnds};

/// Open files that are looked at, of a process, and of all that descend from one.
const FILES: usize = 128 << 10;
/// Processes that descend from one: where there are more, it is not known who holds what.
const DESCENDANTS: usize = 4096;
/// Standard input, output and error: whoever began the process may hold them, too.
const INHERITED: u32 = 2;
/// The tables of all connections in the network namespace: 150 bytes each.
const TABLE_LIMIT: u64 = 32 << 20;
/// `TCP_ESTABLISHED`.
const ESTABLISHED: &str = "01";
/// `TCP_LISTEN`.
const LISTENING: &str = "0A";
/// `SOCK_STREAM` and `SOCK_SEQPACKET`, as the table of unix sockets has them.
const WITH_CONNECTIONS: [&str; 2] = ["0001", "0005"];
/// `SS_CONNECTED`.
const CONNECTED: &str = "03";
/// `__SO_ACCEPTCON`: the socket listens.
const ACCEPTS: &str = "00010000";

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
type Held = HashMap<u64, Open>;

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
struct Open {
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

/// What the tables of the network namespace say of the sockets of one process.
#[derive(Debug, Default)]
struct Connections {
    accepted: Vec<u64>,
    /// Of connections with both ends in the process, the inodes of each and of the other end.
    own: Vec<(u64, u64)>,
}

impl Descriptors {
    /// Looks at them.
    ///
    /// To read the tables the kernel goes through every connection of the host: they are read anew when the process has other sockets
    /// than at the last look, and now and then.
    ///
    /// # Errors
    /// The open files of the process cannot be listed. A table that cannot be read has no connections.
    pub fn look(&mut self, root: &ProcRoot, pid: u32, now_ns: u64) -> Result<(), ProcError> {
        let open = root.open_files(pid)?;
        let is_known = self.open.sockets == open.sockets && self.read_ns.is_some_and(|read| now_ns < read.saturating_add(BELIEVED_NS));
        self.changed = self.open.pipes != open.pipes;
        if !is_known {
            let connections = root.connections(pid, &open.sockets);
            self.changed |= connections.own != self.connections.own;
            self.connections = connections;
            self.read_ns = Some(now_ns);
        }
        self.open = open;
        Ok(())
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
                own_ends.0.extend(root.own_pipe(pid, open).into_iter().flatten());
            }
        }
        (own_ends, held)
    }

    /// Whether the process itself holds both ends of the pipe with this descriptor, and none of its descendants does.
    pub(super) fn own_pipe(&self, root: &ProcRoot, pid: u32, descriptor: u32) -> bool {
        let has = |open: &Open| [Some(open.first), open.second].contains(&Some(descriptor));
        let is_one = self.open.pipes.values().any(|open| open.is_pair() && has(open));
        is_one && self.own_ends(root, pid).0.0.contains_key(&descriptor)
    }

    /// Whether the process has an end of this pipe.
    pub(super) fn holds_pipe(&self, inode: u64) -> bool {
        self.open.pipes.contains_key(&inode)
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
    fn own_pipe(&self, pid: u32, open: Open) -> Option<[(u32, OwnEnd); 2]> {
        let (one, other) = (open.first, open.second?);
        // The link is readable where the file is, and writable likewise.
        let mode = |descriptor: u32| {
            let link = fs::symlink_metadata(self.file(pid, "fd").join(descriptor.to_string())).ok()?;
            Some(link.permissions().mode() & 0o600)
        };
        let end = |descriptor| OwnEnd { descriptor, pipe: true };
        matches!((mode(one)?, mode(other)?), (0o400, 0o200) | (0o200, 0o400)).then(|| [(one, end(other)), (other, end(one))])
    }

    /// What the tables of its network namespace say of the sockets of a process.
    fn connections(&self, pid: u32, own: &Held) -> Connections {
        if own.is_empty() {
            return Connections::default();
        }
        let mut found = self.tcp_connections(pid, own);
        found.accepted.extend(self.unix_connections(pid, own));
        found
    }

    fn tcp_connections(&self, pid: u32, own: &Held) -> Connections {
        let mut ends: HashMap<(String, String), u64> = HashMap::new();
        let mut ports: HashSet<String> = HashSet::new();
        for table in ["net/tcp", "net/tcp6"] {
            let Ok(file) = File::open(self.file(pid, table)) else { continue };
            for line in BufReader::new(file.take(TABLE_LIMIT)).lines().map_while(Result::ok) {
                let Some(entry) = Entry::of(&line).filter(|entry| own.contains_key(&entry.inode)) else { continue };
                match entry.state {
                    ESTABLISHED => {
                        ends.insert((entry.local.to_owned(), entry.remote.to_owned()), entry.inode);
                    }
                    LISTENING => ports.extend(port(entry.local).map(str::to_owned)),
                    _ => {}
                }
            }
        }
        let is_accepted = |local: &str| port(local).is_some_and(|port| ports.contains(port));
        let mut connections = Connections::default();
        for ((local, remote), inode) in &ends {
            match ends.get(&(remote.clone(), local.clone())) {
                Some(other) => connections.own.push((*inode, *other)),
                None if is_accepted(local) => connections.accepted.push(*inode),
                None => {}
            }
        }
        connections
    }

    fn unix_connections(&self, pid: u32, own: &Held) -> Vec<u64> {
        let Ok(file) = File::open(self.file(pid, "net/unix")) else { return Vec::new() };
        let lines = BufReader::new(file.take(TABLE_LIMIT)).lines().map_while(Result::ok);
        accepted(lines.filter_map(|line| UnixEntry::of(&line)).filter(|entry| own.contains_key(&entry.inode)))
    }
}

/// Of the unix sockets of one process, those that it accepted from others. The table does not tell who is at the other end: of a
/// process that connects to itself, the end that connects is made just before the one that is accepted.
fn accepted(sockets: impl Iterator<Item = UnixEntry>) -> Vec<u64> {
    let (mut paths, mut ends, mut connecting) = (HashSet::new(), Vec::new(), Vec::new());
    for UnixEntry { listens, connected, path, inode } in sockets {
        match path {
            Some(path) if listens => {
                paths.insert(path);
            }
            Some(path) if connected => ends.push((path, inode)),
            None if connected => connecting.push(inode),
            _ => {}
        }
    }
    let mut found: BTreeSet<u64> = ends.into_iter().filter(|(path, _)| paths.contains(path)).map(|(_, inode)| inode).collect();
    connecting.sort_unstable();
    for inode in connecting {
        if let Some(own) = found.range(inode..).next().copied() {
            found.remove(&own);
        }
    }
    found.into_iter().collect()
}

/// 4711 of `socket:[4711]`.
pub(super) fn inode(link: &str, kind: &str) -> Option<u64> {
    link.strip_prefix(kind)?.strip_suffix(']')?.parse().ok()
}

/// The port of an end, in hexadecimal.
fn port(end: &str) -> Option<&str> {
    end.rsplit_once(':').map(|(_, port)| port)
}

/// A line of the table.
struct Entry<'l> {
    local: &'l str,
    remote: &'l str,
    state: &'l str,
    inode: u64,
}

impl<'l> Entry<'l> {
    fn of(line: &'l str) -> Option<Self> {
        let mut words = line.split_ascii_whitespace();
        let (_, local, remote, state) = (words.next()?, words.next()?, words.next()?, words.next()?);
        // Queues, timer, retransmissions, uid, timeout.
        let inode = words.nth(5)?.parse().ok()?;
        // An IPv4 connection may have one end in each table.
        let plain = |end: &'l str| end.trim_start_matches("0000000000000000FFFF0000");
        Some(Self { local: plain(local), remote: plain(remote), state, inode })
    }
}

/// A line of the table of unix sockets, of those that have connections.
struct UnixEntry {
    listens: bool,
    connected: bool,
    /// Where it listens; of a connection, where the process listened that accepted it: the other end has none.
    path: Option<String>,
    inode: u64,
}

impl UnixEntry {
    fn of(line: &str) -> Option<Self> {
        let mut words = line.split_ascii_whitespace().skip(3);
        let (flags, kind, state, inode) = (words.next()?, words.next()?, words.next()?, words.next()?);
        let inode = inode.parse().ok().filter(|_| WITH_CONNECTIONS.contains(&kind))?;
        // A path may have blanks in it: the first word tells it apart well enough.
        Some(Self { listens: flags == ACCEPTS, connected: state == CONNECTED, path: words.next().map(str::to_owned), inode })
    }
}

#[cfg(test)]
mod tests {
    use tempfile::TempDir;

    use super::*;

    #[test]
    fn unix_sockets() {
        let check = |lines: &[&str], expected: &[u64]| {
            assert_eq!(accepted(lines.iter().filter_map(|line| UnixEntry::of(line))), expected, "{lines:?}");
        };
        let listens = "0000000000000000: 00000002 00000000 00010000 0001 01 10 /run/hub.sock";
        let end = "0000000000000000: 00000003 00000000 00000000 0001 03 31 /run/hub.sock";
        check(&["Num       RefCount Protocol Flags    Type St Inode Path"], &[]);
        check(&[listens, end], &[31]);
        check(&[end], &[]);
        check(&[listens, "0: 00000003 00000000 00000000 0002 03 32 /run/hub.sock"], &[]);
        check(&[listens, end, "0: 00000003 00000000 00000000 0001 03 30"], &[]);
        check(&[listens, end, "0: 00000003 00000000 00000000 0001 03 40"], &[31]);
        check(&[listens, "0: 00000003 00000000 00000000 0001 03 33"], &[]);
    }

    #[test]
    fn lines_of_the_table() {
        let check = |line: &str, expected: Option<(&str, &str, &str, u64)>| {
            let entry = Entry::of(line);
            let found = entry.as_ref().map(|entry| (entry.local, entry.remote, entry.state, entry.inode));
            assert_eq!(found, expected);
        };
        check("  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode", None);
        check(
            "   0: 0100007F:1F90 0100007F:A0B4 01 00000000:00000000 00:00000000 00000000  1000        0 31337 1 0000000000000000 20 4 30 10 -1",
            Some(("0100007F:1F90", "0100007F:A0B4", ESTABLISHED, 31337)),
        );
        check(
            "   1: 0100007F:1F90 00000000:0000 0A 00000000:00000000 00:00000000 00000000 0 0 5 1 0 100 0 0 10 0",
            Some(("0100007F:1F90", "00000000:0000", LISTENING, 5)),
        );
        check(
            "   0: 0000000000000000FFFF00000100007F:1F90 0000000000000000FFFF00000100007F:A0B4 01 0:0 0:0 0 0 0 7 1 0",
            Some(("0100007F:1F90", "0100007F:A0B4", ESTABLISHED, 7)),
        );
        assert_eq!(port("00000000000000000000000000000000:1F90"), Some("1F90"));
    }

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
            known.own_ends(&root, std::process::id()).0.0.get(&u32::try_from(file.as_raw_fd()).unwrap()).copied()
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

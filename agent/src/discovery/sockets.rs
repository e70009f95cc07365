//! Connections that others made to a process, over TCP and over unix sockets. Input noun: a pid, a time. Output: inodes of sockets. Must
//! not know who uses them.

use std::{
    collections::{BTreeSet, HashMap, HashSet},
    fs::{self, File},
    io::{BufRead as _, BufReader, Read as _},
};

use super::{error::ProcError, procfs::ProcRoot};

/// Open files that are looked at.
const FILES: usize = 128 << 10;
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

/// The sockets of one process, as last looked at.
#[derive(Debug, Default)]
pub struct Sockets {
    own: HashSet<u64>,
    accepted: Vec<u64>,
    /// When the tables were read, ns; none: never.
    read_ns: Option<u64>,
}

impl Sockets {
    /// Inodes of the established connections that others made to the process: at a port or a path where it listens, and whose other end
    /// is not the process itself. Who made a connection ends it; what the process connected to is its own to close.
    ///
    /// To read the tables the kernel goes through every connection of the host: they are read anew when the process has other sockets
    /// than at the last look, and now and then.
    ///
    /// # Errors
    /// The open files of the process cannot be listed. A table that cannot be read has no connections.
    pub fn accepted(&mut self, root: &ProcRoot, pid: u32, now_ns: u64) -> Result<&[u64], ProcError> {
        let own = root.sockets(pid)?;
        let is_known = self.own == own && self.read_ns.is_some_and(|read| now_ns < read.saturating_add(BELIEVED_NS));
        if !is_known {
            self.accepted = root.accepted(pid, &own);
            self.own = own;
            self.read_ns = Some(now_ns);
        }
        Ok(&self.accepted)
    }
}

impl ProcRoot {
    /// Inodes of the open sockets.
    fn sockets(&self, pid: u32) -> Result<HashSet<u64>, ProcError> {
        let directory = fs::read_dir(self.file(pid, "fd")).map_err(|source| ProcError::of(pid, "fd", source))?;
        let links = directory.flatten().take(FILES).filter_map(|entry| fs::read_link(entry.path()).ok());
        Ok(links.filter_map(|link| socket(link.to_str()?)).collect())
    }

    /// Those of them that the process has accepted from others, by the tables of its network namespace.
    fn accepted(&self, pid: u32, own: &HashSet<u64>) -> Vec<u64> {
        if own.is_empty() {
            return Vec::new();
        }
        let mut found = self.tcp_connections(pid, own);
        found.extend(self.unix_connections(pid, own));
        found
    }

    fn tcp_connections(&self, pid: u32, own: &HashSet<u64>) -> Vec<u64> {
        let mut ends: HashMap<(String, String), u64> = HashMap::new();
        let mut ports: HashSet<String> = HashSet::new();
        for table in ["net/tcp", "net/tcp6"] {
            let Ok(file) = File::open(self.file(pid, table)) else { continue };
            for line in BufReader::new(file.take(TABLE_LIMIT)).lines().map_while(Result::ok) {
                let Some(Entry { local, remote, state, inode }) = Entry::of(&line).filter(|entry| own.contains(&entry.inode)) else {
                    continue;
                };
                match state.as_str() {
                    ESTABLISHED => {
                        ends.insert((local, remote), inode);
                    }
                    LISTENING => ports.extend(port(&local).map(str::to_owned)),
                    _ => {}
                }
            }
        }
        let is_accepted = |local: &str| port(local).is_some_and(|port| ports.contains(port));
        let from_outside = |local: &str, remote: &str| !ends.contains_key(&(remote.to_owned(), local.to_owned()));
        let found = ends.iter().filter(|((local, remote), _)| is_accepted(local) && from_outside(local, remote));
        found.map(|(_, inode)| *inode).collect()
    }

    fn unix_connections(&self, pid: u32, own: &HashSet<u64>) -> Vec<u64> {
        let Ok(file) = File::open(self.file(pid, "net/unix")) else { return Vec::new() };
        let lines = BufReader::new(file.take(TABLE_LIMIT)).lines().map_while(Result::ok);
        accepted(lines.filter_map(|line| UnixEntry::of(&line)).filter(|entry| own.contains(&entry.inode)))
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

/// `socket:[4711]`.
fn socket(link: &str) -> Option<u64> {
    link.strip_prefix("socket:[")?.strip_suffix(']')?.parse().ok()
}

/// The port of an end, in hexadecimal.
fn port(end: &str) -> Option<&str> {
    end.rsplit_once(':').map(|(_, port)| port)
}

/// A line of the table.
struct Entry {
    local: String,
    remote: String,
    state: String,
    inode: u64,
}

impl Entry {
    fn of(line: &str) -> Option<Self> {
        let mut words = line.split_ascii_whitespace();
        let (_, local, remote, state) = (words.next()?, words.next()?, words.next()?, words.next()?);
        // Queues, timer, retransmissions, uid, timeout.
        let inode = words.nth(5)?.parse().ok()?;
        // An IPv4 connection may have one end in each table.
        let plain = |end: &str| end.trim_start_matches("0000000000000000FFFF0000").to_owned();
        Some(Self { local: plain(local), remote: plain(remote), state: state.to_owned(), inode })
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
            let found = entry.as_ref().map(|entry| (entry.local.as_str(), entry.remote.as_str(), entry.state.as_str(), entry.inode));
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
        let (proc, mut known) = (TempDir::new().unwrap(), Sockets::default());
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
            let mut found = known.accepted(&root, 7, at).unwrap().to_vec();
            found.sort_unstable();
            assert_eq!(found, expected, "at {at}");
        }
        assert!(known.accepted(&root, 8, 0).is_err(), "no such process");
    }

    #[test]
    fn links() {
        assert_eq!(socket("socket:[42]"), Some(42));
        assert_eq!(socket("pipe:[42]"), None);
        assert_eq!(socket("/dev/null"), None);
    }
}

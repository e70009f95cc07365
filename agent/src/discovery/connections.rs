//! What the tables of a network namespace say of the sockets of one process: over TCP and over unix sockets. Input nouns: a pid, its sockets.
//! Output noun: [`Connections`]. Must not know what holds a socket.

use std::{
    collections::{BTreeSet, HashMap, HashSet},
    fs::File,
    io::{BufRead as _, BufReader, ErrorKind, Read as _},
};

use super::{descriptors::Held, error::ProcError, procfs::ProcRoot};

/// The tables of all connections in the network namespace: 150 bytes each.
const TABLE_LIMIT: u64 = 32 << 20;
/// `TCP_ESTABLISHED`.
pub(super) const ESTABLISHED: &str = "01";
/// `TCP_LISTEN`.
const LISTENING: &str = "0A";
/// `SOCK_STREAM` and `SOCK_SEQPACKET`, as the table of unix sockets has them.
const WITH_CONNECTIONS: [&str; 2] = ["0001", "0005"];
/// `SS_CONNECTED`.
const CONNECTED: &str = "03";
/// `__SO_ACCEPTCON`: the socket listens.
const ACCEPTS: &str = "00010000";

/// What the tables of the network namespace say of the sockets of one process.
#[derive(Debug, Default)]
pub(super) struct Connections {
    pub(super) accepted: Vec<u64>,
    /// Of connections with both ends in the process, the inodes of each and of the other end.
    pub(super) own: Vec<(u64, u64)>,
}

impl ProcRoot {
    /// What the tables of its network namespace say of the sockets of a process.
    ///
    /// # Errors
    /// A table that there is cannot be read.
    pub(super) fn connections(&self, pid: u32, own: &Held) -> Result<Connections, ProcError> {
        if own.is_empty() {
            return Ok(Connections::default());
        }
        let mut found = self.tcp_connections(pid, own)?;
        found.accepted.extend(self.unix_connections(pid, own)?);
        Ok(found)
    }

    /// Calls `each` with the lines of a table; there are none where the kernel does not have it, as without IPv6.
    fn each_line(&self, pid: u32, table: &'static str, each: &mut dyn FnMut(&str)) -> Result<(), ProcError> {
        let file = match File::open(self.file(pid, table)) {
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(()),
            opened => opened.map_err(|error| ProcError::of(pid, table, error))?,
        };
        let (mut reader, mut line) = (BufReader::new(file.take(TABLE_LIMIT)), Vec::new());
        while reader.read_until(b'\n', &mut line).map_err(|error| ProcError::of(pid, table, error))? > 0 {
            // Paths of unix sockets are any bytes.
            each(String::from_utf8_lossy(&line).trim_end_matches('\n'));
            line.clear();
        }
        if reader.get_ref().limit() == 0 { Err(ProcError::TooLarge { what: table, limit: TABLE_LIMIT }) } else { Ok(()) }
    }

    fn tcp_connections(&self, pid: u32, own: &Held) -> Result<Connections, ProcError> {
        let mut ends: HashMap<(String, String), u64> = HashMap::new();
        let mut ports: HashSet<String> = HashSet::new();
        for table in ["net/tcp", "net/tcp6"] {
            self.each_line(pid, table, &mut |line| {
                let Some(entry) = Entry::of(line).filter(|entry| own.contains_key(&entry.inode)) else { return };
                match entry.state {
                    ESTABLISHED => {
                        ends.insert((entry.local.to_owned(), entry.remote.to_owned()), entry.inode);
                    }
                    LISTENING => ports.extend(port(entry.local).map(str::to_owned)),
                    _ => {}
                }
            })?;
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
        Ok(connections)
    }

    fn unix_connections(&self, pid: u32, own: &Held) -> Result<Vec<u64>, ProcError> {
        let mut sockets = Vec::new();
        self.each_line(pid, "net/unix", &mut |line| sockets.extend(UnixEntry::of(line).filter(|entry| own.contains_key(&entry.inode))))?;
        Ok(accepted(sockets.into_iter()))
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
}

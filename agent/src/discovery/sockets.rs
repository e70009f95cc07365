//! TCP connections of a process. Input noun: a pid. Output: inodes of sockets. Must not know who uses them.

use std::{
    collections::{HashMap, HashSet},
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

impl ProcRoot {
    /// Inodes of the established TCP connections that others made to the process: at a port on which it listens, and whose other end is
    /// not the process itself. Who made a connection ends it; what the process connected to is its own to close.
    ///
    /// # Errors
    /// The open files of the process cannot be listed. A table that cannot be read has no connections.
    pub fn connections(&self, pid: u32) -> Result<Vec<u64>, ProcError> {
        let directory = fs::read_dir(self.file(pid, "fd")).map_err(|source| ProcError::of(pid, "fd", source))?;
        let links = directory.flatten().take(FILES).filter_map(|entry| fs::read_link(entry.path()).ok());
        let own: HashSet<u64> = links.filter_map(|link| socket(link.to_str()?)).collect();
        if own.is_empty() {
            return Ok(Vec::new());
        }
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
        Ok(found.map(|(_, inode)| *inode).collect())
    }
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

#[cfg(test)]
mod tests {
    use super::*;

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

    #[test]
    fn links() {
        assert_eq!(socket("socket:[42]"), Some(42));
        assert_eq!(socket("pipe:[42]"), None);
        assert_eq!(socket("/dev/null"), None);
    }
}

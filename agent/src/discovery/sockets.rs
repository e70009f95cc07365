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

impl ProcRoot {
    /// Inodes of the established TCP connections of the process whose other end is not the process itself.
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
        for table in ["net/tcp", "net/tcp6"] {
            let Ok(file) = File::open(self.file(pid, table)) else { continue };
            for line in BufReader::new(file.take(TABLE_LIMIT)).lines().map_while(Result::ok) {
                if let Some((local, remote, inode)) = established(&line).filter(|(_, _, inode)| own.contains(inode)) {
                    ends.insert((local, remote), inode);
                }
            }
        }
        Ok(ends
            .iter()
            .filter(|((local, remote), _)| !ends.contains_key(&(remote.clone(), local.clone())))
            .map(|(_, inode)| *inode)
            .collect())
    }
}

/// `socket:[4711]`.
fn socket(link: &str) -> Option<u64> {
    link.strip_prefix("socket:[")?.strip_suffix(']')?.parse().ok()
}

/// Local and remote end, and the inode, of a line that is an established connection.
fn established(line: &str) -> Option<(String, String, u64)> {
    let mut words = line.split_ascii_whitespace();
    let (_, local, remote, state) = (words.next()?, words.next()?, words.next()?, words.next()?);
    // Queues, timer, retransmissions, uid, timeout.
    let inode = words.nth(5)?.parse().ok()?;
    // An IPv4 connection may have one end in each table.
    let plain = |end: &str| end.trim_start_matches("0000000000000000FFFF0000").to_owned();
    (state == ESTABLISHED).then(|| (plain(local), plain(remote), inode))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_of_the_table() {
        let check = |line: &str, expected: Option<(&str, &str, u64)>| {
            assert_eq!(established(line), expected.map(|(local, remote, inode)| (local.to_owned(), remote.to_owned(), inode)));
        };
        check("  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode", None);
        check(
            "   0: 0100007F:1F90 0100007F:A0B4 01 00000000:00000000 00:00000000 00000000  1000        0 31337 1 0000000000000000 20 4 30 10 -1",
            Some(("0100007F:1F90", "0100007F:A0B4", 31337)),
        );
        check("   1: 0100007F:1F90 00000000:0000 0A 00000000:00000000 00:00000000 00000000 0 0 5 1 0 100 0 0 10 0", None);
        check(
            "   0: 0000000000000000FFFF00000100007F:1F90 0000000000000000FFFF00000100007F:A0B4 01 0:0 0:0 0 0 0 7 1 0",
            Some(("0100007F:1F90", "0100007F:A0B4", 7)),
        );
    }

    #[test]
    fn links() {
        assert_eq!(socket("socket:[42]"), Some(42));
        assert_eq!(socket("pipe:[42]"), None);
        assert_eq!(socket("/dev/null"), None);
    }
}

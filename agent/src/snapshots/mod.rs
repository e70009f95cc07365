//! What was seen when a leak was found, kept in a directory of bounded size.
//!
//! In: a name and files. Out: a folder with them. Must not know what is in the files.
//!
//! A snapshot names functions and files of programs, so only the agent's own user may look: the directory has mode 0700, and one that
//! others could write to is not used. The oldest snapshots go first when there is no room; what else is in the directory stays.

use std::{
    fs::{self, DirBuilder, OpenOptions},
    io::{self, Write as _},
    os::unix::fs::{DirBuilderExt as _, MetadataExt as _, OpenOptionsExt as _},
    path::{Path, PathBuf},
    time::SystemTime,
};

/// What all snapshots together may take, bytes.
pub const LIMIT: u64 = 256 << 20;
/// Snapshots that are kept at most, however small.
const FOLDERS_MAX: usize = 4096;
/// Digits of the milliseconds since 1970, at least.
const MILLIS: usize = 13;
/// Characters of a process' name that go into a folder's.
const NAME: usize = 64;

/// Why a snapshot is not kept.
#[derive(Debug, thiserror::Error)]
pub enum SnapshotError {
    /// The directory cannot be made or read.
    #[error("{}: {error}; remedy: make it writable for the agent's user, or choose another with --snapshot-dir", .path.display())]
    Directory {
        /// Which.
        path: PathBuf,
        /// What the operating system said.
        #[source]
        error: io::Error,
    },
    /// Others may write there, or it is another user's.
    #[error("{} may be written to by others, or belongs to another user; remedy: chmod 0700, or another --snapshot-dir", .path.display())]
    Shared {
        /// Which.
        path: PathBuf,
    },
    /// Larger than all snapshots together may be.
    #[error("a snapshot of {bytes} bytes is above the limit of {limit}")]
    TooLarge {
        /// Bytes of its files.
        bytes: u64,
        /// What is allowed.
        limit: u64,
    },
}

/// The directory of snapshots.
#[derive(Debug)]
pub struct Store {
    path: PathBuf,
    limit: u64,
}

/// A snapshot that is there.
struct Kept {
    path: PathBuf,
    bytes: u64,
    made: SystemTime,
}

impl Store {
    /// The directory at `path`, made when it is not there, for at most `limit` bytes. It may be a link that root or this user has made, as
    /// systemd does for a user of its own.
    ///
    /// # Errors
    /// [`SnapshotError`].
    pub fn open(path: &Path, limit: u64) -> Result<Self, SnapshotError> {
        let failed = |error| SnapshotError::Directory { path: path.to_owned(), error };
        DirBuilder::new().recursive(true).mode(0o700).create(path).map_err(failed)?;
        let own = rustix::process::geteuid().as_raw();
        let stat = fs::symlink_metadata(path).map_err(failed)?;
        let is_followed = stat.is_symlink() && [0, own].contains(&stat.uid());
        // From here on who changes the link changes nothing.
        let path = if is_followed { fs::canonicalize(path).map_err(failed)? } else { path.to_owned() };
        let stat = fs::symlink_metadata(&path).map_err(failed)?;
        if !stat.is_dir() || stat.uid() != own || stat.mode() & 0o022 != 0 {
            return Err(SnapshotError::Shared { path });
        }
        Ok(Self { path, limit })
    }

    /// Keeps `files` in a folder named after the process and the time.
    ///
    /// # Errors
    /// [`SnapshotError`]; what was written of it is removed.
    pub fn keep(&self, process: &str, pid: u32, now: SystemTime, files: &[(&str, &[u8])]) -> Result<PathBuf, SnapshotError> {
        let bytes = files.iter().map(|(_, bytes)| bytes.len() as u64).sum();
        if bytes > self.limit {
            return Err(SnapshotError::TooLarge { bytes, limit: self.limit });
        }
        self.make_room(bytes)?;
        let millis = now.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default().as_millis();
        let folder = self.path.join(format!("{}-{pid}-{millis}", plain(process)));
        let failed = |error| SnapshotError::Directory { path: folder.clone(), error };
        DirBuilder::new().mode(0o700).create(&folder).map_err(failed)?;
        for (name, bytes) in files {
            let made = OpenOptions::new().write(true).create_new(true).mode(0o600).open(folder.join(name));
            if let Err(error) = made.and_then(|mut file| file.write_all(bytes)) {
                // The error that is told is the first one.
                let _ = fs::remove_dir_all(&folder);
                return Err(failed(error));
            }
        }
        Ok(folder)
    }

    /// Removes the oldest snapshots until another one of this size fits.
    fn make_room(&self, bytes: u64) -> Result<(), SnapshotError> {
        let mut kept = self.kept()?;
        kept.sort_by_key(|kept| kept.made);
        let mut total: u64 = kept.iter().map(|kept| kept.bytes).sum();
        let mut left = kept.len();
        for old in kept {
            if total.saturating_add(bytes) <= self.limit && left < FOLDERS_MAX {
                break;
            }
            fs::remove_dir_all(&old.path).map_err(|error| SnapshotError::Directory { path: old.path.clone(), error })?;
            (total, left) = (total.saturating_sub(old.bytes), left - 1);
        }
        Ok(())
    }

    fn kept(&self) -> Result<Vec<Kept>, SnapshotError> {
        let failed = |error| SnapshotError::Directory { path: self.path.clone(), error };
        let mut kept = Vec::new();
        for entry in fs::read_dir(&self.path).map_err(failed)?.flatten() {
            let Ok(stat) = entry.metadata() else { continue };
            if !stat.is_dir() || !entry.file_name().to_str().is_some_and(is_snapshot) {
                continue;
            }
            let files = fs::read_dir(entry.path()).into_iter().flatten().flatten().filter_map(|file| file.metadata().ok());
            let made = stat.modified().unwrap_or(SystemTime::UNIX_EPOCH);
            kept.push(Kept { path: entry.path(), bytes: files.map(|file| file.len()).sum(), made });
        }
        Ok(kept)
    }
}

/// Whether a folder of this name can be one that was made here.
fn is_snapshot(name: &str) -> bool {
    let mut parts = name.rsplitn(3, '-');
    let (millis, pid, process) = (parts.next(), parts.next(), parts.next());
    let is_made = |(millis, pid): (&str, &str)| millis.len() >= MILLIS && millis.parse::<u64>().is_ok() && pid.parse::<u32>().is_ok();
    millis.zip(pid).is_some_and(is_made) && process.is_some_and(|process| plain(process) == process)
}

/// A name that is one in every file system, whatever a process calls itself.
fn plain(name: &str) -> String {
    let plain: String = name.chars().take(NAME).map(|c| if c.is_ascii_alphanumeric() || c == '_' { c } else { '-' }).collect();
    if plain.is_empty() { "process".to_owned() } else { plain }
}

#[cfg(test)]
mod tests {
    use std::{os::unix::fs::PermissionsExt as _, time::Duration};

    use super::*;

    fn folders(path: &Path) -> Vec<String> {
        let mut names: Vec<String> = fs::read_dir(path).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
        names.sort();
        names
    }

    #[test]
    fn the_oldest_go_when_there_is_no_room() {
        let directory = tempfile::tempdir().unwrap();
        let store = Store::open(&directory.path().join("a/b"), 100).unwrap();
        let stat = fs::metadata(&store.path).unwrap();
        assert_eq!(stat.permissions().mode() & 0o777, 0o700);
        // Of somebody else, older than all, and large.
        let others = ["web-7", "web-7-20261128", "notes-7-1700000000000x", "1700000000000"];
        for other in others {
            fs::create_dir(store.path.join(other)).unwrap();
            fs::write(store.path.join(other).join("file"), [0; 90]).unwrap();
        }
        for second in 1..=3 {
            let now = SystemTime::UNIX_EPOCH + Duration::from_secs(1_700_000_000 + second);
            let folder = store.keep("../web server", 7, now, &[("finding.json", &[b'x'; 40]), ("empty", &[])]).unwrap();
            assert_eq!(fs::metadata(folder.join("finding.json")).unwrap().permissions().mode() & 0o777, 0o600);
            // Folders are told apart by their age, of which a file system may keep whole ticks only.
            let made = fs::File::open(&folder).unwrap();
            made.set_modified(now).unwrap();
        }
        let ours = |path: &Path| folders(path).into_iter().filter(|name| !others.contains(&name.as_str())).collect::<Vec<_>>();
        assert_eq!(ours(&store.path), ["---web-server-7-1700000002000", "---web-server-7-1700000003000"]);
        let large = store.keep("a", 1, SystemTime::now(), &[("x", &[0; 101])]);
        assert!(matches!(large, Err(SnapshotError::TooLarge { bytes: 101, limit: 100 })), "{large:?}");
        store.keep("a", 1, SystemTime::now(), &[("x", &[0; 100])]).unwrap();
        assert_eq!((ours(&store.path).len(), folders(&store.path).len()), (1, 1 + others.len()), "what is of others stays");
    }

    #[test]
    fn a_directory_of_others_is_not_used() {
        let directory = tempfile::tempdir().unwrap();
        fs::set_permissions(directory.path(), fs::Permissions::from_mode(0o777)).unwrap();
        assert!(matches!(Store::open(directory.path(), 1), Err(SnapshotError::Shared { .. })));
        let file = directory.path().join("file");
        fs::write(&file, "").unwrap();
        assert!(matches!(Store::open(&file, 1), Err(SnapshotError::Directory { .. })));
        let (link, own) = (directory.path().join("link"), tempfile::tempdir().unwrap());
        fs::set_permissions(own.path(), fs::Permissions::from_mode(0o700)).unwrap();
        std::os::unix::fs::symlink(own.path(), &link).unwrap();
        assert_eq!(Store::open(&link, 1).unwrap().path, fs::canonicalize(own.path()).unwrap(), "root's link");
        std::os::unix::fs::lchown(&link, Some(65534), None).unwrap();
        assert!(matches!(Store::open(&link, 1), Err(SnapshotError::Shared { .. })), "a link of others");
    }
}

//! The memory limit of a process's cgroups. Input noun: a pid. Output noun: [`MemoryLimit`]. Must not know what the memory is used for.
//!
//! Both versions: `memory.max` of cgroup 2 and `memory.limit_in_bytes` of cgroup 1, of the process's own cgroup and of all above it.
//! Paths in `/proc/PID/cgroup` are as seen from this process's cgroup namespace: what lies outside of it begins with `/..` and is not
//! known.

use std::{
    fs::File,
    io::Read as _,
    path::{Component, Path, PathBuf},
};

use super::procfs::ProcRoot;
use crate::model::{LimitKind, MemoryLimit};

/// Where cgroups are.
const CGROUPS: &str = "/sys/fs/cgroup";
/// `memory.stat` has some 50 lines.
const FILE_LIMIT: u64 = 16 << 10;
/// Cgroups above one another.
const DEPTH: usize = 32;
/// Cgroup 1 has no word for "no limit" but a number that no machine has.
const NO_LIMIT: u64 = 1 << 56;

/// How a version names things.
struct Version {
    limit: &'static str,
    usage: &'static str,
    /// The line of `memory.stat` with what the kernel takes back first.
    cache: &'static str,
}

const TWO: Version = Version { limit: "memory.max", usage: "memory.current", cache: "inactive_file" };
const ONE: Version = Version { limit: "memory.limit_in_bytes", usage: "memory.usage_in_bytes", cache: "total_inactive_file" };

impl ProcRoot {
    /// Of the limits that hold for the process, the one with the least room left; none where there is none, or it cannot be read.
    #[must_use]
    pub fn memory_limit(&self, pid: u32) -> Option<MemoryLimit> {
        least(&self.cgroup(pid).ok()?, Path::new(CGROUPS))
    }
}

fn least(cgroup: &str, root: &Path) -> Option<MemoryLimit> {
    let places = cgroup.lines().filter_map(|line| {
        let (_, rest) = line.split_once(':')?;
        let (controllers, path) = rest.split_once(':')?;
        match controllers {
            // Beside version 1, version 2 is mounted elsewhere and has no memory.
            "" => Some((&TWO, root.to_owned(), path)),
            _ if controllers.split(',').any(|name| name == "memory") => Some((&ONE, root.join("memory"), path)),
            _ => None,
        }
    });
    places
        .flat_map(|(version, mount, path)| {
            let directories = above(&mount, path).into_iter();
            directories.filter_map(move |directory| version.limit(&directory))
        })
        .min_by_key(|limit| limit.bytes.saturating_sub(limit.used))
}

/// The directory of a cgroup and those above it.
fn above(mount: &Path, path: &str) -> Vec<PathBuf> {
    let mut names = Vec::new();
    for component in Path::new(path).components() {
        match component {
            Component::RootDir => {}
            Component::Normal(name) => names.push(name),
            _ => return Vec::new(),
        }
    }
    names.truncate(DEPTH);
    (0..=names.len()).map(|count| mount.iter().chain(names.iter().take(count).copied()).collect()).collect()
}

impl Version {
    fn limit(&self, directory: &Path) -> Option<MemoryLimit> {
        let bytes = read(&directory.join(self.limit))?.trim().parse().ok().filter(|bytes| *bytes < NO_LIMIT)?;
        let usage: u64 = read(&directory.join(self.usage))?.trim().parse().ok()?;
        let stat = read(&directory.join("memory.stat")).unwrap_or_default();
        let cache = stat.lines().find_map(|line| line.strip_prefix(self.cache)?.trim().parse::<u64>().ok());
        Some(MemoryLimit { kind: LimitKind::Cgroup, bytes, used: usage.saturating_sub(cache.unwrap_or(0)) })
    }
}

fn read(path: &Path) -> Option<String> {
    let mut text = String::new();
    File::open(path).ok()?.take(FILE_LIMIT).read_to_string(&mut text).ok()?;
    Some(text)
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    /// A tree of files with these contents, and what is found for the cgroup.
    fn check(cgroup: &str, files: &[(&str, &str)], expected: Option<(u64, u64)>) {
        let root = tempfile::tempdir().unwrap();
        for (name, text) in files {
            let path = root.path().join(name);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        }
        let found = least(cgroup, root.path()).map(|limit| (limit.bytes, limit.used));
        assert_eq!(found, expected, "{cgroup}");
    }

    #[test]
    fn limits() {
        let two = [
            ("pod/app/memory.max", "1000\n"),
            ("pod/app/memory.current", "700\n"),
            ("pod/app/memory.stat", "anon 5\ninactive_file 200\nactive_file 9\n"),
            ("pod/memory.max", "1200\n"),
            ("pod/memory.current", "1100\n"),
            ("memory.max", "max\n"),
        ];
        check("0::/pod/app\n", &two, Some((1200, 1100)));
        check("0::/pod/app\n", &two[..3], Some((1000, 500)));
        check("0::/../other\n", &two, None);
        check("0::/none\n", &two[..3], None);
        let one = [
            ("memory/a/memory.limit_in_bytes", "9000\n"),
            ("memory/a/memory.usage_in_bytes", "4000\n"),
            ("memory/memory.limit_in_bytes", "9223372036854771712\n"),
            ("memory/memory.usage_in_bytes", "4000\n"),
        ];
        check("4:memory:/a\n3:cpu:/b\n0::/\n", &one, Some((9000, 4000)));
        check("4:cpu:/a\n", &one, None);
        check("", &one, None);
        check("0::/a", &[("a/memory.max", "no number"), ("a/memory.current", "1")], None);
    }
}

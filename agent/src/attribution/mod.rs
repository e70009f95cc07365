//! The names that a process goes by, and the pods that give containers theirs.
//!
//! Input noun: the path of an executable and the text of `/proc/PID/cgroup`. Output noun: [`Identity`]. Must not know where
//! either came from, nor what an API server is: a container id is the only link to pods.

mod cgroup;
mod pods;
mod workload;

use std::path::Path;

pub use cgroup::{Owner, owner, pod_uid};
pub use pods::{KEPT, Pods};
pub use workload::{Controller, workload};

use crate::model::Identity;

/// Bytes of a label value: what a file name can have.
const NAME_LIMIT: usize = 255;

/// The names of one process.
///
/// `exe` is the target of `/proc/PID/exe`, `cgroup` the text of `/proc/PID/cgroup`; `pid` is given only where processes are
/// told apart (`--per-process`).
#[must_use]
pub fn identify(exe: &Path, cgroup: &str, pid: Option<u32>) -> Identity {
    identity(process_name(exe), owner(cgroup), pid)
}

/// The names of a process of which the first is known.
#[must_use]
pub fn identity(process: String, owner: Owner, pid: Option<u32>) -> Identity {
    let (container, unit) = match owner {
        Owner::Container(id) => (Some(id), None),
        Owner::Unit(unit) => (None, Some(bounded(unit))),
        Owner::Nobody => (None, None),
    };
    Identity { process, container, unit, pid, ..Identity::default() }
}

/// The base name of an executable, without what the kernel adds to a deleted one.
fn process_name(exe: &Path) -> String {
    let path = exe.to_string_lossy();
    let path = path.strip_suffix(" (deleted)").unwrap_or(&path);
    let name = path.trim_end_matches('/').rsplit('/').next().unwrap_or_default();
    if name.is_empty() { "unknown".to_owned() } else { bounded(name.to_owned()) }
}

/// At most [`NAME_LIMIT`] bytes of a name.
fn bounded(mut name: String) -> String {
    name.truncate(name.floor_char_boundary(NAME_LIMIT));
    name
}

#[cfg(test)]
mod tests {
    use std::{ffi::OsStr, os::unix::ffi::OsStrExt as _};

    use super::*;

    #[test]
    fn process_names() {
        let long = [b'a'; 300];
        for (exe, expected) in [
            (b"/usr/bin/prometheus".as_slice(), "prometheus".to_owned()),
            (b"/usr/bin/prometheus (deleted)", "prometheus".to_owned()),
            (b"/memfd:runc (deleted)", "memfd:runc".to_owned()),
            (b"app", "app".to_owned()),
            (b"/a dir/an app", "an app".to_owned()),
            (b"/opt/b\xffd", "b\u{fffd}d".to_owned()),
            (b"/", "unknown".to_owned()),
            (b"", "unknown".to_owned()),
            (&long, "a".repeat(255)),
            ("/é".as_bytes(), "é".to_owned()),
        ] {
            assert_eq!(process_name(Path::new(OsStr::from_bytes(exe))), expected);
        }
        let wide = "é".repeat(200);
        assert_eq!(process_name(Path::new(&wide)), "é".repeat(127));
    }

    #[test]
    fn identities() {
        let id = "0123456789abcdef".repeat(4);
        let identity = identify(Path::new("/app"), &format!("0::/docker/{id}\n"), None);
        assert_eq!(identity, Identity { process: "app".to_owned(), container: Some(id), ..Identity::default() });
        let identity = identify(Path::new("/app"), "0::/system.slice/app.service\n", Some(7));
        assert_eq!(
            identity,
            Identity { process: "app".to_owned(), unit: Some("app.service".to_owned()), pid: Some(7), ..Identity::default() }
        );
        let identity = identify(Path::new("/app"), "", None);
        assert_eq!(identity, Identity { process: "app".to_owned(), ..Identity::default() });
    }
}

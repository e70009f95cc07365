//! Cgroups as container runtimes make them, without a container.

use std::{fs, path::PathBuf};

use rand::Rng as _;

/// A cgroup under which a process looks like one of a container. Removed when dropped, after its processes have ended.
pub struct Container {
    /// 64 hexadecimal digits, new each time.
    pub id: String,
    directory: PathBuf,
}

impl Container {
    /// In the pod with this uid.
    pub fn new(pod_uid: &str) -> Self {
        let mut rng = rand::rng();
        let id: String = (0..8).map(|_| format!("{:08x}", rng.next_u32())).collect();
        // Not below /kubepods: the kubelet of a cluster on this machine removes what it does not know there.
        let tests = format!("goroscope-test-{}", std::process::id());
        let directory = root().join(tests).join(format!("pod{pod_uid}")).join(&id);
        fs::create_dir_all(&directory).unwrap_or_else(|error| panic!("{}: {error}", directory.display()));
        Self { id, directory }
    }

    /// What makes `/bin/sh` run `program` in it.
    pub fn arguments(&self, program: &str) -> [String; 2] {
        ["-c".to_owned(), format!("echo $$ > {}/cgroup.procs && exec {program}", self.directory.display())]
    }
}

impl Drop for Container {
    fn drop(&mut self) {
        for directory in self.directory.ancestors().take(3) {
            // Those above may be in use by other tests.
            let _ = fs::remove_dir(directory);
        }
    }
}

/// A cgroup whose processes the kernel ends when they have more memory than this. Removed when dropped, after they have ended.
pub struct Bounded(PathBuf);

impl Bounded {
    /// `bytes` for all of them together.
    pub fn new(bytes: u64) -> Self {
        let (parent, file) = match fs::metadata("/sys/fs/cgroup/memory") {
            Ok(_) => (PathBuf::from("/sys/fs/cgroup/memory"), "memory.limit_in_bytes"),
            Err(_) => (root(), "memory.max"),
        };
        // Version 2 passes controllers on where it is told to.
        let _ = fs::write(parent.join("cgroup.subtree_control"), "+memory");
        let directory = parent.join(format!("goroscope-test-{:08x}", rand::rng().next_u32()));
        fs::create_dir(&directory).unwrap_or_else(|error| panic!("{}: {error}", directory.display()));
        fs::write(directory.join(file), bytes.to_string()).unwrap_or_else(|error| panic!("{file} in {}: {error}", directory.display()));
        Self(directory)
    }

    /// What makes `/bin/sh` run `program` in it.
    pub fn arguments(&self, program: &str) -> [String; 2] {
        ["-c".to_owned(), format!("echo $$ > {}/cgroup.procs && exec {program}", self.0.display())]
    }
}

impl Drop for Bounded {
    fn drop(&mut self) {
        let _ = fs::remove_dir(&self.0);
    }
}

/// The hierarchy of version 2, or one of version 1.
fn root() -> PathBuf {
    let mounts = fs::read_to_string("/proc/self/mounts").unwrap();
    let of_type = |kind: &str| {
        let mut found = mounts.lines().map(|line| line.split(' ').collect::<Vec<_>>()).filter(|fields| fields.get(2) == Some(&kind));
        found.find_map(|fields| fields.get(1).map(PathBuf::from))
    };
    of_type("cgroup2").or_else(|| of_type("cgroup")).expect("a cgroup hierarchy is mounted")
}

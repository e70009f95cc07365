//! Who a process belongs to, by its cgroups. Input noun: the text of `/proc/PID/cgroup`. Output noun: [`Owner`]. Must not
//! know files, nor the labels that come of it.
//!
//! Container runtimes differ in how they name a container's cgroup, yet all names end in the container's id of 64 hexadecimal
//! digits: alone (`/docker/<id>`, `/kubepods/.../pod<uid>/<id>`), behind a prefix (`libpod-<id>`, `cri-containerd-<id>.scope`,
//! `system.slice:docker:<id>`). Directories above are no guide: seen from another cgroup namespace they read `/../..`.
//! The innermost id counts: with kind and Docker in Docker, containers lie in a container. (So a process with a writable cgroup
//! tree, which is a privileged one, can choose its own container id.)

/// Who a process belongs to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Owner {
    /// A container, by its full id.
    Container(String),
    /// A systemd service.
    Unit(String),
    /// Neither.
    Nobody,
}

/// Digits in a container id.
const ID_LENGTH: usize = 64;

/// Who the process with this `/proc/PID/cgroup` belongs to.
#[must_use]
pub fn owner(cgroup: &str) -> Owner {
    // A machine may have hierarchies of both versions, and a runtime need not use each of them: the deepest nesting is told
    // by the line that holds the most ids, and of equal ones the first by preference.
    let mut lines: Vec<_> = cgroup.lines().filter_map(Line::parse).collect();
    lines.sort_by_key(|line| line.preference);
    let ids = |line: &Line<'_>| line.components().filter_map(container_id).count();
    let deepest = lines.iter().rev().max_by_key(|line| ids(line));
    if let Some(id) = deepest.and_then(|line| line.components().filter_map(container_id).next_back()) {
        return Owner::Container(id.to_owned());
    }
    let unit = lines.iter().find_map(|line| line.components().rfind(|name| is_service(name)));
    unit.map_or(Owner::Nobody, |unit| Owner::Unit(unit.to_owned()))
}

/// The uid of the process's pod, where a directory above its container's tells it; of a static pod, what the kubelet calls it.
#[must_use]
pub fn pod_uid(cgroup: &str) -> Option<String> {
    cgroup.lines().filter_map(Line::parse).find_map(|line| line.components().filter_map(uid).next_back())
}

/// `pod<uid>`, or as systemd has it `kubepods-burstable-pod<uid with underscores>.slice`, behind which may be more.
fn uid(name: &str) -> Option<String> {
    let (slice, is_slice) = name.split_once(".slice").map_or((name, false), |(slice, _)| (slice, true));
    let uid = if is_slice { slice.rsplit_once("-pod")?.1 } else { slice.strip_prefix("pod")? };
    let is_uid = !uid.is_empty() && uid.bytes().all(|byte| byte.is_ascii_hexdigit() || matches!(byte, b'-' | b'_'));
    is_uid.then(|| uid.replace('_', "-"))
}

/// One hierarchy: `number:controllers:path`.
struct Line<'a> {
    /// Smaller is better: version 2, then systemd's own hierarchy, then any.
    preference: u8,
    path: &'a str,
}

impl<'a> Line<'a> {
    fn parse(line: &'a str) -> Option<Self> {
        // Controller names hold no colon, paths may.
        let (_, rest) = line.split_once(':')?;
        let (controllers, path) = rest.split_once(':')?;
        let preference = match controllers {
            "" => 0,
            "name=systemd" => 1,
            _ => 2,
        };
        // A cgroup that was removed under its processes.
        Some(Self { preference, path: path.strip_suffix(" (deleted)").unwrap_or(path) })
    }

    fn components(&self) -> impl DoubleEndedIterator<Item = &'a str> + use<'a> {
        self.path.split('/').filter(|name| !name.is_empty() && *name != "..")
    }
}

/// The container id in the name of a cgroup.
fn container_id(name: &str) -> Option<&str> {
    let name = name.strip_suffix(".scope").unwrap_or(name);
    let (prefix, id) = name.rsplit_once(['-', ':']).unwrap_or(("", name));
    let is_id = id.len() == ID_LENGTH && id.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'));
    // conmon watches the container from outside.
    (is_id && !prefix.ends_with("conmon")).then_some(id)
}

/// Whether a cgroup is that of a systemd service. Scopes are made by hand for one login or one command: too many names.
fn is_service(name: &str) -> bool {
    name.strip_suffix(".service").is_some_and(|stem| !stem.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    const ID: &str = "3f4e0c1b5a69788796a5b4c3d2e1f00f1e2d3c4b5a69788796a5b4c3d2e1f00f";
    const OUTER: &str = "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa";
    const POD: &str = "pod1234abcd-12ab-34cd-56ef-1234567890ab";

    fn check(cgroup: &str, expected: &Owner) {
        let cgroup = cgroup.replace("<id>", ID).replace("<outer>", OUTER).replace("<pod>", POD);
        assert_eq!(owner(&cgroup), *expected, "{cgroup}");
    }

    #[test]
    fn containers() {
        let container = Owner::Container(ID.to_owned());
        for cgroup in [
            // The kubelet's cgroupfs driver: version 1, version 2, and version 2 from a pod's own cgroup namespace.
            "4:memory:/kubepods/burstable/<pod>/<id>\n0::/kubepods/burstable/<pod>/<id>\n",
            "4:memory:/kubepods/besteffort/<pod>/<id>\n",
            "4:memory:/kubepods/<pod>/<id>",
            "0::/../../<pod>/<id>\n",
            "0::/../../../besteffort/<pod>/<id>\n",
            "0::/../../../<pod>/<id>\n",
            "10:cpu:/\n4:memory:/\n0::/../../<pod>/<id>\n",
            // systemd driver: containerd, CRI-O, and seen from a namespace.
            "0::/kubepods.slice/kubepods-burstable.slice/kubepods-burstable-pod1234_ab.slice/cri-containerd-<id>.scope\n",
            "0::/../cri-containerd-<id>.scope\n",
            "0::/kubepods.slice/kubepods-pod1234_ab.slice/crio-<id>.scope\n",
            "0::/kubepods.slice/kubepods-pod1234_ab.slice/crio-<id>.scope/container\n",
            "0::/kubepods/besteffort/<pod>/crio-<id>\n",
            // containerd with the wrong driver configured.
            "0::/system.slice/containerd.service/kubepods-burstable-pod1234_ab.slice:cri-containerd:<id>\n",
            // Docker and podman.
            "0::/system.slice/docker-<id>.scope\n",
            "12:pids:/docker/<id>\n1:name=systemd:/docker/<id>\n0::/system.slice/containerd.service\n",
            "0::/user.slice/user-1000.slice/user@1000.service/app.slice/docker-<id>.scope\n",
            "0::/machine.slice/libpod-<id>.scope\n",
            "0::/machine.slice/libpod-<id>.scope/container\n",
            "0::/user.slice/user-1000.slice/user@1000.service/user.slice/libpod-<id>.scope/container\n",
            "0::/libpod_parent/libpod-<id>\n",
            "0::/system.slice/web.service/libpod-payload-<id>\n",
            // Nested: kind, Docker in Docker; systemd in a container; a cgroup below the container's.
            "0::/docker/<outer>/kubelet.slice/kubelet-kubepods.slice/x.slice/cri-containerd-<id>.scope\n",
            "0::/docker/<outer>/docker/<id>\n",
            "0::/docker/<outer>\n4:memory:/docker/<outer>/docker/<id>\n",
            "0::/docker/<id>/system.slice/nginx.service\n",
            "0::/docker/<id>/init.scope\n",
            "0::/kubepods/<pod>/<id> (deleted)\n",
        ] {
            check(cgroup, &container);
        }
    }

    #[test]
    fn uids_of_pods() {
        let uid = "1234abcd-12ab-34cd-56ef-1234567890ab";
        for (cgroup, expected) in [
            ("4:memory:/kubepods/burstable/<pod>/<id>", Some(uid)),
            ("0::/../../<pod>/<id>\n", Some(uid)),
            ("10:cpu:/\n0::/../../../besteffort/<pod>/<id>\n", Some(uid)),
            ("0::/../../kubepods-pod1234abcd_12ab_34cd_56ef_1234567890ab.slice/crio-<id>.scope", Some(uid)),
            ("0::/kubepods.slice/kubepods-burstable-pod1234abcd_12ab_34cd_56ef_1234567890ab.slice:cri-containerd:<id>", Some(uid)),
            // A static pod has a hash in its place.
            ("0::/kubepods/burstable/pod0123456789abcdef0123456789abcdef/<id>", Some("0123456789abcdef0123456789abcdef")),
            ("0::/../cri-containerd-<id>.scope", None),
            ("0::/system.slice/podman.service", None),
            ("0::/pod/x", None),
            ("0::/user.slice/user-pod.slice", None),
            ("", None),
        ] {
            let cgroup = cgroup.replace("<id>", ID).replace("<pod>", POD);
            assert_eq!(pod_uid(&cgroup).as_deref(), expected, "{cgroup}");
        }
    }

    #[test]
    fn units() {
        for (cgroup, unit) in [
            ("0::/system.slice/prometheus.service\n", "prometheus.service"),
            ("0::/../../../../system.slice/kubelet.service\n", "kubelet.service"),
            ("0::/system.slice/system-getty.slice/getty@tty1.service\n", "getty@tty1.service"),
            ("0::/system.slice/containerd.service/supervise\n", "containerd.service"),
            ("0::/user.slice/user-1000.slice/user@1000.service/app.slice/sync.service\n", "sync.service"),
            ("0::/user.slice/user-1000.slice/user@1000.service/app.slice/run-1.scope\n", "user@1000.service"),
            ("4:memory:/system.slice/a.service\n1:name=systemd:/system.slice/b.service\n0::/\n", "b.service"),
            ("4:memory:/system.slice/a.service\n1:name=systemd:/x/b.service\n0::/system.slice/c.service\n", "c.service"),
            ("0::/machine.slice/x.service/libpod-conmon-<id>.scope\n", "x.service"),
        ] {
            check(cgroup, &Owner::Unit(unit.to_owned()));
        }
    }

    #[test]
    fn nobody() {
        for cgroup in [
            "",
            "\n\n",
            "0::/\n",
            "0::/../../../..\n",
            "0::/user.slice/user-0.slice/session-1.scope\n",
            "9:name=systemd:/\n4:memory:/process_api/2a3cc724d76da8c4efdf94b840092e02\n0::/\n",
            "0::/crio-conmon-<id>.scope\n",
            "0::/lxc/web\n",
            "0::/machine.slice/machine-libpod_pod_<id>.slice\n",
            "0::/docker/<id>0\n",
            "0::/docker/3F4E0c1b5a69788796a5b4c3d2e1f00f1e2d3c4b5a69788796a5b4c3d2e1f00f\n",
            "0::/.service\n",
            "no colons at all <id>",
            "0:/docker/<id>",
        ] {
            check(cgroup, &Owner::Nobody);
        }
    }
}

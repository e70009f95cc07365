//! Data rows: a healthy host with one thing changed, and what comes of it.

use super::{super::host::Reach, *};

const ALL: u64 = 0x1ff_ffff_ffff;

fn host() -> Host {
    Host {
        kernel: "6.12.43+deb13-cloud-amd64".to_owned(),
        btf: true,
        capabilities: Some(1 << BPF | 1 << PERFMON | 1 << SYS_PTRACE),
        perf_event_paranoid: Some(3),
        unprivileged_bpf_disabled: Some(2),
        seccomp: Some(false),
        lockdown: None,
        memlock: Memlock::Bytes(65536),
        container: false,
        processes: Reach { readable: 100, denied: vec![] },
    }
}

fn features() -> Features {
    let works = || Ok(());
    Features {
        ring_buffer: works(),
        uprobe_multi: works(),
        perf_uprobe: works(),
        raw_tracepoint: works(),
        attach_cookie: works(),
        pids_of_host: Some(true),
        read_memory: works(),
    }
}

/// The checks that are not ok: name, state, whether something is lost.
fn check(change: impl Fn(&mut Host, &mut Features), expected: &[(&str, State, bool)]) {
    let (mut host, mut features) = (host(), features());
    change(&mut host, &mut features);
    let checks = checks(&host, &features);
    let bad: Vec<_> = checks.iter().filter(|check| check.state != State::Ok).collect();
    let found: Vec<_> = bad.iter().map(|check| (check.name, check.state, check.lost.is_some())).collect();
    assert_eq!(found, expected);
    assert!(bad.iter().all(|check| check.remedy.is_some() && !check.found.is_empty()), "{bad:#?}");
    assert!(checks.iter().all(|check| check.state != State::Ok || check.lost.is_none()), "{checks:#?}");
}

#[test]
fn healthy_hosts() {
    check(|_, _| {}, &[]);
    check(|host, _| host.capabilities = Some(ALL), &[]);
    check(|host, _| host.capabilities = Some(1 << SYS_ADMIN | 1 << SYS_PTRACE), &[]);
    check(|host, _| host.capabilities = None, &[]);
    check(|host, _| (host.container, host.seccomp, host.btf) = (true, Some(true), false), &[]);
    check(|_, features| features.perf_uprobe = Err("EACCES".to_owned()), &[]);
    check(|host, _| host.lockdown = Some("integrity".to_owned()), &[]);
    check(|host, _| (host.kernel, host.capabilities) = ("5.10.0-32".to_owned(), Some(ALL)), &[]);
    check(|host, _| (host.kernel, host.memlock) = ("5.10.0-32".to_owned(), Memlock::Unlimited), &[]);
}

#[test]
fn what_is_missing() {
    use State::{Degraded, Missing};
    check(
        |host, _| host.capabilities = Some(0),
        &[("CAP_BPF", Missing, true), ("CAP_PERFMON", Missing, true), ("CAP_SYS_PTRACE", Missing, true)],
    );
    check(|host, _| host.capabilities = Some(1 << SYS_ADMIN), &[("CAP_SYS_PTRACE", Missing, true)]);
    check(|_, features| features.pids_of_host = Some(false), &[("pid namespace", Missing, true)]);
    check(|_, features| features.pids_of_host = None, &[("pid namespace", Degraded, false)]);
    check(|host, _| host.processes.denied = vec![1], &[("other processes", Degraded, true)]);
    check(|host, _| host.processes = Reach { readable: 1, denied: vec![1, 2] }, &[("other processes", Missing, true)]);
    check(|host, _| host.kernel = "5.10.0-32".to_owned(), &[("locked memory", Missing, true)]);
    check(|host, _| (host.kernel, host.memlock) = ("4.18.0-553.el8".to_owned(), Memlock::Unlimited), &[("kernel", Degraded, false)]);
    check(|host, _| host.lockdown = Some("confidentiality".to_owned()), &[("kernel lockdown", Degraded, false)]);
    let no = || Err("refused: EPERM".to_owned());
    check(|_, features| features.ring_buffer = no(), &[("BPF ring buffer", Missing, true)]);
    check(|_, features| features.uprobe_multi = no(), &[("uprobe_multi links", Degraded, false)]);
    check(
        |_, features| (features.uprobe_multi, features.perf_uprobe) = (no(), no()),
        &[("CAP_SYS_ADMIN", Degraded, false), ("uprobe_multi links", Missing, true), ("perf uprobes", Missing, true)],
    );
    check(|_, features| features.raw_tracepoint = no(), &[("raw tracepoints", Missing, true)]);
    check(|_, features| features.attach_cookie = no(), &[("attach cookies", Degraded, false)]);
    check(|_, features| features.read_memory = no(), &[("memory of processes", Missing, true)]);
}

#[test]
fn releases() {
    for (release, expected) in [
        ("6.18.44-fc-v669", Some((6, 18))),
        ("5.10.0-32-cloud-amd64", Some((5, 10))),
        ("7.2", Some((7, 2))),
        ("", None),
        ("six.one", None),
        ("99999999999.1", None),
    ] {
        assert_eq!(version(release), expected, "{release}");
    }
}

//! `up`: the daemons in their order, each when what it needs is there. In: which cgroups the node sees. Out: a node that is Ready.

use std::fs;
use std::time::Instant;

use anyhow::{Result, bail};

use super::lab::{self, Life, NODE, NODE_IP, SERVICES, etc, logs, pids, pki};
use super::wait::until;
use super::{Cgroup, certificates, daemon, down, images, kubectl, machine, settings};
use crate::step::{note, seconds};

/// Starts the cluster; does nothing if it is up.
///
/// # Errors
/// This machine does not allow it, or a daemon does not get ready; what was started is still there then.
pub(super) fn run(cgroup: Cgroup) -> Result<()> {
    if Life::kept("anchor").is_some() && Life::kept("kubelet").is_some() {
        note("the cluster is up already");
        return Ok(());
    }
    if pids().exists() {
        down::run()?;
    }
    if let Some(other) = machine::cgroups().first() {
        bail!("another kubelet has been here: {} exists", other.display());
    }
    let since = Instant::now();
    let step = |what: &str| note(&format!("{what} after {}", seconds(since.elapsed())));
    for dir in [pki(), etc(), pids(), logs(), lab::data()] {
        fs::create_dir_all(dir)?;
    }
    machine::save_sysctls()?;
    certificates::make()?;
    let hides_v1 = cgroup == Cgroup::V2 && machine::v2_is_bare();
    settings::write(hides_v1)?;
    machine::enter(hides_v1)?;
    control_plane()?;
    step("the API server is ready");
    images::import_small()?;
    step("images are imported");
    daemon::start("kubelet", "kubelet", &kubelet())?;
    daemon::start("proxy", "kube-proxy", &[format!("--config={}/proxy.yaml", etc().display())])?;
    daemon::start("dns", "coredns", &["-conf".to_owned(), format!("{}/Corefile", etc().display())])?;
    until("the node to be there", 90, || kubectl::run(&["get", "node", NODE]).map(Some))?;
    kubectl::run(&["wait", "--for=condition=Ready", &format!("node/{NODE}"), "--timeout=90s"])?;
    until("the default service account", 30, || kubectl::run(&["get", "serviceaccount", "default"]).map(Some))?;
    step("the node is Ready");
    Ok(())
}

fn control_plane() -> Result<()> {
    let etcd_data = lab::data().join("etcd").display().to_string();
    let client = "http://127.0.0.1:2379";
    daemon::start(
        "etcd",
        "etcd",
        &words(&[
            "--data-dir",
            &etcd_data,
            "--unsafe-no-fsync",
            "--log-level",
            "warn",
            "--listen-client-urls",
            client,
            "--advertise-client-urls",
            client,
            "--listen-peer-urls",
            "http://127.0.0.1:2380",
        ]),
    )?;
    daemon::start("containerd", "containerd", &words(&["--config", &etc().join("containerd.toml").display().to_string()]))?;
    start_apiserver()?;
    until("the API server", 90, || kubectl::run(&["get", "--raw", "/readyz"]).map(Some))?;
    let (pki, etc) = (pki().display().to_string(), etc().display().to_string());
    daemon::start(
        "controller-manager",
        "kube-controller-manager",
        &[
            format!("--kubeconfig={etc}/controller-manager.conf"),
            "--leader-elect=false".to_owned(),
            "--use-service-account-credentials".to_owned(),
            format!("--service-account-private-key-file={pki}/sa.key"),
            format!("--root-ca-file={pki}/ca.crt"),
        ],
    )?;
    let scheduler = [format!("--kubeconfig={etc}/scheduler.conf"), "--leader-elect=false".to_owned()];
    daemon::start("scheduler", "kube-scheduler", &scheduler)
}

/// Starts the API server: also again, after a test has stopped it.
///
/// # Errors
/// It cannot be started.
pub(super) fn start_apiserver() -> Result<()> {
    let pki = pki().display().to_string();
    daemon::start(
        "apiserver",
        "kube-apiserver",
        &[
            "--etcd-servers=http://127.0.0.1:2379".to_owned(),
            format!("--advertise-address={NODE_IP}"),
            format!("--service-cluster-ip-range={SERVICES}"),
            "--allow-privileged=true".to_owned(),
            "--authorization-mode=Node,RBAC".to_owned(),
            "--enable-admission-plugins=NodeRestriction".to_owned(),
            format!("--client-ca-file={pki}/ca.crt"),
            format!("--tls-cert-file={pki}/apiserver.crt"),
            format!("--tls-private-key-file={pki}/apiserver.key"),
            format!("--kubelet-client-certificate={pki}/apiserver-kubelet.crt"),
            format!("--kubelet-client-key={pki}/apiserver-kubelet.key"),
            format!("--kubelet-certificate-authority={pki}/ca.crt"),
            "--kubelet-preferred-address-types=InternalIP".to_owned(),
            "--service-account-issuer=https://kubernetes.default.svc".to_owned(),
            format!("--service-account-key-file={pki}/sa.key"),
            format!("--service-account-signing-key-file={pki}/sa.key"),
        ],
    )
}

fn kubelet() -> [String; 4] {
    let etc = etc().display().to_string();
    [
        format!("--config={etc}/kubelet.yaml"),
        format!("--kubeconfig={etc}/node.conf"),
        format!("--hostname-override={NODE}"),
        format!("--node-ip={NODE_IP}"),
    ]
}

fn words(words: &[&str]) -> Vec<String> {
    words.iter().map(|&word| word.to_owned()).collect()
}

//! How the daemons are configured. In: whether the node sees cgroup v2. Out: files in etc/.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use anyhow::{Context as _, Result};

use super::lab::{NODE, NODE_IP, PODS, etc, pki};
use super::programs::{HOST_LOCAL, PTP};
use crate::paths::on_path;

/// Name of the first container of each pod, which holds its namespaces.
pub(super) const PAUSE: &str = "lab.local/pause:1";

/// runc for cgroup v2 on a machine whose controllers all belong to v1: drops the limits, as runc fails on the first file (cpu.weight)
/// that its cgroup lacks. Paths and namespaces stay as on a real v2 node.
const WITHOUT_LIMITS: &str = r#"#!/bin/bash
bundle= previous=
for argument; do
	[ "$previous" = --bundle ] && bundle=$argument
	previous=$argument
done
if [ -n "$bundle" ]; then
	jq '.linux.resources = {devices: .linux.resources.devices}' "$bundle/config.json" >"$bundle/config.json.new" &&
		mv "$bundle/config.json.new" "$bundle/config.json"
fi
exec runc "$@"
"#;

/// Writes all of them.
///
/// # Errors
/// A file cannot be written, or runc is missing.
pub(super) fn write(without_limits: bool) -> Result<()> {
    let etc = etc();
    fs::create_dir_all(etc.join("cni"))?;
    let mut runc = on_path("runc").context("no runc\n  remedy: cargo xtask setup --for cluster")?;
    if without_limits {
        runc = etc.join("runc-without-limits");
        fs::write(&runc, WITHOUT_LIMITS)?;
        fs::set_permissions(&runc, fs::Permissions::from_mode(0o755))?;
    }
    fs::write(etc.join("containerd.toml"), containerd(&runc)?)?;
    fs::write(etc.join("cni/10-lab.conflist"), network())?;
    fs::write(etc.join("resolv.conf"), format!("nameserver {NODE_IP}\n"))?;
    fs::write(etc.join("kubelet.yaml"), kubelet())?;
    fs::write(etc.join("proxy.yaml"), proxy())?;
    fs::write(etc.join("Corefile"), dns())?;
    Ok(())
}

fn containerd(runc: &Path) -> Result<String> {
    let folder = |program: &crate::gomodule::Program| program.path().parent().map(|dir| dir.display().to_string());
    let (ptp, local) = (folder(&PTP).context("a program has a folder")?, folder(&HOST_LOCAL).context("a program has a folder")?);
    // restrict_oom_score_adj: root may lack CAP_SYS_RESOURCE here. use_internal_loopback: no plugin for that is needed.
    Ok(format!(
        "version = 3
[metrics]
  address = '127.0.0.1:1338'
[plugins.'io.containerd.cri.v1.images'.pinned_images]
  sandbox = '{PAUSE}'
[plugins.'io.containerd.cri.v1.runtime']
  restrict_oom_score_adj = true
  [plugins.'io.containerd.cri.v1.runtime'.cni]
    bin_dirs = ['{ptp}', '{local}']
    conf_dir = '{etc}/cni'
    use_internal_loopback = true
  [plugins.'io.containerd.cri.v1.runtime'.containerd.runtimes.runc]
    runtime_type = 'io.containerd.runc.v2'
    [plugins.'io.containerd.cri.v1.runtime'.containerd.runtimes.runc.options]
      SystemdCgroup = false
      BinaryName = '{runc}'
",
        etc = etc().display(),
        runc = runc.display(),
    ))
}

/// ptp, not bridge: the node routes between pods, so Services work without br_netfilter, and no bridge is left behind.
fn network() -> String {
    format!(
        r#"{{"cniVersion": "1.0.0", "name": "lab", "plugins": [{{"type": "ptp", "ipMasq": false,
 "ipam": {{"type": "host-local", "ranges": [[{{"subnet": "{PODS}"}}]], "routes": [{{"dst": "0.0.0.0/0"}}]}}}}]}}
"#
    )
}

/// failCgroupV1: since 1.35 the kubelet would end on a v1 machine. oomScoreAdj: its default needs CAP_SYS_RESOURCE.
fn kubelet() -> String {
    let (etc, pki) = (etc().display().to_string(), pki().display().to_string());
    format!(
        "apiVersion: kubelet.config.k8s.io/v1beta1
kind: KubeletConfiguration
failCgroupV1: false
cgroupDriver: cgroupfs
failSwapOn: false
oomScoreAdj: 0
containerRuntimeEndpoint: unix:///run/containerd/containerd.sock
authentication: {{anonymous: {{enabled: false}}, webhook: {{enabled: true}}, x509: {{clientCAFile: {pki}/ca.crt}}}}
authorization: {{mode: Webhook}}
tlsCertFile: {pki}/node.crt
tlsPrivateKeyFile: {pki}/node.key
clusterDomain: cluster.local
clusterDNS: [{NODE_IP}]
resolvConf: {etc}/resolv.conf
makeIPTablesUtilChains: false
nodeStatusUpdateFrequency: 2s
evictionHard: {{memory.available: 100Mi, nodefs.available: 300Mi, imagefs.available: 300Mi}}
imageGCHighThresholdPercent: 100
"
    )
}

/// The zeros leave this machine's conntrack settings alone.
fn proxy() -> String {
    format!(
        "apiVersion: kubeproxy.config.k8s.io/v1alpha1
kind: KubeProxyConfiguration
mode: nftables
hostnameOverride: {NODE}
clusterCIDR: {PODS}
clientConnection: {{kubeconfig: {}/proxy.conf}}
conntrack: {{maxPerCore: 0, tcpEstablishedTimeout: 0s, tcpCloseWaitTimeout: 0s}}
",
        etc().display()
    )
}

fn dns() -> String {
    let kubeconfig = super::lab::kubeconfig();
    format!(
        ".:53 {{\n    bind {NODE_IP}\n    prometheus {NODE_IP}:9153\n    errors\n    kubernetes cluster.local {{\n        kubeconfig {} lab\n    }}\n}}\n",
        kubeconfig.display()
    )
}

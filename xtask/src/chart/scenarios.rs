//! One scenario for each ci/NAME-values.yaml: what Helm makes of it, and what ci/golden/NAME.yaml expects.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, Result, bail};
use serde_json::Value;

use super::tools::HELM;
use super::{chart, same, schemas};
use crate::step::output;

/// Values that somebody may have.
pub(super) struct Scenario {
    pub(super) name: String,
    values: PathBuf,
    /// What Helm makes of it for the newest Kubernetes.
    rendered: String,
}

/// Fewer scenarios than that do not cover the chart.
const LEAST: usize = 8;

/// All of ci/, by name.
///
/// # Errors
/// There are too few; the schema refuses their values, or a template fails.
pub(super) fn all() -> Result<Vec<Scenario>> {
    let dir = chart().join("ci");
    let mut scenarios = vec![];
    for file in fs::read_dir(&dir).with_context(|| format!("cannot read {}", dir.display()))?.flatten() {
        let name = file.file_name().to_str().and_then(|name| Some(name.strip_suffix("-values.yaml")?.to_owned()));
        if let Some(name) = name {
            scenarios.push(Scenario { name, rendered: template(&file.path(), newest())?, values: file.path() });
        }
    }
    scenarios.sort_by(|a, b| a.name.cmp(&b.name));
    if scenarios.len() < LEAST {
        bail!("{} holds {} scenarios", dir.display(), scenarios.len());
    }
    Ok(scenarios)
}

impl Scenario {
    /// Its objects, for the newest Kubernetes.
    ///
    /// # Errors
    /// What comes out is no YAML.
    pub(super) fn objects(&self) -> Result<Vec<Value>> {
        documents(&self.rendered).map(|text| serde_saphyr::from_str(text).context("a manifest is no YAML")).collect()
    }

    /// What `helm template` gives for a Kubernetes.
    ///
    /// # Errors
    /// A template fails.
    pub(super) fn render(&self, kubernetes: &str) -> Result<String> {
        template(&self.values, kubernetes)
    }

    pub(super) fn lint(&self) -> Result<()> {
        output(Command::new(HELM.path()).args(["lint", "--strict"]).arg(chart()).arg("--values").arg(&self.values)).map(drop)
    }

    fn golden_file(&self) -> PathBuf {
        chart().join("ci/golden").join(format!("{}.yaml", self.name))
    }

    /// Dashboards are left out: they are copies, and compared as such.
    fn expected(&self) -> String {
        let brief =
            |text: &str| if text.contains("\n  goroscope-") && text.contains(".json: |\n") { without_data(text) } else { text.to_owned() };
        documents(&self.rendered).map(|text| format!("---\n{}\n", brief(text).trim_end())).collect()
    }

    pub(super) fn golden(&self) -> Result<()> {
        same(&self.golden_file(), &self.expected())
    }

    pub(super) fn write(&self) -> Result<()> {
        let file = self.golden_file();
        fs::write(&file, self.expected()).with_context(|| format!("cannot write {}", file.display()))
    }
}

fn template(values: &Path, kubernetes: &str) -> Result<String> {
    let mut helm = Command::new(HELM.path());
    helm.args(["template", "goroscope"]).arg(chart()).args(["--namespace=goroscope", "--kube-version", kubernetes, "--values"]);
    output(helm.arg(values))
}

fn newest() -> &'static str {
    let [_, newest] = schemas::KUBERNETES;
    newest
}

fn documents(text: &str) -> impl Iterator<Item = &str> {
    text.split("---\n").filter(|text| !text.trim().is_empty())
}

fn without_data(text: &str) -> String {
    let (head, data) = text.split_once("\ndata:\n").unwrap_or((text, ""));
    let name = data.lines().next().unwrap_or_default();
    format!("{head}\ndata:\n{name}\n    (the dashboard)")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn documents_and_their_data() {
        let text = "---\na: b\n---\n# Source: x\nkind: ConfigMap\ndata:\n  goroscope-a.json: |\n    {\n    }\n";
        let all: Vec<&str> = documents(text).collect();
        assert_eq!(all.len(), 2);
        assert_eq!(without_data(all[1]), "# Source: x\nkind: ConfigMap\ndata:\n  goroscope-a.json: |\n    (the dashboard)");
    }
}

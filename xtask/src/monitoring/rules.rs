//! Rule files and their unit tests: what promtool says of them, and what only we ask of an alert.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, Result, bail};
use serde::Deserialize;

use super::names::Names;
use crate::paths::root;
use crate::step::output;
use crate::table::Problems;

/// Where rules are, from the root.
pub(crate) const RULES: &str = "deploy/prometheus/rules";
const RUNBOOK: &str = "deploy/runbooks/alerts.md";
const RUNBOOK_URL: &str = "https://github.com/goroscope/goroscope/blob/main/deploy/runbooks/alerts.md#";
const SEVERITIES: [&str; 3] = ["critical", "warning", "info"];

#[derive(Deserialize)]
struct RuleFile {
    groups: Vec<Group>,
}

#[derive(Deserialize)]
struct Group {
    rules: Vec<Rule>,
}

/// A rule, recording or alert.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Rule {
    pub(super) record: Option<String>,
    pub(super) alert: Option<String>,
    pub(super) expr: String,
    #[serde(rename = "for")]
    pending: Option<String>,
    #[serde(rename = "keep_firing_for")]
    _kept: Option<String>,
    #[serde(default)]
    labels: BTreeMap<String, String>,
    #[serde(default)]
    annotations: BTreeMap<String, String>,
}

#[derive(Deserialize)]
struct TestFile {
    tests: Vec<Test>,
}

#[derive(Deserialize)]
struct Test {
    #[serde(default)]
    alert_rule_test: Vec<AlertTest>,
}

#[derive(Deserialize)]
struct AlertTest {
    alertname: String,
    #[serde(default)]
    exp_alerts: Vec<Expected>,
}

#[derive(Deserialize)]
struct Expected {
    exp_labels: BTreeMap<String, String>,
}

/// All rules and what their tests say of them.
pub(super) struct Rules {
    /// Rule files; their tests are beside them.
    pub(super) files: Vec<PathBuf>,
    /// Test files.
    pub(super) tests: Vec<PathBuf>,
    /// In the order of the files.
    pub(super) rules: Vec<Rule>,
    /// (alert, severity) that some test expects to fire.
    fires: BTreeSet<(String, String)>,
    /// Alerts that some test expects not to fire.
    quiet: BTreeSet<String>,
}

impl Rules {
    /// Reads every file of [`RULES`].
    ///
    /// # Errors
    /// One cannot be read or is no rule or test file.
    pub(super) fn read() -> Result<Self> {
        let mut paths: Vec<PathBuf> = fs::read_dir(root().join(RULES))?.flatten().map(|entry| entry.path()).collect();
        paths.sort();
        let (tests, files): (Vec<_>, Vec<_>) = paths.into_iter().partition(|path| path.to_string_lossy().ends_with("_test.yaml"));
        let mut all = Self { files, tests, rules: vec![], fires: BTreeSet::new(), quiet: BTreeSet::new() };
        for path in &all.files {
            all.rules.extend(yaml::<RuleFile>(path)?.groups.into_iter().flat_map(|group| group.rules));
        }
        for path in &all.tests {
            for test in yaml::<TestFile>(path)?.tests.into_iter().flat_map(|test| test.alert_rule_test) {
                if test.exp_alerts.is_empty() {
                    all.quiet.insert(test.alertname.clone());
                }
                let severities = test.exp_alerts.into_iter().filter_map(|alert| alert.exp_labels.get("severity").cloned());
                all.fires.extend(severities.map(|severity| (test.alertname.clone(), severity)));
            }
        }
        if all.rules.is_empty() {
            bail!("{RULES} holds no rule");
        }
        Ok(all)
    }

    /// The names of recorded series.
    pub(super) fn recorded(&self) -> BTreeSet<String> {
        self.rules.iter().filter_map(|rule| rule.record.clone()).collect()
    }

    /// Alerts: name and rule.
    pub(super) fn alerts(&self) -> impl Iterator<Item = (&str, &Rule)> {
        self.rules.iter().filter_map(|rule| Some((rule.alert.as_deref()?, rule)))
    }

    /// What an alert must have beyond what promtool asks: who reads it needs to know what to do.
    pub(super) fn judge(&self, names: &Names, problems: &mut Problems) -> Result<()> {
        let runbook = fs::read_to_string(root().join(RUNBOOK)).with_context(|| format!("cannot read {RUNBOOK}"))?;
        for rule in &self.rules {
            let name = rule.alert.as_ref().or(rule.record.as_ref()).map_or("a rule", String::as_str);
            for series in names.unknown(&rule.expr) {
                problems.push(format!("{name}: nobody exports `{series}`"));
            }
        }
        for (name, rule) in self.alerts() {
            for what in rule.lacks(name) {
                problems.push(format!("{name}: {what}"));
            }
            let severity = rule.labels.get("severity").cloned().unwrap_or_default();
            if !self.fires.contains(&(name.to_owned(), severity.clone())) {
                problems.push(format!("{name} ({severity}): no test in which it fires"));
            }
            if !self.quiet.contains(name) {
                problems.push(format!("{name}: no test in which it stays quiet"));
            }
            for part in missing_sections(&runbook, name) {
                problems.push(format!("{RUNBOOK}: {name} lacks {part}"));
            }
        }
        let alerts: BTreeSet<&str> = self.alerts().map(|(name, _)| name).collect();
        for heading in runbook.lines().filter_map(|line| line.strip_prefix("## Goroscope")) {
            if !alerts.contains(format!("Goroscope{heading}").as_str()) {
                problems.push(format!("{RUNBOOK}: there is no alert Goroscope{heading}"));
            }
        }
        Ok(())
    }
}

impl Rule {
    fn lacks(&self, name: &str) -> Vec<String> {
        let mut lacks = vec![];
        if !name.starts_with("Goroscope") {
            lacks.push("the name of an alert begins with Goroscope".to_owned());
        }
        if self.pending.is_none() {
            lacks.push("no `for`".to_owned());
        }
        if !self.labels.get("severity").is_some_and(|severity| SEVERITIES.contains(&severity.as_str())) {
            lacks.push(format!("severity is one of {}", SEVERITIES.join(", ")));
        }
        for annotation in ["summary", "description"] {
            if self.annotations.get(annotation).is_none_or(|text| text.trim().is_empty()) {
                lacks.push(format!("no {annotation}"));
            }
        }
        let url = format!("{RUNBOOK_URL}{}", name.to_ascii_lowercase());
        if self.annotations.get("runbook_url") != Some(&url) {
            lacks.push(format!("runbook_url is {url}"));
        }
        lacks
    }
}

/// The parts of an alert's runbook section that are not there.
fn missing_sections(runbook: &str, alert: &str) -> Vec<String> {
    let heading = format!("## {alert}\n");
    let Some((_, section)) = runbook.split_once(&heading) else { return vec!["its section".to_owned()] };
    let section = section.split("\n## ").next().unwrap_or_default();
    let parts = ["**Meaning.**", "**Impact.**", "**Diagnosis.**", "**Mitigation.**", "**Known misses.**"];
    parts.iter().filter(|part| !section.contains(*part)).map(|&part| part.to_owned()).collect()
}

/// `promtool check rules --lint=all`, which must have nothing to say.
pub(super) fn lint(promtool: &Path, files: &[PathBuf]) -> Result<()> {
    output(Command::new(promtool).args(["check", "rules", "--lint=all", "--lint-fatal"]).args(files)).map(drop)
}

/// `promtool test rules`.
pub(super) fn test(promtool: &Path, files: &[PathBuf]) -> Result<()> {
    output(Command::new(promtool).args(["test", "rules"]).args(files)).map(drop)
}

/// `promtool check config`, of a Prometheus that reads our rules.
pub(super) fn config(promtool: &Path, file: &Path) -> Result<()> {
    output(Command::new(promtool).args(["check", "config"]).arg(file)).map(drop)
}

/// Reads a YAML file.
pub(crate) fn yaml<T: serde::de::DeserializeOwned>(path: &Path) -> Result<T> {
    let text = fs::read_to_string(path).with_context(|| format!("cannot read {}", path.display()))?;
    serde_saphyr::from_str(&text).with_context(|| format!("{} is not what it should be", path.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_alert_needs_its_words() {
        let text = "{alert: GoroscopeX, expr: up, for: 5m, labels: {severity: warning}, annotations: {summary: s, description: d, runbook_url: \
                    'https://github.com/goroscope/goroscope/blob/main/deploy/runbooks/alerts.md#goroscopex'}}";
        let good: Rule = serde_saphyr::from_str(text).expect("a rule");
        assert!(good.lacks("GoroscopeX").is_empty(), "{:?}", good.lacks("GoroscopeX"));
        assert_eq!(good.lacks("GoroscopeY").len(), 1);
        let bare: Rule = serde_saphyr::from_str("{alert: X, expr: up}").expect("a rule");
        assert_eq!(bare.lacks("X").len(), 6);
    }

    #[test]
    fn a_runbook_section_has_five_parts() {
        let text =
            "# Alerts\n\n## A\n\n**Meaning.** x\n**Impact.** x\n**Diagnosis.** x\n**Mitigation.** x\n\n## B\n\n**Known misses.** x\n";
        assert_eq!(missing_sections(text, "A"), ["**Known misses.**"]);
        assert_eq!(missing_sections(text, "C"), ["its section"]);
    }
}

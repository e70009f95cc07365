//! The chart's files/ hold copies of what deploy/ has: Helm packs nothing that is outside the chart. And what the chart says of rules
//! holds of them.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};

use super::{chart, same};
use crate::monitoring::{DASHBOARDS, RULES, yaml};
use crate::paths::root;
use crate::table::{Problems, verdict};

/// Beside the rules: by alert, the number of its expression that may be set.
const THRESHOLDS: &str = "files/thresholds.yaml";

/// What must be a copy of what: the original and the chart's.
fn pairs() -> Result<Vec<(PathBuf, PathBuf)>> {
    let mut pairs = vec![];
    for (from, to, ending) in [(RULES, "files/rules", ".yaml"), (DASHBOARDS, "files/dashboards", ".json")] {
        for file in fs::read_dir(root().join(from)).with_context(|| format!("cannot read {from}"))?.flatten() {
            let name = file.file_name().to_string_lossy().into_owned();
            if name.ends_with(ending) && !name.ends_with("_test.yaml") {
                pairs.push((file.path(), chart().join(to).join(name)));
            }
        }
    }
    Ok(pairs)
}

/// Copies anew, and removes what has no original any more.
///
/// # Errors
/// A file cannot be written.
pub(super) fn write() -> Result<()> {
    for strange in strangers()? {
        fs::remove_file(strange)?;
    }
    for (original, copy) in pairs()? {
        fs::copy(&original, &copy).with_context(|| format!("cannot write {}", copy.display()))?;
    }
    Ok(())
}

/// # Errors
/// What is no copy, and which threshold is not in its rule.
pub(super) fn check() -> Result<()> {
    let mut problems: Problems = strangers()?.iter().map(|file| format!("{} has no original in deploy/", file.display())).collect();
    for (original, copy) in pairs()? {
        problems.extend(same(&copy, &fs::read_to_string(original)?).err().map(|error| error.to_string()));
    }
    let expressions = expressions()?;
    let thresholds: BTreeMap<String, String> = yaml(&chart().join(THRESHOLDS))?;
    for (alert, number) in &thresholds {
        let found = expressions.get(alert).is_some_and(|expression| compares(expression, number));
        if !found {
            problems.push(format!("{THRESHOLDS}: {alert} does not compare with {number}"));
        }
    }
    verdict(problems)
}

/// Whether a line of `expression` ends in `> number`: that is what the template replaces.
fn compares(expression: &str, number: &str) -> bool {
    expression.lines().any(|line| line.trim_end().ends_with(&format!("> {number}")))
}

fn strangers() -> Result<Vec<PathBuf>> {
    let copies: Vec<PathBuf> = pairs()?.into_iter().map(|(_, copy)| copy).collect();
    let mut strangers = vec![];
    for dir in ["files/rules", "files/dashboards"] {
        let files = fs::read_dir(chart().join(dir)).with_context(|| format!("cannot read {dir}"))?;
        strangers.extend(files.flatten().map(|file| file.path()).filter(|file| !copies.contains(file)));
    }
    Ok(strangers)
}

/// The rule files of deploy/.
pub(super) fn rule_files() -> Result<Vec<PathBuf>> {
    let originals = pairs()?.into_iter().map(|(original, _)| original);
    Ok(originals.filter(|original| original.extension().is_some_and(|ending| ending == "yaml")).collect())
}

/// By the key that `prometheusRule.rules` has for it: the expression of each alert. The critical one of two has `Critical` behind its name.
///
/// # Errors
/// A rule file cannot be read.
pub(super) fn expressions() -> Result<BTreeMap<String, String>> {
    let mut expressions = BTreeMap::new();
    for original in rule_files()? {
        for (name, severity, expression) in alerts(&original)? {
            let key = if expressions.contains_key(&name) && severity == "critical" { format!("{name}Critical") } else { name };
            expressions.insert(key, expression);
        }
    }
    Ok(expressions)
}

/// Name, severity and expression.
fn alerts(file: &Path) -> Result<Vec<(String, String, String)>> {
    let rules: serde_json::Value = yaml(file)?;
    let groups = rules.get("groups").and_then(|groups| groups.as_array()).cloned().unwrap_or_default();
    let rules = groups.iter().filter_map(|group| group.get("rules")?.as_array()).flatten();
    let text = |rule: &serde_json::Value, pointer: &str| rule.pointer(pointer).and_then(|value| value.as_str()).map(str::to_owned);
    let alert = |rule| Some((text(rule, "/alert")?, text(rule, "/labels/severity").unwrap_or_default(), text(rule, "/expr")?));
    Ok(rules.filter_map(alert).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_threshold_is_a_whole_number_at_the_end_of_a_line() {
        assert!(compares("a > 1.15 * b\nand\na - b > 200\n", "200"));
        assert!(!compares("a > 2000", "200") && !compares("a > 200 * b", "200"));
    }
}

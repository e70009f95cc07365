//! Which series there are: what agent/src/metrics declares, what rules record, and what others export.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;

use anyhow::{Context as _, Result, bail};

use super::expression;
use crate::paths::root;

/// Series that come from elsewhere: Prometheus itself, and kube-state-metrics.
const OF_OTHERS: [&str; 3] = ["up", "ALERTS", "kube_pod_container_resource_limits"];

/// Known series.
pub(super) struct Names {
    /// Of the agent, by the name of their samples.
    agent: BTreeSet<String>,
    /// Recorded by our rules.
    recorded: BTreeSet<String>,
}

impl Names {
    /// Reads the agent's source.
    ///
    /// # Errors
    /// It cannot be read, or declares nothing.
    pub(super) fn read(recorded: BTreeSet<String>) -> Result<Self> {
        let dir = root().join("agent/src/metrics");
        let mut agent = BTreeSet::new();
        for file in fs::read_dir(&dir).with_context(|| format!("cannot read {}", dir.display()))? {
            let path = file?.path();
            if path.extension().is_some_and(|extension| extension == "rs") {
                agent.extend(declared(&fs::read_to_string(&path)?));
            }
        }
        if agent.is_empty() {
            bail!("no `Descriptor::gauge(\"...\"` was found in {}", dir.display());
        }
        Ok(Self { agent, recorded })
    }

    /// How many families' series the agent declares.
    pub(super) fn declared(&self) -> usize {
        self.agent.len()
    }

    /// Those series of `expression` that nobody exports.
    pub(super) fn unknown(&self, expression: &str) -> Vec<String> {
        let known = |name: &str| self.agent.contains(name) || self.recorded.contains(name) || OF_OTHERS.contains(&name);
        expression::series(expression).into_iter().filter(|name| !known(name)).collect()
    }
}

/// The series of the descriptors in a source file: the string behind `Descriptor::KIND(`.
fn declared(source: &str) -> BTreeSet<String> {
    let endings =
        BTreeMap::from([("counter", &[""][..]), ("gauge", &[""]), ("info", &[""]), ("histogram", &["_bucket", "_sum", "_count"])]);
    let mut found = BTreeSet::new();
    for part in source.split("Descriptor::").skip(1) {
        let Some((kind, rest)) = part.split_once('(') else { continue };
        let Some(endings) = endings.get(kind) else { continue };
        let Some(name) = rest.trim_start().strip_prefix('"').and_then(|rest| rest.split('"').next()) else { continue };
        found.extend(endings.iter().map(|ending| format!("{name}{ending}")));
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn descriptors_are_found() {
        let source = "static A: Descriptor =\n    Descriptor::gauge(\"a_b\", \"help\");\nstatic B: Descriptor = Descriptor::histogram(\n    \
                      \"c_seconds\",\n \"x\");\nfn f() -> Descriptor::Other(\"d\")";
        let expected = ["a_b", "c_seconds_bucket", "c_seconds_count", "c_seconds_sum"];
        assert_eq!(declared(source), expected.iter().map(|&name| name.to_owned()).collect());
    }

    #[test]
    fn what_nobody_exports_is_told() {
        let names = Names { agent: ["a".to_owned()].into(), recorded: ["x:a:sum".to_owned()].into() };
        assert_eq!(names.unknown("a + x:a:sum + up + nobody{a=\"b\"}"), ["nobody"]);
    }
}

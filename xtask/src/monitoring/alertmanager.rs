//! The Alertmanager example: amtool reads it, and each row of routes.yaml goes where it should.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Result, bail};
use serde::Deserialize;

use super::rules::yaml;
use crate::paths::root;
use crate::step::output;

/// From the root.
const DIR: &str = "deploy/alertmanager";

/// Labels of an alert, and the receivers that must get it.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Route {
    labels: BTreeMap<String, String>,
    receivers: Vec<String>,
}

fn config() -> PathBuf {
    root().join(DIR).join("alertmanager.yml")
}

/// `amtool check-config`, and every route.
///
/// # Errors
/// Either finds a fault.
pub(super) fn check(amtool: &Path) -> Result<usize> {
    output(Command::new(amtool).arg("check-config").arg(config()))?;
    let routes: Vec<Route> = yaml(&root().join(DIR).join("routes.yaml"))?;
    for Route { labels, receivers } in &routes {
        let mut test = Command::new(amtool);
        test.args(["config", "routes", "test"]).arg(format!("--config.file={}", config().display()));
        test.arg(format!("--verify.receivers={}", receivers.join(",")));
        test.args(labels.iter().map(|(name, value)| format!("{name}={value}")));
        output(&mut test)?;
    }
    if routes.is_empty() {
        bail!("{DIR}/routes.yaml holds no route");
    }
    Ok(routes.len())
}

#[derive(Deserialize)]
struct Config {
    inhibit_rules: Vec<Inhibition>,
}

#[derive(Deserialize)]
struct Inhibition {
    source_matchers: Vec<String>,
    target_matchers: Vec<String>,
}

/// The names in the inhibitions that are no alert's: amtool cannot know.
///
/// # Errors
/// The example cannot be read.
pub(super) fn strangers(alerts: &BTreeSet<&str>) -> Result<Vec<String>> {
    let Config { inhibit_rules } = yaml(&config())?;
    let matchers = inhibit_rules.iter().flat_map(|rule| rule.source_matchers.iter().chain(&rule.target_matchers));
    let names =
        matchers.filter_map(|matcher| matcher.strip_prefix("alertname")).flat_map(|matcher| named(matcher.trim_start_matches(['=', '~'])));
    let stands_for = |name: &str, alert: &str| name.strip_suffix(".+").map_or(alert == name, |start| alert.starts_with(start));
    Ok(names.filter(|name| !alerts.iter().any(|alert| stands_for(name, alert))).collect())
}

/// `"A(B|C).+"` as `AB.+` and `AC.+`: the only patterns that the example has.
fn named(pattern: &str) -> Vec<String> {
    let pattern = pattern.trim_matches('"');
    match pattern.split_once('(').and_then(|(start, rest)| Some((start, rest.split_once(')')?))) {
        Some((start, (choices, end))) => choices.split('|').map(|choice| format!("{start}{choice}{end}")).collect(),
        None => vec![pattern.to_owned()],
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_name_alerts() {
        assert_eq!(named("\"A(B|C).+\""), ["AB.+", "AC.+"]);
        assert_eq!(named("\"A\""), ["A"]);
    }

    #[test]
    fn who_is_inhibited_must_be_an_alert() {
        assert!(strangers(&BTreeSet::new()).is_ok_and(|names| names.len() > 5));
    }
}

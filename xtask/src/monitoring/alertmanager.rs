//! The Alertmanager example: amtool reads it, and each row of routes.yaml goes where it should.

use std::collections::BTreeMap;
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

//! The agent itself judges the configuration that the chart writes for it.

use std::fs;
use std::process::Command;

use anyhow::{Context as _, Result};
use serde_json::Value;

use super::scenarios::Scenario;
use super::{objects, scratch};
use crate::paths::{root, target};
use crate::setup::cargo;
use crate::step::{self, output};

/// Builds the agent of this tree; the kernel side must be there.
///
/// # Errors
/// It does not compile.
pub(super) fn build() -> Result<()> {
    let mut build = cargo();
    build.current_dir(root()).args(["build", "--package", "goroscope", "--bin", "goroscope"]);
    step::run("build the agent", &mut build, "cargo xtask build, and mend what rustc says")?;
    Ok(())
}

/// `goroscope run --check-config`, with the arguments, the file and the environment of the scenario's container.
///
/// # Errors
/// It does not take them.
pub(super) fn takes(scenario: &Scenario) -> Result<()> {
    let objects = scenario.objects()?;
    let container = objects::container(&objects)?;
    let file = scratch()?.join(format!("{}-goroscope.yaml", scenario.name));
    let config = objects.iter().find_map(|object| object.pointer("/data/goroscope.yaml")?.as_str());
    let program = target().join("debug/goroscope");
    fs::write(&file, config.context("no ConfigMap holds goroscope.yaml")?)?;
    let mut agent = Command::new(program);
    agent.env_clear();
    for argument in list(container, "args").filter_map(Value::as_str) {
        match argument.split_once('=') {
            Some(("--config", _)) => agent.arg("--config").arg(&file),
            _ => agent.arg(argument),
        };
    }
    for variable in list(container, "env") {
        let name = variable.get("name").and_then(Value::as_str).context("a variable has a name")?;
        let elsewhere = if variable.pointer("/valueFrom/secretKeyRef").is_some() { "Authorization=secret" } else { "node-1" };
        agent.env(name, variable.get("value").and_then(Value::as_str).unwrap_or(elsewhere));
    }
    output(agent.arg("--check-config")).map(drop)
}

fn list<'a>(container: &'a Value, key: &str) -> impl Iterator<Item = &'a Value> {
    container.get(key).and_then(Value::as_array).into_iter().flatten()
}

//! Schemas for kubeconform without the web: of Kubernetes' own kinds from PyPI's kubernetes-validate, of the Prometheus Operator's from
//! the definitions in its module. In: those. Out: folders for `-schema-location`. Must not know the chart.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};
use serde_json::Value;

use crate::gomodule;
use crate::monitoring::yaml;
use crate::paths::cache;
use crate::setup;

/// Of kubernetes-validate.
pub(crate) const VERSION: &str = "1.37.0";

/// The oldest Kubernetes that the chart is for, and the newest that there are schemas of.
pub(super) const KUBERNETES: [&str; 2] = ["1.25.0", "1.37.0"];

const OPERATOR: (&str, &str) = ("github.com/prometheus-operator/prometheus-operator", "0.85.0");
/// Plural, kind and version.
const OPERATOR_KINDS: [(&str, &str, &str); 4] = [
    ("podmonitors", "podmonitor", "v1"),
    ("servicemonitors", "servicemonitor", "v1"),
    ("prometheusrules", "prometheusrule", "v1"),
    ("alertmanagerconfigs", "alertmanagerconfig", "v1alpha1"),
];

fn dir() -> PathBuf {
    let kinds = OPERATOR_KINDS.len();
    cache().join(format!("kubernetes-schemas-{VERSION}-operator-{}-{kinds}", OPERATOR.1))
}

/// `-schema-location` of kubeconform.
pub(super) fn locations() -> [String; 2] {
    let at = |rest: &str| dir().join(rest).display().to_string();
    [at("{{.NormalizedKubernetesVersion}}/{{.ResourceKind}}{{.KindSuffix}}.json"), at("operator/{{.ResourceKind}}{{.KindSuffix}}.json")]
}

pub(crate) fn is_here() -> bool {
    dir().is_dir()
}

/// Fetches and converts all of them; the folder appears whole or not at all.
///
/// # Errors
/// A registry cannot be reached, or what it has is not what it was.
pub(crate) fn install() -> Result<()> {
    let fresh = dir().with_extension(format!("new-{}", std::process::id()));
    let package = fresh.join("package");
    fs::create_dir_all(&package)?;
    setup::pip_install("kubernetes-validate", VERSION, &package, "check the network: PyPI has this package")?;
    for version in KUBERNETES {
        let from = package.join(format!("kubernetes_validate/kubernetes-json-schema/v{version}-local-strict"));
        kubernetes(&from, &fresh.join(format!("v{version}")))?;
    }
    fs::remove_dir_all(&package)?;
    operator(&fresh.join("operator"))?;
    fs::rename(&fresh, dir()).with_context(|| format!("cannot move the schemas to {}", dir().display()))
}

/// They name themselves by URL and refer to each other from a root: kubeconform would go to the web for both.
fn kubernetes(from: &Path, to: &Path) -> Result<()> {
    fs::create_dir_all(to)?;
    for file in fs::read_dir(from).with_context(|| format!("cannot read {}", from.display()))?.flatten() {
        let text = fs::read_to_string(file.path())?.replace("\"/api/_definitions.json#", "\"_definitions.json#");
        let mut schema: Value = serde_json::from_str(&text).with_context(|| format!("{} is no JSON", file.path().display()))?;
        if let Some(object) = schema.as_object_mut() {
            object.remove("$id");
        }
        fs::write(to.join(file.file_name()), schema.to_string())?;
    }
    Ok(())
}

/// From the definitions of the operator's kinds; unknown fields, which Kubernetes drops in silence, are errors.
fn operator(to: &Path) -> Result<()> {
    fs::create_dir_all(to)?;
    let dir = gomodule::folder(OPERATOR.0, OPERATOR.1)?.join("example/prometheus-operator-crd");
    for (plural, kind, version) in OPERATOR_KINDS {
        let file = dir.join(format!("monitoring.coreos.com_{plural}.yaml"));
        let definition: Value = yaml(&file)?;
        let mut schema = definition.pointer("/spec/versions/0/schema/openAPIV3Schema").context("no schema in a definition")?.clone();
        close(&mut schema);
        fs::write(to.join(format!("{kind}-monitoring-{version}.json")), schema.to_string())?;
    }
    Ok(())
}

/// Nothing beside the known properties; and what may be a number or a text has no `type`.
fn close(schema: &mut Value) {
    match schema {
        Value::Object(object) => {
            let open = object.get("x-kubernetes-preserve-unknown-fields").and_then(Value::as_bool).unwrap_or_default();
            if object.get("properties").is_some_and(Value::is_object) && !open {
                object.entry("additionalProperties").or_insert(Value::Bool(false));
            }
            object.values_mut().for_each(close);
        }
        Value::Array(all) => all.iter_mut().for_each(close),
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn unknown_fields_are_closed_out() {
        let mut schema = json!({"properties": {"a": {"type": "object", "properties": {}}, "b": {"additionalProperties": {}}}});
        close(&mut schema);
        let closed = json!({"additionalProperties": false, "properties": {
            "a": {"type": "object", "properties": {}, "additionalProperties": false}, "b": {"additionalProperties": {}}}});
        assert_eq!(schema, closed);
    }
}

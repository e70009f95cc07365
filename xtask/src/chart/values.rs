//! values.yaml and values.schema.json: the same keys with the same words, and nothing that the schema does not know.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;

use anyhow::{Context as _, Result};
use serde_json::Value;

use super::{chart, copies};
use crate::monitoring::yaml;
use crate::table::{Problems, verdict};

/// By the path of a value (`image.tag`): what is said of it.
type Described = BTreeMap<String, String>;

/// Helm shares this one between charts: others may have keys there.
const SHARED: &str = "global";

/// How many values there are, and what is wrong with them.
///
/// # Errors
/// A file cannot be read.
pub(super) fn judge() -> Result<(usize, Result<()>)> {
    let text = fs::read_to_string(chart().join("values.yaml"))?;
    let values: Value = yaml(&chart().join("values.yaml"))?;
    let schema: Value = serde_json::from_str(&fs::read_to_string(chart().join("values.schema.json"))?)?;
    let mut problems = vec![];
    let mut of_schema = Described::new();
    walk(&schema, "", &mut of_schema, &mut problems);
    let comments = comments(&text);
    for (path, comment) in &comments {
        match of_schema.get(path) {
            None => problems.push(format!("the schema does not know {path}")),
            Some(description) if description != comment => {
                problems.push(format!("{path}: the schema says {description:?}, values.yaml {comment:?}"))
            }
            Some(_) => {}
        }
    }
    for path in of_schema.keys() {
        if values.pointer(&format!("/{}", path.replace('.', "/"))).is_none() {
            problems.push(format!("values.yaml lacks {path}"));
        }
        let parent = path.rsplit_once('.').map_or("", |(parent, _)| parent);
        if !comments.contains_key(path) && !comments.contains_key(parent) {
            problems.push(format!("values.yaml says nothing of {path}"));
        }
    }
    let alerts = schema.pointer("/properties/prometheusRule/properties/rules/properties").and_then(Value::as_object);
    let known: BTreeSet<&String> = alerts.context("the schema knows alerts")?.keys().collect();
    let expressions = copies::expressions()?;
    if known != expressions.keys().collect() {
        problems.push(format!("the schema's alerts are not those of deploy/: {known:?}"));
    }
    Ok((comments.len(), verdict(problems)))
}

/// The leaves of a schema, and what it leaves open.
fn walk(schema: &Value, path: &str, found: &mut Described, problems: &mut Problems) {
    let properties = schema.get("properties").and_then(Value::as_object);
    // Keys of alerts are no values of values.yaml.
    let Some(properties) = properties.filter(|_| path != "prometheusRule.rules") else {
        match schema.get("description").and_then(Value::as_str) {
            Some(description) => drop(found.insert(path.to_owned(), description.to_owned())),
            None => problems.push(format!("{path}: no description")),
        }
        if ["type", "enum", "$ref"].iter().all(|key| schema.get(key).is_none()) {
            problems.push(format!("{path}: anything goes"));
        }
        return;
    };
    if path != SHARED && schema.get("additionalProperties") != Some(&Value::Bool(false)) {
        problems.push(format!("{path}: unknown keys are let in"));
    }
    for (key, schema) in properties {
        walk(schema, &if path.is_empty() { key.clone() } else { format!("{path}.{key}") }, found, problems);
    }
}

/// The `# --` comments of values.yaml, as helm-docs reads them: they go on in the lines below, up to the key.
fn comments(text: &str) -> Described {
    let mut parents: Vec<(usize, String)> = vec![];
    let mut comment: Option<String> = None;
    let mut found = Described::new();
    for line in text.lines() {
        let trimmed = line.trim_start();
        let indent = line.len() - trimmed.len();
        if let Some(first) = trimmed.strip_prefix("# -- ") {
            comment = Some(first.to_owned());
        } else if let Some(more) = trimmed.strip_prefix("# ") {
            comment = comment.map(|comment| format!("{comment} {more}"));
        } else if let Some((key, _)) = trimmed.split_once(':').filter(|(key, _)| !key.starts_with('-')) {
            parents.retain(|(depth, _)| *depth < indent);
            parents.push((indent, key.to_owned()));
            let path: Vec<&str> = parents.iter().map(|(_, key)| key.as_str()).collect();
            if let Some(comment) = comment.take() {
                found.insert(path.join("."), comment);
            }
        } else {
            comment = None;
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn comments_belong_to_the_next_key() {
        let found = comments("# Not this.\na:\n  # -- One\n  # two.\n  b: 1\n\n  c:\n    # -- Three.\n    d: []\n# -- Four.\ne: {}\n");
        let expected = [("a.b", "One two."), ("a.c.d", "Three."), ("e", "Four.")];
        assert_eq!(found, expected.map(|(path, text)| (path.to_owned(), text.to_owned())).into());
    }

    #[test]
    fn what_the_schema_leaves_open_is_told() {
        let schema = serde_json::json!({"additionalProperties": false, "properties": {
            "a": {"type": "string"}, "b": {"properties": {"c": {"description": "x", "type": "string"}}}, "d": {"description": "y"}}});
        let mut problems = vec![];
        walk(&schema, "", &mut Described::new(), &mut problems);
        assert_eq!(problems, ["a: no description", "b: unknown keys are let in", "d: anything goes"]);
    }
}

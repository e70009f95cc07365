//! Dashboards: from deploy/dashboards/source/*.yaml, which people write, to deploy/dashboards/*.json, which Grafana reads.

use std::collections::BTreeMap;
use std::fs;
use std::path::PathBuf;

use anyhow::{Result, bail};
use serde::Deserialize;
use serde_json::{Value, json};

use super::rules::yaml;
use crate::paths::root;

/// A variable that is no label of figures: it chooses pods.
const WORKLOAD: &str = "workload";
/// Where dashboards are, from the root.
pub(crate) const DASHBOARDS: &str = "deploy/dashboards";

/// How often Prometheus is expected to scrape: no panel asks for finer steps.
const INTERVAL: &str = "30s";

/// A dashboard as people write it.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Source {
    uid: String,
    title: String,
    description: String,
    /// Labels to choose by, in the order in which they narrow down.
    variables: Vec<String>,
    /// Whether starts of processes are marked.
    #[serde(default)]
    starts: bool,
    rows: Vec<Row>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Row {
    title: String,
    panels: Vec<Panel>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Panel {
    title: String,
    description: String,
    #[serde(default = "timeseries", rename = "type")]
    kind: String,
    unit: String,
    #[serde(default = "half")]
    width: u32,
    #[serde(default)]
    stack: bool,
    #[serde(default)]
    thresholds: Vec<f64>,
    /// Columns of a table in their order, `label=Heading`.
    #[serde(default)]
    columns: Vec<String>,
    queries: Vec<Query>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Query {
    expr: String,
    #[serde(default)]
    legend: String,
    /// May have nothing to show though all is well.
    #[serde(default)]
    optional: bool,
}

fn timeseries() -> String {
    "timeseries".to_owned()
}

const fn half() -> u32 {
    12
}

/// One query of one panel, as Prometheus gets it.
pub(super) struct PanelQuery {
    pub(super) dashboard: String,
    pub(super) panel: String,
    /// With Grafana's variables still in it.
    pub(super) expr: String,
    pub(super) legend: String,
    /// Labels that are columns of a table.
    pub(super) columns: Vec<String>,
    pub(super) optional: bool,
}

/// A source and where its JSON is.
pub(super) struct Dashboard {
    pub(super) json: PathBuf,
    source: Source,
}

/// Reads all sources.
///
/// # Errors
/// One cannot be read, or says something unknown.
pub(super) fn read() -> Result<Vec<Dashboard>> {
    let dir = root().join(DASHBOARDS);
    let mut paths: Vec<PathBuf> = fs::read_dir(dir.join("source"))?.flatten().map(|entry| entry.path()).collect();
    paths.sort();
    if paths.is_empty() {
        bail!("{DASHBOARDS}/source holds no dashboard");
    }
    let dashboard = |path: &PathBuf| {
        let json = dir.join(path.file_stem().unwrap_or_default()).with_extension("json");
        Ok(Dashboard { json, source: yaml(path)? })
    };
    paths.iter().map(dashboard).collect()
}

impl Dashboard {
    /// The file that Grafana reads.
    ///
    /// # Errors
    /// There is none: numbers and strings are always JSON.
    pub(super) fn render(&self) -> Result<String> {
        Ok(serde_json::to_string_pretty(&self.source.json())? + "\n")
    }

    /// Every query of every panel.
    pub(super) fn queries(&self) -> Vec<PanelQuery> {
        let of_panel = |panel: &Panel| -> Vec<PanelQuery> {
            let columns = panel.columns.iter().filter_map(|column| Some(column.split_once('=')?.0.to_owned()));
            let columns: Vec<String> = columns.filter(|column| column != "Value").collect();
            let query = |query: &Query| PanelQuery {
                dashboard: self.source.uid.clone(),
                panel: panel.title.clone(),
                expr: self.source.expand(&query.expr),
                legend: query.legend.clone(),
                columns: columns.clone(),
                optional: query.optional,
            };
            panel.queries.iter().map(query).collect()
        };
        self.source.rows.iter().flat_map(|row| &row.panels).flat_map(of_panel).collect()
    }
}

impl Dashboard {
    /// Labels that one chooses by, and the series whose values are offered.
    pub(super) fn variables(&self) -> Vec<(String, String)> {
        let query = |variable: &Value| Some(variable.pointer("/query/query")?.as_str()?.to_owned());
        let parts = |query: String| {
            let (selector, label) = query.strip_prefix("label_values(")?.strip_suffix(')')?.rsplit_once(", ")?;
            Some((label.to_owned(), selector.to_owned()))
        };
        self.source.templating().iter().filter_map(|variable| parts(query(variable)?)).collect()
    }
}

impl Source {
    /// `$target`, `$recorded` and `$agent` written out as matchers.
    fn expand(&self, expr: &str) -> String {
        let matcher = |label: &&str| format!("{label}=~\"${label}\"");
        let matchers = |labels: &[&str]| labels.iter().map(matcher).collect::<Vec<_>>().join(", ");
        let own: Vec<&str> = self.variables.iter().map(String::as_str).filter(|name| *name != WORKLOAD).collect();
        let host: Vec<&str> = own.iter().filter(|label| ["cluster", "node"].contains(label)).copied().collect();
        let with_job = |labels: &[&str]| matchers(&[&["job"], labels].concat());
        expr.replace("$target", &with_job(&own)).replace("$recorded", &matchers(&own)).replace("$agent", &with_job(&host))
    }

    fn json(&self) -> Value {
        let starts = json!({
            "name": "Starts of processes", "datasource": datasource(), "enable": true, "iconColor": "blue", "step": INTERVAL,
            "expr": self.expand("1000 * goroscope_process_start_time_seconds{$target}"), "useValueForTime": true,
            "titleFormat": "{{process}} started", "textFormat": "{{pod}} {{node}}",
        });
        json!({
            "uid": self.uid, "title": self.title, "description": self.description, "tags": ["goroscope"],
            "schemaVersion": 39, "version": 1, "editable": false, "graphTooltip": 1, "timezone": "utc", "refresh": "1m",
            "time": {"from": "now-6h", "to": "now"},
            "annotations": {"list": if self.starts { vec![starts] } else { vec![] }},
            "links": [{
                "type": "dashboards", "title": "goroscope", "tags": ["goroscope"], "asDropdown": true, "includeVars": true,
                "keepTime": true, "icon": "external link", "targetBlank": false,
            }],
            "templating": {"list": self.templating()},
            "panels": self.panels(),
        })
    }

    fn templating(&self) -> Vec<Value> {
        let mut list =
            vec![json!({"name": "datasource", "label": "Data Source", "type": "datasource", "query": "prometheus", "refresh": 1})];
        let mut chain: Vec<String> = vec![];
        let has = |wanted: &str| self.variables.iter().any(|variable| variable == wanted);
        let mut of = if has("process") { "go_goroutine_count" } else { "goroscope_agent_build_info" };
        for name in std::iter::once("job").chain(self.variables.iter().map(String::as_str)) {
            // The agent's own series know no process, but every process' series know its agent. Workloads are only in the info.
            if name == WORKLOAD {
                of = "goroscope_process_info";
            }
            let query = format!("label_values({of}{{{}}}, {name})", chain.join(", "));
            // All pods are those of the workload, by name; without Kubernetes there are none, and Grafana asks for `()`, which is no pod.
            let all = if name == "pod" && has(WORKLOAD) { Value::Null } else { json!(".*") };
            list.push(json!({
                "name": name, "label": name, "type": "query", "datasource": datasource(), "query": {"query": query, "refId": name},
                "refresh": 2, "sort": 1, "multi": true, "includeAll": true, "allValue": all,
                "current": {"selected": true, "text": ["All"], "value": ["$__all"]},
            }));
            chain.push(format!("{name}=~\"${name}\""));
        }
        list
    }

    fn panels(&self) -> Vec<Value> {
        let mut panels = vec![];
        let (mut id, mut y) = (0, 0);
        for row in &self.rows {
            id += 1;
            panels.push(json!({
                "id": id, "type": "row", "title": row.title, "collapsed": false, "panels": [], "gridPos": {"h": 1, "w": 24, "x": 0, "y": y},
            }));
            y += 1;
            let (mut x, mut height) = (0, 0);
            for panel in &row.panels {
                if x + panel.width > 24 {
                    (x, y) = (0, y + height);
                }
                id += 1;
                height = if panel.kind == "stat" { 4 } else { 8 };
                let place = json!({"h": height, "w": panel.width, "x": x, "y": y});
                panels.push(panel.json(id, &place, |expr| self.expand(expr)));
                x += panel.width;
            }
            y += height;
        }
        panels
    }
}

impl Panel {
    fn json(&self, id: u32, place: &Value, expand: impl Fn(&str) -> String) -> Value {
        let letters = 'A'..='Z';
        let targets: Vec<Value> = self.queries.iter().zip(letters).map(|(query, letter)| self.target(query, letter, &expand)).collect();
        json!({
            "id": id, "type": self.kind, "title": self.title, "description": self.description, "datasource": datasource(),
            "gridPos": place, "interval": INTERVAL, "targets": targets, "options": self.options(),
            "fieldConfig": {"defaults": self.field(), "overrides": []}, "transformations": self.transformations(),
        })
    }

    /// Columns of a table: their order and headings, without the time.
    fn transformations(&self) -> Value {
        if self.kind != "table" {
            return json!([]);
        }
        let pairs: Vec<(&str, &str)> = self.columns.iter().filter_map(|column| column.split_once('=')).collect();
        let rename: BTreeMap<_, _> = pairs.iter().copied().collect();
        let order: BTreeMap<_, _> = pairs.iter().enumerate().map(|(at, (label, _))| (*label, at)).collect();
        json!([{"id": "organize", "options": {"excludeByName": {"Time": true}, "renameByName": rename, "indexByName": order}}])
    }

    fn target(&self, query: &Query, letter: char, expand: &impl Fn(&str) -> String) -> Value {
        let instant = ["table", "stat"].contains(&self.kind.as_str());
        let format = match self.kind.as_str() {
            "table" => "table",
            "heatmap" => "heatmap",
            _ => "time_series",
        };
        json!({
            "refId": letter.to_string(), "datasource": datasource(), "expr": expand(&query.expr), "legendFormat": query.legend,
            "instant": instant, "range": !instant, "format": format,
        })
    }

    fn field(&self) -> Value {
        let colours = ["orange", "red", "dark-red"];
        let mut steps = vec![json!({"color": "green", "value": null})];
        steps.extend(self.thresholds.iter().zip(colours).map(|(value, colour)| json!({"color": colour, "value": value})));
        let stacking = if self.stack { "normal" } else { "none" };
        let lines = if self.thresholds.is_empty() { "off" } else { "dashed" };
        let custom = match self.kind.as_str() {
            "timeseries" => json!({
                "fillOpacity": if self.stack { 30 } else { 5 }, "lineWidth": 1, "showPoints": "never", "stacking": {"mode": stacking},
                "thresholdsStyle": {"mode": lines},
            }),
            _ => json!({}),
        };
        json!({"unit": self.unit, "min": 0, "custom": custom, "thresholds": {"mode": "absolute", "steps": steps}})
    }

    fn options(&self) -> Value {
        match self.kind.as_str() {
            "timeseries" => json!({
                "legend": {"showLegend": true, "displayMode": "table", "placement": "bottom", "calcs": ["lastNotNull", "max"]},
                "tooltip": {"mode": "multi", "sort": "desc"},
            }),
            "stat" => json!({"reduceOptions": {"calcs": ["lastNotNull"]}, "colorMode": "value", "graphMode": "none"}),
            "heatmap" => json!({"calculate": false, "yAxis": {"unit": self.unit}, "tooltip": {"mode": "single"}, "legend": {"show": true}}),
            _ => json!({"showHeader": true, "cellHeight": "sm"}),
        }
    }
}

fn datasource() -> Value {
    json!({"type": "prometheus", "uid": "${datasource}"})
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_source_becomes_a_dashboard() {
        let text = "{uid: u, title: T, description: D, variables: [node, process], rows: [{title: R, panels: [{title: P, description: D, \
                    unit: short, type: table, columns: [node=Node, Value=Number], queries: [{expr: 'a{$target} + b{$recorded} + c{$agent}'}]}]}]}";
        let dashboard = Dashboard { json: PathBuf::new(), source: serde_saphyr::from_str(text).unwrap() };
        let query = dashboard.queries().remove(0);
        assert_eq!(
            query.expr,
            "a{job=~\"$job\", node=~\"$node\", process=~\"$process\"} + b{node=~\"$node\", process=~\"$process\"} + \
             c{job=~\"$job\", node=~\"$node\"}"
        );
        assert_eq!(query.columns, ["node"]);
        let json: Value = serde_json::from_str(&dashboard.render().unwrap()).unwrap();
        assert_eq!(
            json.pointer("/templating/list/3/query/query").unwrap(),
            "label_values(go_goroutine_count{job=~\"$job\", node=~\"$node\"}, process)"
        );
        assert_eq!(json.pointer("/panels/1/targets/0/expr").unwrap(), query.expr.as_str());
        assert!(crate::monitoring::panels::judge(&json).is_empty(), "{:?}", crate::monitoring::panels::judge(&json));
    }
}

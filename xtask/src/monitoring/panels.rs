//! What a dashboard must be, whoever made it: the rules of Grafana's dashboard-linter, and of monitoring mixins.
//!
//! Of dashboard-linter's rules one is left out: `instance` is no variable, as it is the agent's address and changes with its pod.

use serde_json::Value;

/// What is wrong with a dashboard.
pub(super) fn judge(dashboard: &Value) -> Vec<String> {
    let mut problems = vec![];
    let title = text(dashboard, "/title");
    let mut expect = |holds: bool, what: &str| {
        if !holds {
            problems.push(format!("{title}: {what}"));
        }
    };
    expect(text(dashboard, "/uid").starts_with("goroscope-") || cfg!(test), "uid begins with goroscope-");
    expect(dashboard.get("editable") == Some(&Value::Bool(false)), "editable is false");
    expect(dashboard.pointer("/tags/0").is_some_and(|tag| tag == "goroscope"), "it has the tag goroscope");
    expect(text(dashboard, "/timezone") == "utc", "times are UTC");
    expect(dashboard.get("schemaVersion").is_some_and(Value::is_u64), "schemaVersion is pinned");
    expect(dashboard.get("graphTooltip").and_then(Value::as_u64) == Some(1), "the crosshair is shared");
    for expected in variables(dashboard) {
        expect(false, &expected);
    }
    for panel in list(dashboard, "/panels").iter().filter(|panel| text(panel, "/type") != "row") {
        problems.extend(judge_panel(panel).into_iter().map(|what| format!("{title}: {}: {what}", text(panel, "/title"))));
    }
    problems
}

/// What is wrong with the variables: one data source, then labels, each narrowed down by those before it.
fn variables(dashboard: &Value) -> Vec<String> {
    let mut wrong = vec![];
    let all = list(dashboard, "/templating/list");
    let first = all.first();
    if !first.is_some_and(|first| text(first, "/type") == "datasource" && text(first, "/label") == "Data Source") {
        wrong.push("the first variable is a datasource with the label Data Source".to_owned());
    }
    let mut before: Vec<&str> = vec![];
    for variable in all.iter().skip(1) {
        let (name, query) = (text(variable, "/name"), text(variable, "/query/query"));
        if variable.get("refresh").and_then(Value::as_u64) != Some(2) {
            wrong.push(format!("variable {name} is asked for again when the time range changes (refresh 2)"));
        }
        if let Some(missing) = before.iter().find(|earlier| !query.contains(&format!("=~\"${earlier}\""))) {
            wrong.push(format!("variable {name} is not narrowed down by {missing}"));
        }
        before.push(name);
    }
    if before.first() != Some(&"job") {
        wrong.push("the job is a variable".to_owned());
    }
    wrong
}

fn judge_panel(panel: &Value) -> Vec<String> {
    let mut wrong = vec![];
    for (what, path) in
        [("title", "/title"), ("description", "/description"), ("unit", "/fieldConfig/defaults/unit"), ("interval", "/interval")]
    {
        if text(panel, path).trim().is_empty() {
            wrong.push(format!("no {what}"));
        }
    }
    if text(panel, "/datasource/uid") != "${datasource}" {
        wrong.push("the data source is the variable".to_owned());
    }
    if text(panel, "/type") == "timeseries" && text(panel, "/options/legend/displayMode") != "table" {
        wrong.push("the legend is a table".to_owned());
    }
    let targets = list(panel, "/targets");
    if targets.is_empty() {
        wrong.push("no query".to_owned());
    }
    for target in targets {
        wrong.extend(judge_query(text(target, "/expr"), text(target, "/legendFormat"), targets.len()));
    }
    wrong
}

fn judge_query(expr: &str, legend: &str, queries: usize) -> Vec<String> {
    let mut wrong = vec![];
    for macro_left in ["$target", "$recorded", "$agent"] {
        if expr.contains(macro_left) {
            wrong.push(format!("{macro_left} was not replaced"));
        }
    }
    for function in ["rate(", "irate(", "increase("] {
        for (at, _) in
            expr.match_indices(function).filter(|(at, _)| !expr.get(..*at).is_some_and(|before| before.ends_with(char::is_alphanumeric)))
        {
            let range = expr.get(at..).and_then(|rest| rest.split_once('[')?.1.split(']').next());
            if range != Some("$__rate_interval") {
                wrong.push(format!("{function}...) is over $__rate_interval"));
            }
        }
    }
    for (at, _) in expr.match_indices("_total{") {
        if !["rate(", "increase("].iter().any(|function| expr.get(..at).is_some_and(|before| word_starts_after(before, function))) {
            wrong.push("a counter is shown as a rate or an increase".to_owned());
        }
    }
    if queries > 1 && legend.is_empty() {
        wrong.push("of several queries each has a legend".to_owned());
    }
    if !expr.contains("=~\"$") && !expr.starts_with("count") {
        wrong.push("the query does not listen to the variables".to_owned());
    }
    wrong
}

/// Whether what stands before a series, its own name left out, ends with `function`.
fn word_starts_after(before: &str, function: &str) -> bool {
    before.trim_end_matches(|c: char| c.is_ascii_alphanumeric() || c == '_' || c == ':').ends_with(function)
}

fn text<'a>(value: &'a Value, path: &str) -> &'a str {
    value.pointer(path).and_then(Value::as_str).unwrap_or_default()
}

fn list<'a>(value: &'a Value, path: &str) -> &'a [Value] {
    value.pointer(path).and_then(Value::as_array).map_or(&[], Vec::as_slice)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(expr: &str, problems: usize) {
        assert_eq!(judge_query(expr, "", 1).len(), problems, "{expr}: {:?}", judge_query(expr, "", 1));
    }

    #[test]
    fn queries() {
        check("sum(rate(a_total{job=~\"$job\"}[$__rate_interval]))", 0);
        check("sum(rate(a_total{job=~\"$job\"}[5m]))", 1);
        check("sum(a_total{job=~\"$job\"})", 1);
        check("a{job=\"x\"}", 1);
        check("a{$target, b=~\"$b\"}", 1);
        check("deriv(a{b=~\"$b\"}[1h])", 0);
        assert_eq!(judge_query("a{b=~\"$b\"}", "", 2).len(), 1, "two queries without a legend");
    }

    #[test]
    fn an_empty_dashboard_is_none() {
        assert!(judge(&serde_json::json!({"panels": [{"type": "timeseries"}]})).len() > 10);
    }
}

//! The series that a PromQL expression names. In: an expression. Out: names. Whether it parses, promtool says.

use std::collections::BTreeSet;

/// Words that stand before a list of labels.
const LISTS: [&str; 6] = ["by", "without", "on", "ignoring", "group_left", "group_right"];

/// Words that may stand without a parenthesis behind them, and are no series.
const WORDS: [&str; 22] = [
    "and",
    "or",
    "unless",
    "offset",
    "bool",
    "atan2",
    "inf",
    "nan",
    "sum",
    "min",
    "max",
    "avg",
    "group",
    "count",
    "stddev",
    "stdvar",
    "topk",
    "bottomk",
    "quantile",
    "count_values",
    "start",
    "end",
];

/// The names of all series in `expression`, recorded ones included; labels, functions and strings are left out.
pub(super) fn series(expression: &str) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    let mut rest = expression;
    while let Some(first) = rest.chars().next() {
        let length = match first {
            '"' | '\'' | '`' => quoted(rest, first),
            '{' => closed(rest, '}'),
            '[' => closed(rest, ']'),
            c if c.is_ascii_digit() => leading(rest, |c| c.is_ascii_alphanumeric() || c == '.'),
            c if is_name(c) => {
                let length = leading(rest, is_name);
                let (word, behind) = rest.split_at(length);
                if LISTS.contains(&word) {
                    let list = behind.trim_start();
                    let skipped = if list.starts_with('(') { closed(list, ')') } else { 0 };
                    rest.len() - list.len() + skipped
                } else {
                    if !behind.trim_start().starts_with('(') && !WORDS.contains(&word.to_ascii_lowercase().as_str()) {
                        found.insert(word.to_owned());
                    }
                    length
                }
            }
            c => c.len_utf8(),
        };
        rest = rest.get(length..).unwrap_or_default();
    }
    found
}

/// The labels that a legend such as `{{process}} on {{node}}` names.
pub(super) fn legend_labels(legend: &str) -> Vec<&str> {
    legend.split("{{").skip(1).filter_map(|part| Some(part.split_once("}}")?.0.trim())).collect()
}

fn is_name(c: char) -> bool {
    c.is_ascii_alphanumeric() || c == '_' || c == ':'
}

/// How many bytes at the start satisfy `is`.
fn leading(text: &str, is: impl Fn(char) -> bool) -> usize {
    text.find(|c| !is(c)).unwrap_or(text.len())
}

/// The length of a string that begins with `quote`.
fn quoted(text: &str, quote: char) -> usize {
    let mut escaped = false;
    for (at, c) in text.char_indices().skip(1) {
        match c {
            _ if escaped => escaped = false,
            '\\' if quote != '`' => escaped = true,
            c if c == quote => return at + 1,
            _ => {}
        }
    }
    text.len()
}

/// The length of what begins with a bracket and ends with `end`; brackets in strings do not count.
fn closed(text: &str, end: char) -> usize {
    let mut at = 1;
    while let Some(c) = text.get(at..).and_then(|rest| rest.chars().next()) {
        at += match c {
            '"' | '\'' | '`' => quoted(text.get(at..).unwrap_or_default(), c),
            c if c == end => return at + 1,
            c => c.len_utf8(),
        };
    }
    text.len()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(expression: &str, expected: &[&str]) {
        assert_eq!(series(expression), expected.iter().map(|&name| name.to_owned()).collect(), "{expression}");
    }

    #[test]
    fn series_and_nothing_else() {
        check("up", &["up"]);
        check("sum by (le, pod) (rate(a_bucket{job=\"x}\", le!='+Inf'}[5m])) > 0.05", &["a_bucket"]);
        check("sum(a{x=\"}\"}) without (b) / on (c) group_left (d) e:f:g offset 1h", &["a", "e:f:g"]);
        check("a > on (x) group_left\nmax by (x) (b) and c unless d or e", &["a", "b", "c", "d", "e"]);
        check("label_replace(a, \"b\", \"$1\", `c\\`, \"d\") + 4 * 3600 - 1e3", &["a"]);
        check("min_over_time((a + b)[30m:1m] offset -5m) == bool Inf", &["a", "b"]);
        check("\"unclosed", &[]);
        check("topk(10, count(ALERTS) by (x))", &["ALERTS"]);
    }

    #[test]
    fn labels_of_legends() {
        assert_eq!(legend_labels("{{process}} on {{ node }} {{"), ["process", "node"]);
        assert_eq!(legend_labels("now"), [""; 0]);
    }
}

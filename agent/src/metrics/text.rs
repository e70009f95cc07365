//! Families as Prometheus text 0.0.4: for every reader that does not ask for OpenMetrics.
//!
//! In: families. Out: text. Must not know: where families come from. What differs from OpenMetrics: counters are called by
//! the name of their samples (`_total`), an info is a gauge, there is no `# UNIT` and no `# EOF`.

use std::fmt::{self, Write};

use super::family::{Family, Labels, Sample, Type, Value};
use crate::model::Histogram;

/// The page.
pub(super) fn render(families: &[Family]) -> Result<String, fmt::Error> {
    let mut page = String::new();
    for Family { descriptor, samples } in families {
        let kind = match descriptor.kind {
            Type::Counter => "counter",
            Type::Gauge | Type::Info => "gauge",
            Type::Histogram => "histogram",
        };
        writeln!(page, "# HELP {} {}", descriptor.name, descriptor.help)?;
        writeln!(page, "# TYPE {} {kind}", descriptor.name)?;
        for sample in samples {
            write_sample(&mut page, descriptor.name, sample)?;
        }
    }
    Ok(page)
}

fn write_sample(page: &mut String, name: &str, Sample { labels, value, .. }: &Sample) -> fmt::Result {
    match value {
        Value::Count(count) => write_line(page, name, labels, None, count),
        Value::Float(float) => write_line(page, name, labels, None, float),
        Value::Histogram(histogram) => write_histogram(page, name, labels, histogram),
    }
}

fn write_histogram(page: &mut String, name: &str, labels: &Labels, histogram: &Histogram) -> fmt::Result {
    let mut cumulative = 0u64;
    for (bound, count) in histogram.buckets() {
        cumulative = cumulative.saturating_add(*count);
        let bound = if bound.is_finite() { bound.to_string() } else { "+Inf".to_owned() };
        write_line(page, &format!("{name}_bucket"), labels, Some(&bound), cumulative)?;
    }
    write_line(page, &format!("{name}_sum"), labels, None, histogram.sum())?;
    write_line(page, &format!("{name}_count"), labels, None, histogram.count())
}

fn write_line(page: &mut String, name: &str, labels: &Labels, bound: Option<&str>, value: impl fmt::Display) -> fmt::Result {
    page.push_str(name);
    // In the order in which `prometheus-client` writes them.
    let all = bound.map(|bound| ("le", bound)).into_iter().chain(labels.iter());
    let mut open = '{';
    for (label, value) in all {
        page.push(open);
        write!(page, "{label}=\"")?;
        write_escaped(page, value);
        page.push('"');
        open = ',';
    }
    if open == ',' {
        page.push('}');
    }
    writeln!(page, " {value}")
}

fn write_escaped(page: &mut String, value: &str) {
    for c in value.chars() {
        match c {
            '\\' => page.push_str("\\\\"),
            '"' => page.push_str("\\\""),
            '\n' => page.push_str("\\n"),
            c => page.push(c),
        }
    }
}

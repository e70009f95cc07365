//! Families as Prometheus text 0.0.4: for every reader that does not ask for OpenMetrics.
//!
//! In: families. Out: text. Must not know: where families come from. What differs from OpenMetrics: counters are called by
//! the name of their samples (`_total`), an info is a gauge, there is no `# UNIT` and no `# EOF`.

use std::fmt::{self, Write};

use super::family::{Family, Sample, Type, Value};

/// The page.
pub(super) fn render(families: &[Family]) -> Result<String, fmt::Error> {
    let mut page = String::new();
    for Family { descriptor, samples } in families {
        let kind = match descriptor.kind {
            Type::Counter => "counter",
            Type::Gauge | Type::Info => "gauge",
        };
        writeln!(page, "# HELP {} {}", descriptor.name, descriptor.help)?;
        writeln!(page, "# TYPE {} {kind}", descriptor.name)?;
        for sample in samples {
            write_sample(&mut page, descriptor.name, sample)?;
        }
    }
    Ok(page)
}

fn write_sample(page: &mut String, name: &str, Sample { labels, value }: &Sample) -> fmt::Result {
    page.push_str(name);
    if !labels.is_empty() {
        for (i, (label, value)) in labels.iter().enumerate() {
            page.push(if i == 0 { '{' } else { ',' });
            write!(page, "{label}=\"")?;
            write_escaped(page, value);
            page.push('"');
        }
        page.push('}');
    }
    match value {
        Value::Count(count) => writeln!(page, " {count}"),
        Value::Float(float) => writeln!(page, " {float}"),
    }
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

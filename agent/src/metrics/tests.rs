//! Pages of made-up Reports.

mod reports;

use std::collections::{BTreeMap, BTreeSet};

use goroscope_abi::Family;

use self::reports::{OWN, all_services, full, group, identity, report};
use super::{Descriptor, Format, Metrics, Type, agent, findings, label::VALUE_BYTES_MAX, limit, own, runtime, services, workload};
use crate::model::{Identity, Report};

/// Every family there is.
fn descriptors() -> impl Iterator<Item = &'static Descriptor> {
    let limits = [&limit::SERIES, &limit::SERIES_LIMIT, &limit::SERIES_DROPPED];
    let rooms = workload::ALL.into_iter().chain(agent::ALL).chain(own::ALL).chain(runtime::ALL).chain(findings::ALL);
    rooms.chain(services::ALL).chain(limits)
}

fn page(report: &Report, format: Format) -> String {
    Metrics::new(1000, "0.1.0", "abc").with_services(all_services()).page(report, Some(&OWN)).render(format).unwrap()
}

type Samples = BTreeMap<String, f64>;

/// Series and value of each line that is no comment.
fn samples(page: &str) -> Samples {
    let mut samples = Samples::new();
    for line in page.lines().filter(|line| !line.starts_with('#')) {
        let (series, value) = line.rsplit_once(' ').unwrap();
        assert!(samples.insert(series.to_owned(), value.parse().unwrap()).is_none(), "{series} is there twice");
    }
    samples
}

/// Help and type by name of samples: what both formats must agree on.
fn headers(page: &str, openmetrics: bool) -> BTreeMap<String, (String, String)> {
    let line = |kind: &str, line: &str| {
        let (name, text) = line.strip_prefix(kind)?.split_once(' ')?;
        Some((name.to_owned(), text.to_owned()))
    };
    let helps: BTreeMap<_, _> = page.lines().filter_map(|text| line("# HELP ", text)).collect();
    page.lines()
        .filter_map(|text| line("# TYPE ", text))
        .map(|(name, kind)| {
            let help = helps[&name].clone();
            match (openmetrics, kind.as_str()) {
                (true, "counter") => (format!("{name}_total"), (kind, help)),
                (true, "info") => (format!("{name}_info"), ("gauge".to_owned(), help)),
                _ => (name, (kind, help)),
            }
        })
        .collect()
}

#[test]
fn both_formats_say_the_same() {
    let hostile = identity("a\"b\\c\nd\u{1b}é…");
    let report = report(vec![group(hostile), group(Identity::default()), group(identity("api"))]);
    let (openmetrics, text) = (page(&report, Format::OpenMetrics100), page(&report, Format::Text004));
    assert!(openmetrics.ends_with("# EOF\n") && !text.contains("# EOF") && !text.contains("# UNIT"));
    assert_eq!(samples(&openmetrics), samples(&text));
    assert_eq!(headers(&openmetrics, true), headers(&text, false));
    assert_eq!(openmetrics, page(&report, Format::OpenMetrics001));
    assert!(text.contains(r#"process="a\"b\\c"#), "{text}");
}

#[test]
fn no_metric_is_dead() {
    let page = page(&full(), Format::Text004);
    let samples = samples(&page);
    for descriptor in descriptors().filter(|descriptor| descriptor.name != limit::SERIES_DROPPED.name) {
        let names = [descriptor.name.to_owned(), format!("{}_count", descriptor.name)];
        let family = |series: &&String| series.split('{').next().is_some_and(|name| names.iter().any(|known| known == name));
        assert!(samples.iter().filter(|(series, _)| family(series)).any(|(_, value)| *value > 0.0), "{} is dead", descriptor.name);
    }
    assert_eq!(headers(&page, false).len(), descriptors().count(), "a family is not in its room's ALL");
}

#[test]
fn descriptors_are_well_formed() {
    for descriptor in descriptors() {
        let name = descriptor.name;
        let suffix = match descriptor.kind {
            Type::Counter => "_total",
            Type::Info => "_info",
            Type::Gauge | Type::Histogram => "",
        };
        assert_eq!(descriptor.kind == Type::Counter, name.ends_with("_total"), "{name}");
        let unit = descriptor.unit.map(|unit| format!("_{unit}")).unwrap_or_default();
        assert_eq!(name, format!("{}{unit}{suffix}", descriptor.stem()));
        assert!(descriptor.help.ends_with('.') && !descriptor.help.contains(['\\', '\n']) && !descriptor.help.contains("  "), "{name}");
    }
}

/// The name of samples that a Prometheus gives what it receives by OTLP: unit and type are put behind the name again.
fn received(name: &str, unit: &str, kind: Type) -> String {
    let unit = match unit {
        "By" => "_bytes",
        "s" => "_seconds",
        "%" => "_percent",
        unit if unit.is_empty() || unit.starts_with('{') => "",
        other => panic!("{name}: {other}"),
    };
    let total = if kind == Type::Counter { "_total" } else { "" };
    format!("{}{unit}{total}", name.replace('.', "_"))
}

#[test]
fn otel_names_come_back_as_ours() {
    for descriptor in descriptors().filter(|descriptor| descriptor.kind != Type::Info) {
        assert_eq!(received(&descriptor.otel_name(), &descriptor.otel_unit(), descriptor.kind), descriptor.name);
    }
}

/// Semantic conventions 1.43, docs/runtime/go-metrics.md.
#[test]
fn semantic_conventions_are_kept() {
    let known: BTreeMap<String, String> = descriptors().map(|descriptor| (descriptor.otel_name(), descriptor.otel_unit())).collect();
    for (name, unit) in [
        ("go.goroutine.count", "{goroutine}"),
        ("go.processor.limit", "{thread}"),
        ("go.memory.used", "By"),
        ("go.memory.limit", "By"),
        ("go.memory.allocated", "By"),
        ("go.memory.allocations", "{allocation}"),
        ("go.memory.gc.goal", "By"),
        ("go.memory.gc.cycles", "{gc_cycle}"),
        ("go.memory.gc.pause.duration", "s"),
        ("go.schedule.duration", "s"),
        ("go.config.gogc", "%"),
    ] {
        assert_eq!(known.get(name).map(String::as_str), Some(unit), "{name}");
    }
    assert_eq!(known.keys().filter(|name| name.starts_with("go.")).count(), 11, "a name that is no convention's");
}

#[test]
fn a_golden_page_in_both_formats() {
    let small = report(vec![group(identity("api"))]);
    for (name, format) in [("openmetrics", Format::OpenMetrics100), ("text", Format::Text004)] {
        let path = format!("{}/src/metrics/golden/page.{name}", env!("CARGO_MANIFEST_DIR"));
        let page = page(&small, format);
        if std::env::var_os("GOROSCOPE_UPDATE_GOLDEN").is_some() {
            std::fs::write(&path, &page).unwrap();
        }
        let golden = std::fs::read_to_string(&path).unwrap();
        assert_eq!(page, golden, "{name}: if that is meant, run with GOROSCOPE_UPDATE_GOLDEN=1 and read the difference");
    }
}

#[test]
fn what_is_not_counted_is_absent_and_what_never_happened_is_zero() {
    let samples = samples(&page(&full(), Format::Text004));
    assert_eq!(samples.get(r#"goroscope_sleeps_total{process="tool"}"#), Some(&0.0));
    let of_tool: Vec<_> = samples.keys().filter(|series| series.contains(r#"process="tool""#)).collect();
    assert_eq!(of_tool.len(), 1, "gauges of the dead or families not counted: {of_tool:?}");
    assert_eq!(samples.get(r#"goroscope_agent_events_lost_total{reason="counters_full"}"#), Some(&0.0));
    assert_eq!(samples.get(r#"goroscope_agent_events_lost_total{reason="sites_full"}"#), Some(&5.0));
}

#[test]
fn labels_are_in_order_and_empty_ones_absent() {
    let page = page(&full(), Format::Text004);
    for series in [
        r#"goroscope_map_writes_total{process="etcd",unit="etcd.service",pid="42",variant="fast32"} 102"#,
        r#"goroscope_goroutine_starts_total{process="api",container="c0ffee"} 100"#,
        r#"goroscope_sampling_ratio{process="api",container="c0ffee",family="map"} 0.001"#,
        r#"goroscope_agent_refusals{process="old",family="all",reason="go_version"} 1"#,
    ] {
        assert!(page.lines().any(|line| line == series), "{series} is not in\n{page}");
    }
}

#[test]
fn the_order_of_groups_does_not_show() {
    let mut turned = full();
    turned.groups.reverse();
    assert_eq!(page(&full(), Format::Text004), page(&turned, Format::Text004));
}

#[test]
fn names_that_become_one_are_added_not_doubled() {
    let long = |end: char| identity(&format!("{}{end}", "x".repeat(VALUE_BYTES_MAX)));
    let mut first = group(long('a'));
    first.sampling_ratio.insert(Family::Map, 0.5);
    first.sites.get_mut(&Family::Goroutine).unwrap().named.push(("other".into(), 1));
    let samples = samples(&page(&report(vec![first, group(long('b'))]), Format::Text004));
    let of = |name: &str| samples.iter().filter(|(series, _)| series.starts_with(name)).map(|(_, value)| *value).collect::<Vec<_>>();
    assert_eq!(of("goroscope_goroutine_starts_total"), [200.0]);
    assert_eq!(of("goroscope_sampling_ratio"), [1.0, 0.001, 1.0]);
    assert_eq!(of("goroscope_process_info"), [1.0]);
    assert_eq!(of("goroscope_goroutine_starts_by_site_total"), [80.0, 14.0, 7.0]);
}

#[test]
fn detail_goes_first_and_is_counted() {
    let groups: Vec<_> = (0..10).map(|i| group(identity(&format!("p{i}")))).collect();
    let report = report(groups);
    // Per process: 13 kinds, 3 ratios and a start, 20 of memory and two histograms of 5, 1 finding and its limit; 1 info; 2 waits; 3 families of 3 sites and one of 2.
    // Two refusals.
    let (totals, info, waits, sites) = (10 * (17 + 30 + 2), 10 + 2, 10 * 2, 10 * 11);
    let check = |limit: usize, expected: [usize; 4]| {
        let metrics = Metrics::new(limit, "", "");
        let names = |page: &str| samples(page).into_keys().collect::<BTreeSet<_>>();
        let first = metrics.page(&report, None).render(Format::Text004).unwrap();
        let second = metrics.page(&report, None).render(Format::Text004).unwrap();
        assert_eq!(names(&first), names(&second), "another choice at the next scrape");
        let samples = samples(&first);
        for (detail, dropped) in ["totals", "info", "waits", "sites"].iter().zip(expected) {
            let series = format!("goroscope_agent_series_dropped_total{{detail=\"{detail}\"}}");
            assert_eq!(samples[&series], dropped as f64, "limit {limit}");
        }
        let own = samples.keys().filter(|series| series.starts_with("goroscope_agent_") && !series.contains("_refusals")).count();
        let shown = totals + info + waits + sites - expected.iter().sum::<usize>();
        assert_eq!(samples.len() - own, shown, "limit {limit}");
        assert_eq!(samples["goroscope_agent_series"], shown as f64);
        assert!(shown <= limit);
    };
    check(totals + info + waits + sites, [0, 0, 0, 0]);
    check(totals + info + waits + sites - 1, [0, 0, 0, 3]);
    check(totals + info + 2, [0, 0, waits - 2, sites]);
    check(totals + 4, [0, info - 4, waits, sites]);
    check(totals - 1, [2, info, waits, sites]);
    check(0, [totals, info, waits, sites]);
}

/// `promtool check metrics` reads text 0.0.4. Its path comes from the environment; CI demands it.
#[test]
fn promtool_has_no_complaint() {
    let Some(promtool) = std::env::var_os("GOROSCOPE_PROMTOOL") else {
        assert!(std::env::var_os("GOROSCOPE_REQUIRE_PROMTOOL").is_none(), "GOROSCOPE_PROMTOOL must name promtool");
        return;
    };
    use std::{
        io::Write,
        process::{Command, Stdio},
    };
    let (stdin, piped) = (Stdio::piped(), Stdio::piped);
    let mut child = Command::new(promtool).args(["check", "metrics"]).stdin(stdin).stdout(piped()).stderr(piped()).spawn().unwrap();
    child.stdin.take().unwrap().write_all(page(&full(), Format::Text004).as_bytes()).unwrap();
    let output = child.wait_with_output().unwrap();
    // The one remark that is allowed: the semantic conventions chose this name.
    let remarks = String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr);
    let allowed = r#"go_goroutine_count non-histogram and non-summary metrics should not have "_count" suffix"#;
    assert_eq!(remarks.lines().filter(|line| *line != allowed).collect::<Vec<_>>(), Vec::<&str>::new());
}

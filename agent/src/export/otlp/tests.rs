//! Exports of made-up Reports, decoded again.

use std::{collections::BTreeMap, io::Read as _, sync::Arc, time::Duration};

use flate2::read::GzDecoder;
use goroscope_abi::{Family as ProbeFamily, Kind};

use super::*;
use crate::{
    metrics::Metrics,
    model::{AgentReport, Count, GroupReport, Histogram as Durations, Identity, Info, Report, RuntimeCounters, Since, Sites},
};

fn at(seconds: u64) -> SystemTime {
    UNIX_EPOCH + Duration::from_secs(seconds)
}

fn origin() -> Origin {
    Origin { host: "node-1".into(), node: Some("k8s-1".into()), version: "0.1.0", pid: 7, started_at: at(1_000) }
}

fn group(process: &str, container: Option<&str>) -> GroupReport {
    GroupReport {
        identity: Identity { process: process.into(), container: container.map(Into::into), ..Identity::default() },
        started_at: Some(at(500)),
        since: Some(Since { process: at(500), probes: at(600) }),
        counts: BTreeMap::from([(Kind::GoroutineStart, Count::exact(40)), (Kind::MapAssignFast32, Count::exact(3))]),
        sites: BTreeMap::from([(ProbeFamily::Map, Sites { named: vec![("main.work".into(), 2)], other: 1 })]),
        counters: Some(RuntimeCounters {
            gc_cycles: 9,
            gc_pauses: Some(Durations::new(vec![(0.001, 5), (0.01, 2), (f64::INFINITY, 1)], 0.25)),
            allocated_bytes: Some(u64::MAX),
            ..RuntimeCounters::default()
        }),
        info: vec![Info {
            go_version: "go1.26.8".into(),
            build_id: "a/b".into(),
            module: "example.com/api".into(),
            module_version: "v1.2.3".into(),
            ..Info::default()
        }],
        ..GroupReport::default()
    }
}

fn export(groups: Vec<GroupReport>) -> ExportMetricsServiceRequest {
    let report = Report { taken_at: at(2_000), processes: Vec::new(), groups, agent: AgentReport::default() };
    let bytes = encode(&Metrics::new(1_000, "0.1.0", "abc").page(&report, None), &origin()).unwrap();
    let mut message = Vec::new();
    GzDecoder::new(&bytes[..]).read_to_end(&mut message).unwrap();
    ExportMetricsServiceRequest::decode(&message[..]).unwrap()
}

fn shown(attributes: &[KeyValue]) -> BTreeMap<String, String> {
    let value = |value: &AnyValue| match value.value.as_ref().unwrap() {
        any_value::Value::StringValue(text) => text.clone(),
        any_value::Value::IntValue(number) => number.to_string(),
        other => panic!("{other:?}"),
    };
    let shown: BTreeMap<_, _> = attributes.iter().map(|pair| (pair.key.clone(), value(pair.value.as_ref().unwrap()))).collect();
    assert_eq!(shown.len(), attributes.len(), "an attribute is there twice: {attributes:?}");
    shown
}

fn resource(resource: &ResourceMetrics) -> BTreeMap<String, String> {
    shown(&resource.resource.as_ref().unwrap().attributes)
}

fn metric<'a>(resource: &'a ResourceMetrics, name: &str) -> &'a Metric {
    resource.scope_metrics[0].metrics.iter().find(|metric| metric.name == name).unwrap_or_else(|| panic!("no {name}"))
}

#[test]
fn each_label_set_is_a_resource_and_the_agent_is_one() {
    let request = export(vec![group("web", None), group("api", Some("c0ffee"))]);
    let resources: Vec<_> = request.resource_metrics.iter().map(resource).collect();
    let names: Vec<_> = resources.iter().map(|resource| resource["service.name"].as_str()).collect();
    assert_eq!(names, ["goroscope", "api", "web"]);
    assert_eq!(resources[0]["process.pid"], "7");
    let web: Vec<_> = resources[2].iter().map(|(key, value)| format!("{key}={value}")).collect();
    let expected = [
        "goroscope.module.path=example.com/api",
        "goroscope.module.version=v1.2.3",
        "host.name=node-1",
        "k8s.node.name=k8s-1",
        "process.executable.build_id.go=a/b",
        "process.executable.name=web",
        "process.runtime.name=go",
        "process.runtime.version=go1.26.8",
        "service.instance.id=node-1",
        "service.name=web",
        "service.version=v1.2.3",
    ];
    assert_eq!(web, expected);
    assert_eq!(resources[1]["container.id"], "c0ffee");
    assert_eq!(resources[1]["service.instance.id"], "node-1.c0ffee");
    for resource in &request.resource_metrics {
        let scope = resource.scope_metrics[0].scope.as_ref().unwrap();
        assert_eq!((scope.name.as_str(), scope.version.as_str(), resource.schema_url.as_str()), ("goroscope", "0.1.0", SCHEMA_URL));
    }
}

/// Labels of a process and of its info, and the attributes of service.* that they give.
fn check_service(labels: &[(&'static str, &str)], info: &[(&'static str, &str)], first: bool, expected: [&str; 3]) {
    let owned = |pairs: &[(&'static str, &str)]| pairs.iter().map(|(name, value)| (*name, Arc::from(*value))).collect::<Vec<Label>>();
    let (labels, info) = (owned(labels), owned(info));
    let attributes = shown(&resource::of_process(&labels, &[&info], crate::metrics::Subject::default(), first, &origin()));
    let service = ["service.namespace", "service.name", "service.instance.id"].map(|key| attributes.get(key).map_or("", String::as_str));
    assert_eq!(service, expected, "{labels:?} {info:?}");
}

#[test]
fn a_service_is_called_as_the_conventions_say() {
    let pod = [("namespace", "shop"), ("pod", "api-7d-x"), ("container", "main"), ("process", "api")];
    let workload = |kind| [("workload_type", kind), ("workload", "api"), ("pod_uid", "u"), ("container_id", "c0ffee")];
    check_service(&pod, &workload("Deployment"), true, ["shop", "api", "shop.api-7d-x.main"]);
    check_service(&pod, &workload("StatefulSet"), true, ["shop", "api", "shop.api-7d-x.main"]);
    check_service(&pod, &workload("Rollout"), true, ["shop", "api-7d-x", "shop.api-7d-x.main"]);
    check_service(&pod, &[], false, ["shop", "api-7d-x", "shop.api-7d-x.main.api"]);
    check_service(&[("process", "etcd"), ("unit", "etcd.service")], &[], true, ["", "etcd", "node-1.etcd.service"]);
    check_service(&[("process", "etcd"), ("pid", "42")], &[], true, ["", "etcd", "node-1.42"]);
    check_service(&[], &[], true, ["", "unknown_service:go", "node-1"]);
}

#[test]
fn attributes_that_processes_do_not_agree_on_are_left_out() {
    let mut two = group("web", None);
    two.info.push(Info { go_version: "go1.25.1".into(), ..two.info[0].clone() });
    let request = export(vec![two]);
    let web = resource(&request.resource_metrics[1]);
    assert!(
        !web.contains_key("process.runtime.version") && web["process.runtime.name"] == "go" && web["service.version"] == "v1.2.3",
        "{web:?}"
    );
}

#[test]
fn counters_are_cumulative_since_they_were_zero() {
    let request = export(vec![group("web", None)]);
    let web = &request.resource_metrics[1];
    let sum = |name: &str| match metric(web, name).data.as_ref().unwrap() {
        Data::Sum(sum) => sum.clone(),
        other => panic!("{other:?}"),
    };
    let seconds = |nanos: u64| nanos / 1_000_000_000;
    let writes = sum("goroscope.map.writes");
    assert!(writes.is_monotonic && writes.aggregation_temporality == AggregationTemporality::Cumulative as i32);
    let point = &writes.data_points[0];
    assert_eq!((seconds(point.start_time_unix_nano), seconds(point.time_unix_nano)), (600, 2_000), "probes");
    assert_eq!(point.value, Some(number_data_point::Value::AsInt(3)));
    assert_eq!(shown(&point.attributes), BTreeMap::from([("variant".to_owned(), "fast32".to_owned())]));
    assert_eq!(seconds(sum("goroscope.goroutine.starts").data_points[0].start_time_unix_nano), 500, "memory knows them from the start");
    assert_eq!(seconds(sum("goroscope.map.writes.by_site").data_points[0].start_time_unix_nano), 600);
    let allocated = &sum("go.memory.allocated").data_points[0];
    assert_eq!(allocated.value, Some(number_data_point::Value::AsInt(i64::MAX)), "no wrap");
    let lost = match metric(&request.resource_metrics[0], "goroscope.agent.events.lost").data.as_ref().unwrap() {
        Data::Sum(sum) => seconds(sum.data_points[0].start_time_unix_nano),
        other => panic!("{other:?}"),
    };
    assert_eq!(lost, 1_000, "the agent counts since it started");
}

#[test]
fn histograms_have_explicit_bounds() {
    let request = export(vec![group("web", None)]);
    let pauses = metric(&request.resource_metrics[1], "go.memory.gc.pause.duration");
    assert_eq!(pauses.unit, "s");
    let Data::Histogram(histogram) = pauses.data.as_ref().unwrap() else { panic!("{pauses:?}") };
    let point = &histogram.data_points[0];
    assert_eq!((&point.explicit_bounds[..], &point.bucket_counts[..]), (&[0.001, 0.01][..], &[5, 2, 1][..]));
    assert_eq!((point.count, point.sum), (8, Some(0.25)));
}

#[test]
fn infos_are_attributes_not_metrics() {
    let request = export(vec![group("web", None)]);
    let names = request.resource_metrics.iter().flat_map(|resource| &resource.scope_metrics[0].metrics).map(|metric| metric.name.as_str());
    assert!(!names.clone().any(|name| name.contains("info")), "{:?}", names.collect::<Vec<_>>());
}

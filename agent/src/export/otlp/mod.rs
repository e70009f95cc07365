//! A page of metrics as one OTLP/HTTP export: the same families as `/metrics`, under OpenTelemetry's names.
//!
//! In: a [`Page`], and who sends it. Out: bytes, a gzip-compressed `ExportMetricsServiceRequest`. Must not know: where they go, which
//! metrics there are.
//!
//! Each label set of processes is a Resource of its own ([`resource`]); what the agent says of itself is one more. Families of type info
//! are no metrics here: what they say are attributes of the Resource. Counters and histograms are cumulative, since the time that their
//! sample says.

mod resource;
#[cfg(test)]
mod tests;

use std::{
    collections::{BTreeMap, BTreeSet},
    io::{self, Write as _},
    sync::Arc,
    time::{SystemTime, UNIX_EPOCH},
};

use flate2::{Compression, write::GzEncoder};
use opentelemetry_proto::tonic::{
    collector::metrics::v1::ExportMetricsServiceRequest,
    common::v1::{AnyValue, InstrumentationScope, KeyValue, any_value},
    metrics::v1::{
        AggregationTemporality, Gauge, Histogram, HistogramDataPoint, Metric, NumberDataPoint, ResourceMetrics, ScopeMetrics, Sum,
        metric::Data, number_data_point,
    },
    resource::v1::Resource,
};
use prost::Message as _;

use crate::metrics::{Family, Label, Page, Sample, Type, Value};

/// The version of the semantic conventions that names and attributes are taken from.
pub const SCHEMA_URL: &str = "https://opentelemetry.io/schemas/1.43.0";

/// Who exports.
#[derive(Clone, Debug)]
pub struct Origin {
    /// The host's name.
    pub host: String,
    /// The Kubernetes node's name, where there is one.
    pub node: Option<String>,
    /// The agent's version.
    pub version: &'static str,
    /// The agent's pid.
    pub pid: u32,
    /// When the agent started: since then it counts what it says of itself.
    pub started_at: SystemTime,
}

/// The export of one page, compressed.
///
/// # Errors
/// Only what compressing into memory returns: none.
pub fn encode(page: &Page, origin: &Origin) -> io::Result<Vec<u8>> {
    let mut gzip = GzEncoder::new(Vec::new(), Compression::fast());
    gzip.write_all(&request(page, origin).encode_to_vec())?;
    gzip.finish()
}

/// How many points of an export were refused, and why: what a receiver's answer says. None where it took all.
#[must_use]
pub fn refused(response: &[u8]) -> Option<(i64, String)> {
    use opentelemetry_proto::tonic::collector::metrics::v1::ExportMetricsServiceResponse;
    let partial = ExportMetricsServiceResponse::decode(response).ok()?.partial_success?;
    (partial.rejected_data_points > 0).then_some((partial.rejected_data_points, partial.error_message))
}

/// The labels of one process' samples; empty for the agent itself.
type Shared = Arc<[Label]>;

fn request(page: &Page, origin: &Origin) -> ExportMetricsServiceRequest {
    let mut metrics: BTreeMap<&Shared, Vec<Metric>> = BTreeMap::new();
    let mut infos: BTreeMap<&Shared, Vec<&[Label]>> = BTreeMap::new();
    for family in page.families() {
        let mut by_process: BTreeMap<&Shared, Vec<&Sample>> = BTreeMap::new();
        family.samples.iter().for_each(|sample| by_process.entry(sample.labels.of_process()).or_default().push(sample));
        for (labels, samples) in by_process {
            if family.descriptor.kind() == Type::Info {
                infos.entry(labels).or_default().extend(samples.iter().map(|sample| sample.labels.own()));
            } else {
                metrics.entry(labels).or_default().push(metric(family, &samples, page.taken_at(), origin.started_at));
            }
        }
    }
    let first = first_of_container(page, metrics.keys().copied());
    let resources = metrics.into_iter().map(|(labels, metrics)| {
        let info = infos.get(labels).map_or(&[][..], Vec::as_slice);
        let attributes = if labels.is_empty() {
            resource::of_agent(origin)
        } else {
            resource::of_process(labels, info, page.subject(labels), first.contains(labels), origin)
        };
        resource_metrics(attributes, metrics, origin.version)
    });
    ExportMetricsServiceRequest { resource_metrics: resources.collect() }
}

/// Of the label sets of each container the one whose process is the oldest: it is the container's service.
fn first_of_container<'a>(page: &Page, sets: impl Iterator<Item = &'a Shared>) -> BTreeSet<&'a Shared> {
    let mut oldest: BTreeMap<String, (bool, Option<SystemTime>, &Shared)> = BTreeMap::new();
    for labels in sets {
        let started_at = page.subject(labels).started_at;
        // The dead come last: those that live keep what they are called.
        let rank = (started_at.is_none(), started_at, labels);
        let first = oldest.entry(resource::container(labels)).or_insert(rank);
        *first = (*first).min(rank);
    }
    oldest.into_values().map(|(_, _, labels)| labels).collect()
}

fn resource_metrics(attributes: Vec<KeyValue>, metrics: Vec<Metric>, version: &str) -> ResourceMetrics {
    let scope = InstrumentationScope { name: "goroscope".to_owned(), version: version.to_owned(), ..InstrumentationScope::default() };
    let schema_url = SCHEMA_URL.to_owned();
    ResourceMetrics {
        resource: Some(Resource { attributes, ..Resource::default() }),
        scope_metrics: vec![ScopeMetrics { scope: Some(scope), metrics, schema_url: schema_url.clone() }],
        schema_url,
    }
}

/// One family of one Resource. `started_at` is since when is counted what does not say it.
fn metric(family: &Family, samples: &[&Sample], taken_at: SystemTime, started_at: SystemTime) -> Metric {
    let descriptor = family.descriptor;
    let cumulative = AggregationTemporality::Cumulative.into();
    let time = nanos(taken_at);
    let start = |sample: &Sample| nanos(sample.since.unwrap_or(started_at).min(taken_at));
    let data = match descriptor.kind() {
        Type::Counter => {
            let data_points = samples.iter().filter_map(|sample| number(sample, start(sample), time)).collect();
            Data::Sum(Sum { data_points, aggregation_temporality: cumulative, is_monotonic: true })
        }
        Type::Gauge | Type::Info => {
            Data::Gauge(Gauge { data_points: samples.iter().filter_map(|sample| number(sample, 0, time)).collect() })
        }
        Type::Histogram => {
            let data_points = samples.iter().filter_map(|sample| histogram(sample, start(sample), time)).collect();
            Data::Histogram(Histogram { data_points, aggregation_temporality: cumulative })
        }
    };
    Metric {
        name: descriptor.otel_name(),
        description: descriptor.help().to_owned(),
        unit: descriptor.otel_unit(),
        metadata: Vec::new(),
        data: Some(data),
    }
}

fn number(sample: &Sample, start_time_unix_nano: u64, time_unix_nano: u64) -> Option<NumberDataPoint> {
    let value = match &sample.value {
        Value::Count(count) => number_data_point::Value::AsInt(i64::try_from(*count).unwrap_or(i64::MAX)),
        Value::Float(float) => number_data_point::Value::AsDouble(*float),
        Value::Histogram(_) => return None,
    };
    let attributes = attributes(sample);
    Some(NumberDataPoint { attributes, start_time_unix_nano, time_unix_nano, value: Some(value), ..NumberDataPoint::default() })
}

fn histogram(sample: &Sample, start_time_unix_nano: u64, time_unix_nano: u64) -> Option<HistogramDataPoint> {
    let Value::Histogram(histogram) = &sample.value else { return None };
    Some(HistogramDataPoint {
        attributes: attributes(sample),
        start_time_unix_nano,
        time_unix_nano,
        count: histogram.count(),
        sum: Some(histogram.sum()),
        bucket_counts: histogram.buckets().iter().map(|(_, count)| *count).collect(),
        // The last bucket has no bound.
        explicit_bounds: histogram.buckets().iter().map(|(bound, _)| *bound).filter(|bound| bound.is_finite()).collect(),
        ..HistogramDataPoint::default()
    })
}

/// What tells a sample from others of its Resource.
fn attributes(sample: &Sample) -> Vec<KeyValue> {
    // Labels that the semantic conventions know carry their names: go_memory_type is go.memory.type.
    let name = |label: &str| if label.starts_with("go_") { label.replace('_', ".") } else { label.to_owned() };
    sample.labels.own().iter().map(|(label, value)| text(&name(label), value)).collect()
}

fn text(key: &str, value: &str) -> KeyValue {
    attribute(key, any_value::Value::StringValue(value.to_owned()))
}

fn attribute(key: &str, value: any_value::Value) -> KeyValue {
    KeyValue { key: key.to_owned(), value: Some(AnyValue { value: Some(value) }), ..KeyValue::default() }
}

fn nanos(time: SystemTime) -> u64 {
    u64::try_from(time.duration_since(UNIX_EPOCH).unwrap_or_default().as_nanos()).unwrap_or(u64::MAX)
}

//! Families as OpenMetrics 1.0, rendered by `prometheus-client`.
//!
//! In: families. Out: text. Must not know: where families come from.

use std::fmt;

use prometheus_client::{
    collector::Collector,
    encoding::{DescriptorEncoder, EncodeLabel, EncodeLabelSet, LabelSetEncoder, MetricEncoder, NoLabelSet, text},
    metrics::MetricType,
    registry::{Registry, Unit},
};

use super::family::{Descriptor, Family, Labels, Sample, Type, Value};

/// The page.
pub(super) fn render(families: Vec<Family>) -> Result<String, fmt::Error> {
    let mut registry = Registry::default();
    registry.register_collector(Box::new(Scrape(families)));
    let mut page = String::new();
    text::encode(&mut page, &registry)?;
    Ok(page)
}

#[derive(Debug)]
struct Scrape(Vec<Family>);

impl Collector for Scrape {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> fmt::Result {
        for Family { descriptor, samples } in &self.0 {
            let unit = descriptor.unit.map(|unit| Unit::Other(unit.to_owned()));
            let mut family = encoder.encode_descriptor(descriptor.stem(), descriptor.help, unit.as_ref(), metric_type(descriptor))?;
            for sample in samples {
                encode_sample(&mut family, descriptor, sample)?;
            }
        }
        Ok(())
    }
}

const fn metric_type(descriptor: &Descriptor) -> MetricType {
    match descriptor.kind {
        Type::Counter => MetricType::Counter,
        Type::Gauge => MetricType::Gauge,
        Type::Histogram => MetricType::Histogram,
        Type::Info => MetricType::Info,
    }
}

fn encode_sample(family: &mut MetricEncoder<'_>, descriptor: &Descriptor, Sample { labels, value, .. }: &Sample) -> fmt::Result {
    if descriptor.kind == Type::Info {
        return family.encode_info(labels);
    }
    // A family without labels would be written with `{}`: right, but not what people expect.
    if labels.is_empty() {
        encode_value(family, descriptor.kind, value)
    } else {
        encode_value(&mut family.encode_family(labels)?, descriptor.kind, value)
    }
}

fn encode_value(encoder: &mut MetricEncoder<'_>, kind: Type, value: &Value) -> fmt::Result {
    match (kind, value) {
        (Type::Counter, Value::Count(count)) => encoder.encode_counter::<NoLabelSet, u64, u64>(count, None),
        (Type::Counter, Value::Float(float)) => encoder.encode_counter::<NoLabelSet, f64, f64>(float, None),
        (_, Value::Count(count)) => encoder.encode_gauge(count),
        (_, Value::Float(float)) => encoder.encode_gauge(float),
        (_, Value::Histogram(histogram)) => {
            encoder.encode_histogram::<NoLabelSet>(histogram.sum(), histogram.count(), histogram.buckets(), None)
        }
    }
}

impl EncodeLabelSet for Labels {
    fn encode(&self, encoder: &mut LabelSetEncoder<'_>) -> fmt::Result {
        for pair in self.iter() {
            pair.encode(encoder.encode_label())?;
        }
        Ok(())
    }
}

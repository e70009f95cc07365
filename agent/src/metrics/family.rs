//! The families of a page before they have a format: descriptor, label sets, values.
//!
//! In: samples in any order. Out: families in the order of their names, samples in the order of their labels, no label set twice.
//! Must not know: Reports, formats.

use std::{cmp::Ordering, collections::BTreeMap, sync::Arc, time::SystemTime};

use super::label;
use crate::model::Histogram;

/// A label. The value is clean (see [`label::clean`]).
pub type Label = (&'static str, Arc<str>);

/// What `# TYPE` says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Type {
    /// Only rises.
    Counter,
    /// Rises and falls.
    Gauge,
    /// How many observations there were up to each bound.
    Histogram,
    /// Always 1: the labels are the news.
    Info,
}

/// What becomes of two samples of one label set (two hostile names can become one when they are cleaned).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Merge {
    /// They are added.
    Sum,
    /// The smaller one stays.
    Min,
    /// The larger one stays.
    Max,
    /// One of them stays: they are equal.
    Same,
}

/// What a family is.
#[derive(Debug)]
pub struct Descriptor {
    /// The name of its samples, as text 0.0.4 has it: with unit, `_total` and `_info`.
    pub(super) name: &'static str,
    /// `# TYPE`.
    pub(super) kind: Type,
    /// The unit that the name carries.
    pub(super) unit: Option<&'static str>,
    /// What is counted, in the semantic conventions' word.
    pub(super) things: Option<&'static str>,
    /// See [`Merge`].
    pub(super) merge: Merge,
    /// `# HELP`: one line, no backslash (`prometheus-client` does not escape it).
    pub(super) help: &'static str,
}

impl Descriptor {
    /// A counter; `name` ends in `_total`.
    pub(super) const fn counter(name: &'static str, help: &'static str) -> Self {
        Self { name, kind: Type::Counter, unit: None, things: None, merge: Merge::Sum, help }
    }

    /// A gauge that is added up when label sets fall together.
    pub(super) const fn gauge(name: &'static str, help: &'static str) -> Self {
        Self { name, kind: Type::Gauge, unit: None, things: None, merge: Merge::Sum, help }
    }

    /// A histogram; its samples add `_bucket`, `_sum` and `_count` to the name.
    pub(super) const fn histogram(name: &'static str, help: &'static str) -> Self {
        Self { name, kind: Type::Histogram, unit: None, things: None, merge: Merge::Sum, help }
    }

    /// An info; `name` ends in `_info`.
    pub(super) const fn info(name: &'static str, help: &'static str) -> Self {
        Self { name, kind: Type::Info, unit: None, things: None, merge: Merge::Same, help }
    }

    /// The unit that the name carries (before `_total`).
    pub(super) const fn unit(mut self, unit: &'static str) -> Self {
        self.unit = Some(unit);
        self
    }

    /// What is counted, where the semantic conventions say so: a unit in braces that no name carries.
    pub(super) const fn things(mut self, things: &'static str) -> Self {
        self.things = Some(things);
        self
    }

    /// What becomes of two samples of one label set.
    pub(super) const fn merge(mut self, merge: Merge) -> Self {
        self.merge = merge;
        self
    }

    /// What sort of samples it has.
    #[must_use]
    pub const fn kind(&self) -> Type {
        self.kind
    }

    /// What it means, in a sentence or two.
    #[must_use]
    pub const fn help(&self) -> &'static str {
        self.help
    }

    /// The name in OpenTelemetry, without unit and type: words between dots. Where a semantic convention has the metric, this is
    /// its name; a Prometheus that receives it makes the name of its samples from it again.
    #[must_use]
    pub fn otel_name(&self) -> String {
        self.stem().replace('_', ".").replace(".by.", ".by_")
    }

    /// The unit in OpenTelemetry (UCUM); empty where there is none.
    #[must_use]
    pub fn otel_unit(&self) -> String {
        match (self.unit, self.things) {
            (Some("bytes"), _) => "By".to_owned(),
            (Some("seconds"), _) => "s".to_owned(),
            (Some("percent"), _) => "%".to_owned(),
            (Some(unit), _) => unit.to_owned(),
            (None, Some(things)) => format!("{{{things}}}"),
            (None, None) => String::new(),
        }
    }

    /// The name without `_total`, `_info` and unit: `prometheus-client` puts them there itself.
    pub(super) fn stem(&self) -> &'static str {
        let base = match self.kind {
            Type::Counter => self.name.strip_suffix("_total"),
            Type::Info => self.name.strip_suffix("_info"),
            Type::Gauge | Type::Histogram => None,
        }
        .unwrap_or(self.name);
        self.unit.and_then(|unit| base.strip_suffix(unit)?.strip_suffix('_')).unwrap_or(base)
    }
}

/// The labels of a sample: those of the process, shared by its samples, and those of the sample itself.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Labels {
    shared: Arc<[Label]>,
    own: Vec<Label>,
}

impl Labels {
    /// Labels of a process and no others.
    pub(super) fn shared(shared: &Arc<[Label]>) -> Self {
        Self { shared: Arc::clone(shared), own: Vec::new() }
    }

    /// One more label; an empty value is no label.
    pub(super) fn with(mut self, name: &'static str, value: &str) -> Self {
        if !value.is_empty() {
            self.own.push((name, label::clean(value)));
        }
        self
    }

    /// The labels in their order.
    pub(super) fn iter(&self) -> impl Iterator<Item = (&'static str, &str)> {
        self.shared.iter().chain(&self.own).map(|(name, value)| (*name, value.as_ref()))
    }

    /// Those of the process, the same for all its samples; none where a sample is not of one.
    #[must_use]
    pub const fn of_process(&self) -> &Arc<[Label]> {
        &self.shared
    }

    /// Those of the sample itself.
    #[must_use]
    pub fn own(&self) -> &[Label] {
        &self.own
    }

    /// Whether there is none.
    pub(super) fn is_empty(&self) -> bool {
        self.shared.is_empty() && self.own.is_empty()
    }
}

/// A number, never NaN or infinite; or many.
#[derive(Clone, Debug, PartialEq)]
pub enum Value {
    /// A number of things.
    Count(u64),
    /// Seconds, shares.
    Float(f64),
    /// Observations by size.
    Histogram(Histogram),
}

impl Value {
    fn merged(self, other: Self, merge: Merge) -> Self {
        match (self, other, merge) {
            (first, _, Merge::Same) => first,
            (Self::Count(a), Self::Count(b), Merge::Sum) => Self::Count(a.saturating_add(b)),
            (Self::Count(a), Self::Count(b), Merge::Min) => Self::Count(a.min(b)),
            (Self::Count(a), Self::Count(b), Merge::Max) => Self::Count(a.max(b)),
            (Self::Float(a), Self::Float(b), Merge::Max) => Self::Float(a.max(b)),
            (Self::Histogram(mut a), Self::Histogram(b), _) => {
                a.add(&b);
                Self::Histogram(a)
            }
            (Self::Float(a), Self::Float(b), Merge::Sum) => Self::Float(a + b),
            (Self::Float(a), Self::Float(b), Merge::Min) => Self::Float(a.min(b)),
            // One family is always filled with one of both.
            (first, _, _) => first,
        }
    }

    /// How many series it is.
    pub(super) fn series(&self) -> usize {
        match self {
            Self::Count(_) | Self::Float(_) => 1,
            Self::Histogram(histogram) => histogram.buckets().len() + 2,
        }
    }
}

/// One line of a page.
#[derive(Clone, Debug, PartialEq)]
pub struct Sample {
    /// What it is of.
    pub labels: Labels,
    /// What it says.
    pub value: Value,
    /// Since when it is counted; none for what is not counted, and for what the agent counts of itself.
    pub since: Option<SystemTime>,
}

impl Sample {
    /// A sample that is no count.
    pub(super) const fn new(labels: Labels, value: Value) -> Self {
        Self { labels, value, since: None }
    }

    /// The same, counted since then.
    pub(super) const fn since(mut self, since: Option<SystemTime>) -> Self {
        self.since = since;
        self
    }
}

/// One family with at least one sample.
#[derive(Clone, Debug)]
pub struct Family {
    /// What it is.
    pub descriptor: &'static Descriptor,
    /// In the order of their labels.
    pub samples: Vec<Sample>,
}

/// Families as they are being filled.
#[derive(Debug, Default)]
pub(super) struct Families(BTreeMap<&'static str, Family>);

impl Families {
    /// One more sample.
    pub(super) fn push(&mut self, descriptor: &'static Descriptor, labels: Labels, value: Value) {
        self.add(descriptor, Sample::new(labels, value));
    }

    /// The same.
    pub(super) fn add(&mut self, descriptor: &'static Descriptor, sample: Sample) {
        let family = self.0.entry(descriptor.name).or_insert_with(|| Family { descriptor, samples: Vec::new() });
        family.samples.push(sample);
    }

    /// The families in order, each label set once: Prometheus refuses a whole page for one that is there twice.
    pub(super) fn finish(self) -> Vec<Family> {
        self.0.into_values().map(Family::finish).collect()
    }
}

impl Family {
    fn finish(mut self) -> Self {
        let merge = self.descriptor.merge;
        self.samples.sort_by(|a, b| by_labels(&a.labels, &b.labels));
        self.samples.dedup_by(|later, kept| {
            let same = later.labels == kept.labels;
            if same {
                kept.value = std::mem::replace(&mut kept.value, Value::Count(0)).merged(later.value.clone(), merge);
                kept.since = kept.since.min(later.since);
            }
            same
        });
        self
    }
}

/// Samples of one process share their labels: most comparisons need no look at them.
fn by_labels(a: &Labels, b: &Labels) -> Ordering {
    if Arc::ptr_eq(&a.shared, &b.shared) { a.own.cmp(&b.own) } else { a.cmp(b) }
}

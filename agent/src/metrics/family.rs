//! The families of a page before they have a format: descriptor, label sets, values.
//!
//! In: samples in any order. Out: families in the order of their names, samples in the order of their labels, no label set twice.
//! Must not know: Reports, formats.

use std::{cmp::Ordering, collections::BTreeMap, sync::Arc};

use super::label;
use crate::model::Histogram;

/// A label. The value is clean (see [`label::clean`]).
pub(super) type Label = (&'static str, Arc<str>);

/// What `# TYPE` says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Type {
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
pub(super) struct Descriptor {
    /// The name of its samples, as text 0.0.4 has it: with unit, `_total` and `_info`.
    pub(super) name: &'static str,
    /// `# TYPE`.
    pub(super) kind: Type,
    /// The unit that the name carries.
    pub(super) unit: Option<&'static str>,
    /// See [`Merge`].
    pub(super) merge: Merge,
    /// `# HELP`: one line, no backslash (`prometheus-client` does not escape it).
    pub(super) help: &'static str,
}

impl Descriptor {
    /// A counter; `name` ends in `_total`.
    pub(super) const fn counter(name: &'static str, help: &'static str) -> Self {
        Self { name, kind: Type::Counter, unit: None, merge: Merge::Sum, help }
    }

    /// A gauge that is added up when label sets fall together.
    pub(super) const fn gauge(name: &'static str, help: &'static str) -> Self {
        Self { name, kind: Type::Gauge, unit: None, merge: Merge::Sum, help }
    }

    /// A histogram; its samples add `_bucket`, `_sum` and `_count` to the name.
    pub(super) const fn histogram(name: &'static str, help: &'static str) -> Self {
        Self { name, kind: Type::Histogram, unit: None, merge: Merge::Sum, help }
    }

    /// An info; `name` ends in `_info`.
    pub(super) const fn info(name: &'static str, help: &'static str) -> Self {
        Self { name, kind: Type::Info, unit: None, merge: Merge::Same, help }
    }

    /// The unit that the name carries (before `_total`).
    pub(super) const fn unit(mut self, unit: &'static str) -> Self {
        self.unit = Some(unit);
        self
    }

    /// What becomes of two samples of one label set.
    pub(super) const fn merge(mut self, merge: Merge) -> Self {
        self.merge = merge;
        self
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
pub(super) struct Labels {
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

    /// Whether there is none.
    pub(super) fn is_empty(&self) -> bool {
        self.shared.is_empty() && self.own.is_empty()
    }
}

/// A number, never NaN or infinite; or many.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Value {
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
pub(super) struct Sample {
    pub(super) labels: Labels,
    pub(super) value: Value,
}

/// One family with at least one sample.
#[derive(Clone, Debug)]
pub(super) struct Family {
    pub(super) descriptor: &'static Descriptor,
    pub(super) samples: Vec<Sample>,
}

/// Families as they are being filled.
#[derive(Debug, Default)]
pub(super) struct Families(BTreeMap<&'static str, Family>);

impl Families {
    /// One more sample.
    pub(super) fn push(&mut self, descriptor: &'static Descriptor, labels: Labels, value: Value) {
        let family = self.0.entry(descriptor.name).or_insert_with(|| Family { descriptor, samples: Vec::new() });
        family.samples.push(Sample { labels, value });
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

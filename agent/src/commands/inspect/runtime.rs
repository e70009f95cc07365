//! What `inspect` tells about the Go runtime's memory. Input noun: [`GoBinary`]. Output noun: [`RuntimeFacts`]. Must not know live
//! memory.

use std::collections::BTreeMap;

use goroscope_gobin::{GoBinary, LayoutSource};
use serde::Serialize;

/// Where variables lie and who says how structs are laid out; or why neither is known.
#[derive(Debug, Default, Serialize)]
pub(super) struct RuntimeFacts {
    /// `dwarf` or `table`.
    pub(super) layout: Option<&'static str>,
    /// Addresses by Go's names, without package; none where code did not tell.
    pub(super) variables: BTreeMap<&'static str, Option<String>>,
    /// The refusal, as in metrics.
    pub(super) reason: Option<&'static str>,
    /// What is behind it.
    pub(super) detail: Option<String>,
}

pub(super) fn facts(binary: &GoBinary) -> RuntimeFacts {
    let facts = match &binary.runtime {
        Err(refusal) => {
            return RuntimeFacts { reason: Some(refusal.reason()), detail: Some(refusal.to_string()), ..RuntimeFacts::default() };
        }
        Ok(facts) => facts,
    };
    let layout = match facts.layout_source {
        LayoutSource::Dwarf => "dwarf",
        LayoutSource::Table => "table",
    };
    let variables = facts.globals.by_name().into_iter().map(|(name, address)| (name, address.map(|address| address.to_string()))).collect();
    RuntimeFacts { layout: Some(layout), variables, ..RuntimeFacts::default() }
}

//! Which process an entry of a list is about: the same keys first in every list.
//!
//! In: a [`ProcessReport`]. Out: keys of a JSON object, to be flattened into it. Must not know: what the entry says of the process.

use serde::Serialize;

use crate::model::ProcessReport;

#[derive(Serialize)]
pub(super) struct Header<'a> {
    pub(super) pid: u32,
    process: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    namespace: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pod: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    container: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    unit: Option<&'a str>,
}

impl<'a> From<&'a ProcessReport> for Header<'a> {
    fn from(ProcessReport { pid, identity, .. }: &'a ProcessReport) -> Self {
        Self {
            pid: *pid,
            process: &identity.process,
            namespace: identity.namespace.as_deref(),
            pod: identity.pod.as_deref(),
            container: identity.container.as_deref(),
            unit: identity.unit.as_deref(),
        }
    }
}

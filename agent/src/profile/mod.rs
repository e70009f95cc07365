//! The goroutines of one process at one instant, with their stacks, grouped and named: what `goroscope goroutines` tells, and what a
//! snapshot of a leak keeps.
//!
//! In: a [`Runtime`](crate::goruntime::Runtime), an [`Executable`](crate::model::Executable). Out: [`Groups`], as samples of a pprof
//! profile or as JSON. Must not know who asks, nor how memory is read.

mod groups;
mod names;

use goroscope_gobin::Frame;
use serde_json::{Value, json};

use crate::export::goroutines::Blocked;

pub use self::{
    groups::{Group, Groups, Members},
    names::Names,
};

/// Calls of a stack that are kept, unless told otherwise: what Go's own profile has.
pub const DEPTH: usize = 128;

/// Every group as JSON, the largest first. Keys may be added, not renamed.
#[must_use]
pub fn json(groups: &Groups, names: &Names) -> Vec<Value> {
    groups.list.iter().map(|(group, members)| of_group(group, members, names)).collect()
}

fn of_group(group: &Group, members: &Members, names: &Names) -> Value {
    let site = names.site(group.created_at);
    let mut value = json!({
        "count": members.count,
        "goids": members.goids,
        "state": group.state.as_str(),
        "wait_reason": group.wait.map(|wait| wait.as_str()),
        "created_by": site.map(|site| json!({ "function": site.function, "file": site.file, "line": site.line })),
        "function": names.function(group.start),
    });
    if let (Some(blocked), Some(object)) = (members.blocked.map(Blocked::from), value.as_object_mut()) {
        object.extend(json!(blocked).as_object().cloned().unwrap_or_default());
    }
    if let (Some(stack), Some(object)) = (&group.stack, value.as_object_mut()) {
        let frame = |frame: &Frame| json!({ "function": frame.function, "file": frame.file, "line": frame.line, "inlined": frame.inlined });
        let calls = names.stack(stack);
        let frames: Vec<Value> = calls
            .iter()
            .flat_map(|call| match call.frames.is_empty() {
                true => vec![json!({ "address": format!("{:#x}", call.address) })],
                false => call.frames.iter().map(frame).collect(),
            })
            .collect();
        object.insert("stack".to_owned(), frames.into());
        object.insert("stack_complete".to_owned(), stack.complete.into());
    }
    value
}

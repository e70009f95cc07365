//! `GOROSCOPE_*` variables.
//!
//! An unknown one is an error, but for those that are not meant for the agent: Kubernetes puts `GOROSCOPE_SERVICE_HOST`,
//! `GOROSCOPE_PORT_9640_TCP` and more of the kind into every pod of a namespace that has a Service named goroscope, and the
//! project's own build and tests have variables too.

use std::{ffi::OsString, path::PathBuf};

use super::{
    Key, Layer, Origin, Problem,
    key::{PREFIX, nearest},
};

/// Names the configuration file.
const CONFIG: &str = "GOROSCOPE_CONFIG";

/// Prefixes of what the project's own build and tests read: they start agents with their environment.
const PROJECT: [&str; 10] = [
    "GOROSCOPE_COMMIT",
    "GOROSCOPE_DEBIAN_MIRROR",
    "GOROSCOPE_DEBS",
    "GOROSCOPE_MATRIX",
    "GOROSCOPE_PROMETHEUS",
    "GOROSCOPE_PROMTOOL",
    "GOROSCOPE_REAL",
    "GOROSCOPE_REQUIRE_",
    "GOROSCOPE_RESULT_FILE",
    "GOROSCOPE_UPDATE_GOLDEN",
];

/// What the environment says.
#[derive(Debug, Default)]
pub(super) struct Environment {
    pub(super) layer: Layer,
    pub(super) config: Option<PathBuf>,
}

/// Takes what is meant for the agent. An empty variable is as good as none: that is how one is switched off in a unit or a manifest.
pub(super) fn read(variables: impl IntoIterator<Item = (OsString, OsString)>, problems: &mut Vec<Problem>) -> Environment {
    let mut environment = Environment::default();
    for (name, value) in variables {
        let Some(name) = name.to_str().filter(|name| name.starts_with(PREFIX)) else { continue };
        if value.is_empty() || is_for_others(name) {
            continue;
        }
        if name == CONFIG {
            environment.config = Some(PathBuf::from(value));
            continue;
        }
        let origin = Origin::Environment;
        match Key::ALL.into_iter().find(|key| key.variable() == name) {
            // What is no UTF-8 is no value of any key: the message shows it as well as can be.
            Some(key) => split(key, &value.to_string_lossy()).for_each(|value| environment.layer.push(key, value, origin.clone())),
            None => {
                let known = Key::ALL.into_iter().map(Key::variable).chain([CONFIG.to_owned()]);
                problems.push(Problem::Unknown { origin, name: name.to_owned(), nearest: nearest(name, known) });
            }
        }
    }
    environment
}

/// The values of a list are separated by commas (those in braces belong to the glob).
fn split(key: Key, value: &str) -> impl Iterator<Item = String> {
    let mut depth = 0_u32;
    let separator = move |c: char| {
        match c {
            '{' => depth += 1,
            '}' => depth = depth.saturating_sub(1),
            _ => {}
        }
        key.is_list() && c == ',' && depth == 0
    };
    value.split(separator).map(|value| value.trim().to_owned()).collect::<Vec<_>>().into_iter()
}

fn is_for_others(name: &str) -> bool {
    let service = name.ends_with("_SERVICE_HOST") || name.contains("_SERVICE_PORT");
    let port = name.split("_PORT").skip(1).any(|rest| rest.is_empty() || ["_TCP", "_UDP", "_SCTP"].iter().any(|p| rest.contains(p)));
    service || port || PROJECT.iter().any(|project| name.starts_with(project))
}

//! `goroscope doctor`: what this kernel and these capabilities allow, what will therefore not be collected, how to mend it.
//!
//! Input noun: [`Features`] (tried by the tracer) and [`Host`] (read here). Output: one line for each check. Must not know BPF.

mod checks;
mod host;
mod show;

use anyhow::Result;

use super::text;
use crate::{discovery::ProcRoot, model::Features};
use checks::{Check, State};
use host::Host;

/// Prints what can be collected here. True when everything can or, for who is `tolerant`, when nothing is missing but in part.
///
/// # Errors
/// Standard output cannot be written.
pub fn doctor(features: &Features, json: bool, tolerant: bool) -> Result<bool> {
    let checks = checks::checks(&Host::look(&ProcRoot::default()), features);
    if json {
        text::print_json(&show::Diagnosis { collectable: passes(&checks, true), complete: passes(&checks, false), checks: &checks })?;
    } else {
        text::print(&show::text(&checks, text::colours()))?;
    }
    Ok(passes(&checks, tolerant))
}

fn passes(checks: &[Check], tolerant: bool) -> bool {
    checks.iter().all(|check| check.lost.is_none() || (tolerant && check.state != State::Missing))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(state: State, lost: Option<&'static str>, expected: [bool; 2]) {
        let check = Check { name: "x", state, found: String::new(), lost, remedy: None };
        assert_eq!([false, true].map(|tolerant| passes(std::slice::from_ref(&check), tolerant)), expected, "{state:?} {lost:?}");
    }

    #[test]
    fn who_is_tolerant_takes_what_is_degraded() {
        check(State::Ok, None, [true, true]);
        check(State::Degraded, None, [true, true]);
        check(State::Degraded, Some("some"), [false, true]);
        check(State::Missing, Some("all"), [false, false]);
    }
}

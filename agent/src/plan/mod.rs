//! What to attach to an executable, and what must not be: pure.
//!
//! Input noun: [`GoBinary`]. Output noun: [`ProbePlan`]. Must not know files, processes, kernels, nor what is on right now.
//!
//! Every probe sits behind its function's stack check, where each call passes exactly once: a check that fails grows the stack
//! and starts the function over. On amd64 that is the `push rbp` behind the check where there is one, as the kernel emulates
//! it; else the conditional branch of the check itself, which the kernel emulates too, and whose hits the kernel side drops
//! when the branch is taken. On arm64 it is always the branch.
//!
//! A family is exact or absent: one function of it that cannot be probed so refuses the whole of it.

mod families;
mod site;

use std::collections::BTreeMap;

use goroscope_abi::Family;
use goroscope_gobin::{Arch, Function, GoBinary};

use crate::model::{Probe, ProbePlan, Refusal, Subject};
use families::Choice;

/// The processor that this agent was built for, and so the one it runs on.
const HOST: Option<Arch> = if cfg!(target_arch = "x86_64") {
    Some(Arch::Amd64)
} else if cfg!(target_arch = "aarch64") {
    Some(Arch::Arm64)
} else {
    None
};

/// What to attach to an executable that runs on this machine.
#[must_use]
pub fn plan(binary: &GoBinary) -> ProbePlan {
    on(HOST, Facts::of(binary))
}

/// What would be attached on a machine of the executable's own architecture.
#[must_use]
pub fn plan_at_home(binary: &GoBinary) -> ProbePlan {
    on(Some(binary.arch), Facts::of(binary))
}

/// What of a binary matters here.
#[derive(Clone, Copy, Debug)]
struct Facts<'a> {
    arch: Arch,
    functions: &'a [Function],
    ambiguous: &'a [String],
}

impl<'a> Facts<'a> {
    fn of(binary: &'a GoBinary) -> Self {
        Self { arch: binary.arch, functions: &binary.functions, ambiguous: &binary.ambiguous }
    }

    /// The function of that name, `None` if the executable does not contain it.
    fn find(self, name: &'static str) -> Result<Option<&'a Function>, Fault> {
        if self.ambiguous.iter().any(|ambiguous| ambiguous == name) {
            return Err(Fault { reason: "ambiguous_function", detail: format!("{name} has several bodies") });
        }
        Ok(self.functions.iter().find(|function| function.name == name))
    }
}

/// Why one function spoils its family.
#[derive(Debug)]
struct Fault {
    reason: &'static str,
    detail: String,
}

fn on(host: Option<Arch>, facts: Facts<'_>) -> ProbePlan {
    if host != Some(facts.arch) {
        let detail = format!("made for {}", facts.arch.as_str());
        return ProbePlan { refusals: vec![Refusal { subject: Subject::All, reason: "foreign_arch", detail }], ..ProbePlan::default() };
    }
    let mut plan = ProbePlan::default();
    for family in Family::ALL {
        match family_probes(family, facts) {
            Ok(probes) => {
                plan.probes.extend(probes);
                plan.families.push(family);
            }
            Err(refusals) => plan.refusals.extend(refusals),
        }
    }
    plan
}

/// The probes of a family, or one refusal for each reason.
fn family_probes(family: Family, facts: Facts<'_>) -> Result<Vec<Probe>, Vec<Refusal>> {
    let (mut probes, mut faults) = (Vec::new(), BTreeMap::<_, Vec<String>>::new());
    for choice in families::choices(family) {
        match probe(*choice, facts) {
            Ok(probe) => probes.extend(probe),
            Err(fault) => faults.entry(fault.reason).or_default().push(fault.detail),
        }
    }
    if faults.is_empty() {
        return Ok(probes);
    }
    let refusal = |(reason, details): (_, Vec<String>)| Refusal { subject: Subject::Family(family), reason, detail: details.join("; ") };
    Err(faults.into_iter().map(refusal).collect())
}

/// The probe for the first of the functions that the executable contains.
fn probe(choice: Choice, facts: Facts<'_>) -> Result<Option<Probe>, Fault> {
    for name in choice.names {
        let Some(function) = facts.find(name)? else { continue };
        return site::probe(function, facts.arch, choice.kind).map(Some);
    }
    if choice.always_linked {
        let detail = format!("no {}, which every Go program contains", choice.names.join(" nor "));
        return Err(Fault { reason: "missing_function", detail });
    }
    Ok(None)
}

#[cfg(test)]
mod tests;

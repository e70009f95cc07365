//! The goroutines of one process, grouped: what a census becomes before it leaves the agent.

use std::{collections::BTreeMap, sync::Arc, time::SystemTime};

use super::{Blocked, GoroutineState, Site};

/// Goroutines that were made by one statement, do the same and wait for the same.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GoroutineGroup {
    /// The `go` statement, in the function that holds it; none for the first goroutine, threads of C, and where no name is found.
    pub created_by: Option<Arc<Site>>,
    /// What they do.
    pub state: GoroutineState,
    /// What they wait for, in the runtime's words; only where they wait.
    pub wait_reason: Option<&'static str>,
    /// How many.
    pub count: u64,
    /// For how long they have not run, at least: they were met, without having run since, in all censuses of this time. None if all of
    /// them are met for the first time since they ran.
    pub blocked: Option<Blocked>,
}

/// All goroutines of one process at one instant, the runtime's own included.
#[derive(Clone, Debug, PartialEq)]
pub struct CensusReport {
    /// When.
    pub taken_at: SystemTime,
    /// The largest groups first.
    pub groups: Vec<GoroutineGroup>,
    /// Goroutines that changed while they were read, and are in no group.
    pub torn: u64,
}

/// States as metrics show them: what Go 1.26's /sched/goroutines/* tells apart.
pub const STATES: [&str; 4] = ["running", "runnable", "waiting", "not_in_go"];

impl CensusReport {
    /// Goroutines by state, of [`STATES`].
    #[must_use]
    pub fn by_state(&self) -> BTreeMap<&'static str, u64> {
        let mut states: BTreeMap<&'static str, u64> = STATES.iter().map(|state| (*state, 0)).collect();
        for group in &self.groups {
            let state = match group.state {
                GoroutineState::Running | GoroutineState::CopyingStack => "running",
                GoroutineState::Runnable | GoroutineState::Preempted => "runnable",
                GoroutineState::Waiting => "waiting",
                GoroutineState::Syscall => "not_in_go",
                GoroutineState::Dead => continue,
            };
            *states.entry(state).or_default() += group.count;
        }
        states
    }

    /// Goroutines that wait, by what for; the runtime's own reasons are one.
    #[must_use]
    pub fn waiting(&self) -> BTreeMap<&'static str, u64> {
        let mut reasons = BTreeMap::new();
        for group in self.groups.iter().filter(|group| group.state == GoroutineState::Waiting) {
            *reasons.entry(fold(group.wait_reason.unwrap_or_default())).or_default() += group.count;
        }
        reasons
    }

    /// Goroutines by the function that holds their `go` statement; those without are under an empty name.
    #[must_use]
    pub fn by_function(&self) -> BTreeMap<&str, u64> {
        let mut functions = BTreeMap::new();
        for group in &self.groups {
            let function = group.created_by.as_ref().map_or("", |site| site.function.as_str());
            *functions.entry(function).or_default() += group.count;
        }
        functions
    }
}

/// A closed set of at most 16 reasons: those of programs by name, those of the runtime itself as one.
fn fold(reason: &'static str) -> &'static str {
    match reason {
        "chan receive"
        | "chan send"
        | "select"
        | "IO wait"
        | "sleep"
        | "semacquire"
        | "sync.Cond.Wait"
        | "sync.Mutex.Lock"
        | "sync.RWMutex.RLock"
        | "sync.RWMutex.Lock"
        | "sync.WaitGroup.Wait"
        | "coroutine" => reason,
        "chan receive (nil chan)" | "chan send (nil chan)" | "select (no cases)" => "forever",
        reason if reason.starts_with("synctest") || reason.ends_with("(durable)") => "synctest",
        _ => "runtime",
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use goroscope_gobin::WaitReason;

    use super::*;

    #[test]
    fn reasons_fold_into_a_few() {
        let folded: BTreeSet<_> = WaitReason::all().into_iter().map(|reason| fold(reason.as_str())).collect();
        assert!(folded.len() <= 16, "{folded:?}");
        assert!(folded.contains("select") && folded.contains("forever") && folded.contains("runtime"));
    }
}

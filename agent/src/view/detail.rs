//! One process closely: the `go` statements whose goroutines it has, what these do, and what of it is not observed. Pure.
//!
//! In: a [`ProcessReport`] and the history. Out: a [`Detail`]. Must not know: columns, colours, keys.

use std::time::Duration;

use super::{
    history::History,
    rows::why,
    text::{bytes, harmless, number, short_path},
};
use crate::model::{GoroutineGroup, GoroutineState, ProcessReport, Site};

/// Characters of a function, a path or a line about a process.
const LONGEST: usize = 300;

/// One process closely.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Detail {
    /// Its names, and its runtime in one line.
    pub(super) title: String,
    pub(super) figures: String,
    /// Largest first; the runtime's own are left out.
    pub(super) groups: Vec<Group>,
    /// Groups that there is no room for, and their goroutines.
    pub(super) more: (usize, u64),
    /// The runtime's own goroutines.
    pub(super) own: u64,
    /// What is not observed.
    pub(super) refusals: Vec<String>,
}

/// Goroutines of one statement that do the same.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Group {
    pub(super) count: u64,
    /// More goroutines of the whole statement per minute; at its first group only.
    pub(super) slope: Option<f64>,
    /// The function with the `go` statement, and where that stands; the place is empty where there is none.
    pub(super) function: String,
    pub(super) place: String,
    /// What they do, in the runtime's words.
    pub(super) doing: &'static str,
    /// For how long the longest of them has not run, at least.
    pub(super) blocked_for: Option<Duration>,
}

impl Detail {
    /// Lines that a process needs to be shown whole: title, figures, heads, groups, refusals and what is summed up.
    pub(super) fn lines(process: &ProcessReport) -> usize {
        let groups = process.runtime.as_ref().map_or(0, |runtime| 3 + runtime.census.groups.iter().filter(|group| !is_own(group)).count());
        1 + process.refusals.len() + groups
    }

    /// The process with at most so many groups.
    pub(super) fn of(process: &ProcessReport, history: &History, room: usize) -> Self {
        let title = harmless(&format!("{} {}  {}", process.identity.process, process.pid, process.exe), LONGEST);
        let refusals = process.refusals.iter().map(why).collect();
        let Some(runtime) = &process.runtime else { return Self { title, refusals, ..Self::default() } };
        let groups = &runtime.census.groups;
        let (own, theirs): (Vec<_>, Vec<_>) = groups.iter().partition(|group| is_own(group));
        let mut shown: Vec<Group> = Vec::new();
        let mut sites: Vec<&Site> = Vec::new();
        for group in theirs.iter().take(room) {
            let site = group.created_by.as_deref();
            let slope = site.filter(|site| !sites.contains(site)).and_then(|site| history.site_slope(process.pid, site));
            sites.extend(site);
            shown.push(Group::of(group, slope));
        }
        let rest = theirs.get(room..).unwrap_or_default();
        Self {
            title,
            figures: figures(process),
            groups: shown,
            more: (rest.len(), rest.iter().fold(0, |sum, group| sum.saturating_add(group.count))),
            own: own.iter().fold(0, |sum, group| sum.saturating_add(group.count)),
            refusals,
        }
    }
}

impl Group {
    fn of(group: &GoroutineGroup, slope: Option<f64>) -> Self {
        let (function, place) = match &group.created_by {
            Some(site) => (harmless(&site.function, LONGEST), harmless(&format!("{}:{}", short_path(&site.file), site.line), LONGEST)),
            // The first goroutine, those of threads that C made, and what has no name.
            None => ("main goroutine, or C".to_owned(), String::new()),
        };
        let doing = match group.state {
            GoroutineState::Waiting => group.wait_reason.unwrap_or("waiting"),
            GoroutineState::Running | GoroutineState::CopyingStack => "running",
            GoroutineState::Runnable | GoroutineState::Preempted => "runnable",
            GoroutineState::Syscall => "system call",
            GoroutineState::Dead => "ended",
        };
        let blocked_for = group.blocked.map(|blocked| blocked.longest);
        Self { count: group.count, slope, function, place, doing, blocked_for }
    }
}

/// Made by the runtime for itself.
fn is_own(group: &GoroutineGroup) -> bool {
    group.created_by.as_ref().is_some_and(|site| site.function.starts_with("runtime."))
}

fn figures(process: &ProcessReport) -> String {
    let Some(figures) = process.runtime.as_ref().map(|runtime| &runtime.figures) else { return String::new() };
    let limit = figures.memory_limit.map_or_else(String::new, |limit| format!(", limit {}", bytes(limit)));
    let gogc = figures.gogc.map_or_else(|| "off".to_owned(), |gogc| gogc.to_string());
    // What matters most first: a small terminal shows no more.
    format!(
        "{} created, {} ended  heap {} of {}{limit}, {} GCs  GOMAXPROCS {}, {} threads  GOGC {gogc}",
        number(figures.created),
        number(figures.ended),
        bytes(figures.heap_live),
        bytes(figures.heap_goal),
        number(figures.gc_cycles),
        figures.gomaxprocs,
        figures.threads,
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::view::testing::{leaky, refused, report};

    fn of(process: &ProcessReport, room: usize) -> Detail {
        let mut history = History::default();
        for second in [0, 5, 10] {
            history.note(&report(second, vec![leaky(second)]));
        }
        Detail::of(process, &history, room)
    }

    #[test]
    fn statements_are_told_with_what_their_goroutines_do() {
        let detail = of(&leaky(10), 2);
        assert_eq!(detail.title, "leaky 10  /bin/leaky");
        let first = Group {
            count: 205,
            slope: Some(1200.0),
            function: "main.handle".into(),
            place: "leaky/main.go:35".into(),
            doing: "chan receive",
            blocked_for: Some(Duration::from_secs(10)),
        };
        let second = Group { count: 3, slope: None, doing: "select", ..first.clone() };
        assert_eq!(detail.groups, [first, second]);
        assert_eq!((detail.more, detail.own), ((1, 1), 5));
        let detail = of(&leaky(10), 20);
        let main = detail.groups.last().unwrap();
        assert_eq!(
            (main.function.as_str(), main.place.as_str(), main.doing, main.blocked_for),
            ("main goroutine, or C", "", "running", None)
        );
    }

    #[test]
    fn what_is_not_observed_is_told() {
        let detail = of(&refused(), 5);
        assert_eq!(detail.refusals, ["not observed: unsupported_go_version (go1.99?[31m)"]);
        assert_eq!((detail.groups.len(), detail.figures.as_str()), (0, ""));
    }
}

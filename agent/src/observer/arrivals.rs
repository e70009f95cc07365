//! Processes that come: who is new, whose executable is attached already, whose must be.

use std::{collections::HashSet, sync::Arc, time::Duration};

use goroscope_abi::{Family, ProcessKey};
use tracing::{info, warn};

use super::{
    Observer,
    attachment::{Attachment, State},
    births::{Birth, Look},
    clock,
    finder::{Found, Job},
    nanos,
    reader::{Subject, Task},
    switcher::Command,
    watched::{Memory, Reading, Watched},
};
use crate::{
    analysis::{Sameness, same_file},
    discovery::Listed,
    model::{self, Executable, ProbePlan, Refusal, Slot, Target},
    tracer,
};

/// How old a process is when its memory is first read whose probes were there before it: where many come, most have gone by then.
const YOUNG: Duration = Duration::from_secs(1);

fn grown_ns(subject: &Subject) -> u64 {
    subject.key.exec_ns.saturating_add(nanos(YOUNG))
}

impl Observer {
    /// A process has a new image: its old one has ended.
    pub(super) fn exec(&mut self, key: ProcessKey, birth: Option<Birth>) {
        let now = clock();
        for (_, old) in self.watched.range_mut(..).filter(|(old, _)| old.tgid == key.tgid && old.exec_ns != key.exec_ns) {
            old.ended_ns.get_or_insert(now);
        }
        if self.scope.wants_pid(key.tgid) && self.looking.insert(key, Look { birth, is_booked: false }).is_none() {
            let _ = self.jobs.send(Job::Process(key));
        }
    }

    pub(super) fn found(&mut self, mut found: Found) {
        let key = found.target.key;
        let is_booked = self.looking.remove(&key).is_some_and(|look| look.is_booked);
        if is_booked || self.watched.contains_key(&key) {
            return;
        }
        if !self.place(&mut found.target, found.pod_uid.as_deref()) {
            self.leave_alone(key);
            return;
        }
        if found.executable.as_ref().is_ok_and(|(executable, _)| self.is_undecided(executable)) {
            self.undecided.push(found);
            return;
        }
        let Found { target, listed, executable, pod_uid: _ } = found;
        let known = executable.as_ref().ok().map(|(executable, _)| Arc::clone(executable));
        let slot = match executable {
            Ok((executable, plan)) if !plan.families.is_empty() => self.attachment(&executable, &plan, (&target, listed)),
            Ok((_, plan)) => Err(plan.refusals.first().cloned().unwrap_or(Refusal {
                subject: model::Subject::All,
                reason: "nothing_to_attach",
                detail: String::new(),
            })),
            Err(refusal) => Err(refusal),
        };
        let mut watched = Watched::new(target, listed, known, slot);
        self.read_memory(&mut watched);
        match &watched.slot {
            Ok(slot) => self.register(*slot, &mut watched),
            Err(refusal) => {
                info!(pid = key.tgid, process = %watched.target.identity.process, %refusal, "refused");
                *self.failures.entry(refusal.reason).or_default() += 1;
            }
        }
        // It may have ended before it was known.
        watched.ended_ns = watched.ended_ns.or_else(|| self.orphans.remove(&key).map(|orphan| orphan.ended_ns));
        self.watched.insert(key, watched);
    }

    /// Has the process' memory read from now on.
    fn read_memory(&mut self, watched: &mut Watched) {
        let Some(executable) = &watched.executable else { return };
        match &executable.binary.runtime {
            Ok(facts) => {
                let (key, load_bias) = (watched.target.key, watched.target.load_bias);
                let subject = Subject {
                    key,
                    process: watched.target.identity.process.clone(),
                    listed: watched.listed,
                    executable: Arc::clone(executable),
                    facts: *facts,
                    load_bias,
                };
                if self.is_counted_from_birth(watched) && grown_ns(&subject) > clock() {
                    self.young.push(subject);
                } else {
                    self.watch(subject);
                }
            }
            Err(refusal) => {
                let refusal = Refusal { subject: model::Subject::Memory, reason: refusal.reason(), detail: refusal.to_string() };
                info!(pid = watched.target.pid(), process = %watched.target.identity.process, %refusal, "memory is not read");
                watched.memory = Memory::Refused(refusal);
            }
        }
    }

    /// Whether the probes were there before it.
    fn is_counted_from_birth(&self, watched: &Watched) -> bool {
        let attachment = watched.slot.as_ref().ok().and_then(|slot| self.attachments.get(slot));
        let since = attachment.and_then(|attachment| attachment.exact_since(Family::Goroutine));
        since.is_some_and(|since| since < watched.target.key.exec_ns)
    }

    fn watch(&mut self, subject: Subject) {
        if let Some(starting) = &mut self.starting {
            starting.reading.insert(subject.key);
        }
        let _ = self.looks.send(Task::Watch(Box::new(subject.clone())));
        let _ = self.tasks.send(Task::Watch(Box::new(subject)));
    }

    /// Has those read that have become old enough.
    pub(super) fn watch_grown(&mut self, now: u64) {
        let grown = self.young.extract_if(.., |subject| grown_ns(subject) <= now).collect::<Vec<_>>();
        for subject in grown {
            if self.watched.contains_key(&subject.key) {
                self.watch(subject);
            }
        }
    }

    /// When the next one has.
    pub(super) fn next_grown(&self) -> Option<u64> {
        self.young.iter().map(grown_ns).min()
    }

    /// Which processes of `--pid` are not watched, and why; nothing until all were looked at.
    pub(super) fn unmet(&self) -> Vec<String> {
        // Each report asks, mostly of an agent that watches all.
        if self.scope.pids.is_empty() || self.starting.as_ref().is_some_and(|starting| !starting.scanned) {
            return Vec::new();
        }
        let running = self.watched.values().filter(|watched| watched.ended_ns.is_none()).map(|watched| watched.target.pid());
        let expected = self.undecided.iter().map(|found| found.target.pid()).chain(self.looking.keys().map(|key| key.tgid));
        let known: HashSet<u32> = running.chain(expected).collect();
        let is_among = |keys: &HashSet<ProcessKey>, pid: u32| keys.iter().any(|key| key.tgid == pid);
        let reason = |pid: u32| match pid {
            pid if self.root.is_over(pid) => "there is no such process",
            pid if is_among(&self.unreadable, pid) => "it may not be looked at (goroscope doctor says why)",
            pid if is_among(&self.unwanted, pid) => "its pod is to be left alone",
            pid if pid == std::process::id() => "it is this agent",
            _ => "it is no Go program, or excluded",
        };
        let unmet = self.scope.pids.iter().filter(|pid| !known.contains(pid));
        unmet.map(|pid| format!("process {pid} of --pid is not watched: {}", reason(*pid))).collect()
    }

    /// Whether an executable may be one that is being attached, under another device.
    fn is_undecided(&self, executable: &Executable) -> bool {
        let maybe = |attachment: &Attachment| same_file(&attachment.executable, executable) == Sameness::Maybe;
        self.attachments.values().any(|attachment| !attachment.pending.is_empty() && maybe(attachment))
    }

    /// Looks again at those that had to wait.
    pub(super) fn decide(&mut self) {
        for found in std::mem::take(&mut self.undecided) {
            self.found(found);
        }
    }

    /// Tells the kernel side whose hits these are.
    fn register(&mut self, slot: Slot, watched: &mut Watched) {
        let key = watched.target.key;
        match self.maps.register(key, slot, watched.target.load_bias) {
            Ok(true) => {}
            Ok(false) => watched.ended_ns = Some(clock()),
            Err(error) => {
                warn!(pid = key.tgid, %error, "cannot register a process");
                *self.failures.entry("processes_full").or_default() += 1;
            }
        }
        if let Some(attachment) = self.attachments.get_mut(&slot) {
            attachment.idle_since_ns = None;
            let windows: Vec<Family> =
                attachment.families.iter().filter(|(_, state)| matches!(state, State::Windows { .. })).map(|(family, _)| *family).collect();
            let reading = Reading { hits: self.maps.hits(&key).unwrap_or_default(), sites: Vec::new() };
            for family in windows {
                watched.begin_windows(family, &reading, clock());
            }
        }
    }

    /// The slot of an executable, attached now if it is the first of its inode.
    fn attachment(&mut self, executable: &Arc<Executable>, plan: &Arc<ProbePlan>, process: (&Target, Listed)) -> Result<Slot, Refusal> {
        let (target, listed) = process;
        let same = self.attachments.values().find(|attachment| match same_file(&attachment.executable, executable) {
            Sameness::Same => true,
            Sameness::Different => false,
            // One inode under two devices has one text: the first one's breakpoints are in it.
            Sameness::Maybe => attachment.plan.probes.iter().any(|probe| {
                let address = probe.address.0.wrapping_add(target.load_bias);
                tracer::breakpoint(target.pid(), address)
            }),
        });
        if let Some(attachment) = same {
            return Ok(attachment.slot);
        }
        if self.maps.slots() == 0 {
            let detail = "this host does not take the kernel side (goroscope doctor says why)".to_owned();
            return Err(Refusal { subject: model::Subject::All, reason: "no_kernel_side", detail });
        }
        let slot = (1..self.maps.slots()).map(Slot).find(|slot| !self.attachments.contains_key(slot)).ok_or_else(|| Refusal {
            subject: model::Subject::All,
            reason: "executables_full",
            detail: format!("{} executables are attached already", self.attachments.len()),
        })?;
        let attachment = Attachment::new(slot, Arc::clone(executable), Arc::clone(plan), (target.clone(), listed));
        self.maps.describe(slot, &attachment.description()).map_err(|error| Refusal {
            subject: model::Subject::All,
            reason: "attach_failed",
            detail: error.to_string(),
        })?;
        for refusal in &plan.refusals {
            info!(executable = %target.exe.display(), %refusal, "not counted");
        }
        for family in attachment.families.keys() {
            if let Some(starting) = &mut self.starting {
                starting.attaching.insert((slot, *family));
            }
            let _ = self.commands.send(Command::Attach(attachment.site(*family)));
        }
        self.attachments.insert(slot, attachment);
        Ok(slot)
    }
}

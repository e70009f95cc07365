//! Goroutines that are alike, counted. Input noun: a [`Runtime`]. Output noun: [`Groups`]. Must not know names of functions.

use std::{collections::HashMap, time::Duration};

use goroscope_gobin::WaitReason;

use super::names::Names;
use crate::{
    export::pprof,
    goruntime::{CensusTally, FrameSize, Runtime, RuntimeError},
    model::{Blocked, Goroutine, GoroutineState, Memory, RuntimeAddress, Stack},
};

/// Goroutines whose stacks are read at a time.
const BATCH: usize = 4096;
/// Ids that are told of a group.
const GOIDS: usize = 8;

/// What the goroutines of a group have in common.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Group {
    /// Return address of the `go` statement.
    pub created_at: RuntimeAddress,
    /// Its function.
    pub start: RuntimeAddress,
    /// What they do.
    pub state: GoroutineState,
    /// What they wait for.
    pub wait: Option<WaitReason>,
    /// None if stacks were not asked for.
    pub stack: Option<Stack>,
}

/// How many there are.
#[derive(Clone, Debug, Default)]
pub struct Members {
    /// All of them.
    pub count: u64,
    /// Some of them.
    pub goids: Vec<u64>,
    /// For how long they have not run.
    pub blocked: Option<Blocked>,
}

/// All goroutines of a process but dead ones.
pub struct Groups {
    /// The largest first.
    pub list: Vec<(Group, Members)>,
    /// How the census went.
    pub tally: CensusTally,
    /// Structs that are free.
    pub dead: u64,
}

impl Groups {
    /// Takes a census, with stacks of `depth` calls if there is one. For how long a goroutine has not run is known to `blocked_for`.
    pub fn read<M: Memory>(
        runtime: &Runtime<M>,
        depth: Option<usize>,
        frame_size: &FrameSize<'_>,
        blocked_for: &mut dyn FnMut(&Goroutine) -> Option<Duration>,
    ) -> Result<Self, RuntimeError> {
        let (mut groups, mut batch, mut dead) = (HashMap::new(), Vec::with_capacity(BATCH), 0);
        let mut failed = None;
        let mut fold = |batch: &mut Vec<Goroutine>, groups: &mut HashMap<Group, Members>| -> Result<(), RuntimeError> {
            let stacks = depth.map(|depth| runtime.stacks(batch, depth, frame_size)).transpose()?;
            let mut stacks = stacks.map(Vec::into_iter);
            for goroutine in batch.drain(..) {
                let blocked = blocked_for(&goroutine).map(Blocked::one);
                let Goroutine { goid, created_at, start, state, wait, .. } = goroutine;
                let stack = stacks.as_mut().map(|stacks| stacks.next().unwrap_or_default());
                let members: &mut Members = groups.entry(Group { created_at, start, state, wait, stack }).or_default();
                members.count += 1;
                members.blocked = Blocked::join(members.blocked, blocked);
                if members.goids.len() < GOIDS {
                    members.goids.push(goid);
                }
            }
            Ok(())
        };
        let tally = runtime.census(&mut |goroutine| {
            if goroutine.state == GoroutineState::Dead {
                dead += 1;
                return;
            }
            batch.push(goroutine.clone());
            if batch.len() == BATCH && failed.is_none() {
                failed = fold(&mut batch, &mut groups).err();
                batch.clear();
            }
        })?;
        failed.map_or_else(|| fold(&mut batch, &mut groups), Err)?;
        let mut list: Vec<(Group, Members)> = groups.into_iter().collect();
        list.sort_by_key(|(group, members)| (std::cmp::Reverse(members.count), group.created_at, group.start, group.state, group.wait));
        Ok(Self { list, tally, dead })
    }

    /// As samples of a profile.
    pub fn samples(&self, names: &Names) -> Vec<pprof::Sample> {
        let sample = |(group, members): &(Group, Members)| {
            let mut labels = vec![("state", group.state.as_str().to_owned())];
            labels.extend(group.wait.map(|wait| ("wait_reason", wait.as_str().to_owned())));
            labels.extend(names.site(group.created_at).map(|site| ("created_by", site.function)));
            let stack = group.stack.as_ref().map(|stack| names.stack(stack)).unwrap_or_default();
            pprof::Sample { stack, labels, count: members.count }
        };
        self.list.iter().map(sample).collect()
    }
}

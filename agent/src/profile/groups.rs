//! Goroutines that are alike, counted. Input noun: a [`Runtime`]. Output noun: [`Groups`]. Must not know names of functions.

use std::{
    collections::HashMap,
    mem,
    panic::resume_unwind,
    sync::mpsc::{self, TrySendError},
    thread,
    time::Duration,
};

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

type Found = HashMap<Group, Members>;
/// Goroutines, and for how long they have not run.
type Batch = Vec<(Goroutine, Option<Duration>)>;

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
    /// The smallest, in order: those that were created first.
    pub goids: Vec<u64>,
    /// For how long they have not run.
    pub blocked: Option<Blocked>,
}

impl Members {
    fn add(&mut self, goid: u64, blocked: Option<Blocked>) {
        self.count += 1;
        self.blocked = Blocked::join(self.blocked, blocked);
        self.remember(goid);
    }

    fn join(&mut self, others: Self) {
        self.count += others.count;
        self.blocked = Blocked::join(self.blocked, others.blocked);
        others.goids.into_iter().for_each(|goid| self.remember(goid));
    }

    fn remember(&mut self, goid: u64) {
        let at = self.goids.partition_point(|known| *known < goid);
        if at < GOIDS {
            self.goids.truncate(GOIDS - 1);
            self.goids.insert(at, goid);
        }
    }
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
    ///
    /// Stacks are read by two threads where there are two processors: most of it is copying, in the kernel, what is in no cache.
    pub fn read<M: Memory + Sync>(
        runtime: &Runtime<M>,
        depth: Option<usize>,
        frame_size: &FrameSize<'_>,
        blocked_for: &mut dyn FnMut(&Goroutine) -> Option<Duration>,
    ) -> Result<Self, RuntimeError> {
        let reader = Reader { runtime, depth, frame_size };
        let (mut batch, mut dead) = (Vec::with_capacity(BATCH), 0);
        let (tally, groups) = thread::scope(|scope| {
            let (hand_over, taken) = mpsc::sync_channel(1);
            let help = move || taken.into_iter().try_fold(HashMap::new(), |groups, batch| reader.fold(batch, groups));
            // Without a second processor, or a second thread, all is done here: what nobody takes comes back.
            let two = depth.is_some() && thread::available_parallelism().is_ok_and(|processors| processors.get() > 1);
            let helper = two.then(|| thread::Builder::new().name("goroutines".to_owned()).spawn_scoped(scope, help).ok()).flatten();
            let mut own = Ok(HashMap::new());
            let mut fold = |batch| {
                if let (Err(TrySendError::Full(batch) | TrySendError::Disconnected(batch)), Ok(groups)) =
                    (hand_over.try_send(batch), &mut own)
                {
                    own = reader.fold(batch, mem::take(groups));
                }
            };
            let tally = runtime.census(&mut |goroutine| {
                if goroutine.state == GoroutineState::Dead {
                    dead += 1;
                    return;
                }
                batch.push((goroutine.clone(), blocked_for(goroutine)));
                if batch.len() == BATCH {
                    fold(mem::replace(&mut batch, Vec::with_capacity(BATCH)));
                }
            });
            fold(batch);
            drop(hand_over);
            let helped = helper.map_or_else(|| Ok(HashMap::new()), |helper| helper.join().unwrap_or_else(|panic| resume_unwind(panic)));
            Ok((tally?, joined(own?, helped?)))
        })?;
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

/// What is asked for, by each of the threads that read.
struct Reader<'a, M> {
    runtime: &'a Runtime<M>,
    depth: Option<usize>,
    frame_size: &'a FrameSize<'a>,
}

impl<M> Clone for Reader<'_, M> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<M> Copy for Reader<'_, M> {}

impl<M: Memory> Reader<'_, M> {
    /// Adds goroutines to groups.
    fn fold(self, batch: Batch, mut groups: Found) -> Result<Found, RuntimeError> {
        let (goroutines, times): (Vec<Goroutine>, Vec<Option<Duration>>) = batch.into_iter().unzip();
        let stacks = self.depth.map(|depth| self.runtime.stacks(&goroutines, depth, self.frame_size)).transpose()?;
        let mut stacks = stacks.map(Vec::into_iter);
        for (goroutine, blocked) in goroutines.into_iter().zip(times) {
            let Goroutine { goid, created_at, start, state, wait, .. } = goroutine;
            let stack = stacks.as_mut().map(|stacks| stacks.next().unwrap_or_default());
            groups.entry(Group { created_at, start, state, wait, stack }).or_default().add(goid, blocked.map(Blocked::one));
        }
        Ok(groups)
    }
}

fn joined(mut all: Found, others: Found) -> Found {
    for (group, members) in others {
        all.entry(group).or_default().join(members);
    }
    all
}

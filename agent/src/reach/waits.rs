//! What a goroutine waits on: channels, the address of a semaphore, a notifyList, and the sudogs that say so; what holds a descriptor.
//!
//! Input: [`Seen`]. Output: [`Link`]s. Must not know what is reached.
//!
//! Everything is read while the process runs, so a chain may be torn. A goroutine for which one link does not hold together is given
//! up: it counts as live. One that has not run between the two censuses has left its sudogs alone, so what was read of them holds.

mod cond;
mod polls;
mod semaphores;

use goroscope_gobin::WaitKind;
use goroscope_gobin::layout::{Layout, Sudog};

use super::NoProof;
use super::goroutines::{Candidate, Doing, Seen};
use super::source::{Batch, Source, word_at};
use super::spans::Spans;
use crate::model::OwnEnds;

/// Cases of a select that are followed.
const CASES: usize = 4096;
/// Links of a kind: who has more when there are so many is given up.
const LINKS: usize = 1 << 20;
/// Sudogs that are read together.
const TOGETHER: usize = 1024;

/// One thing that a goroutine waits on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Link {
    /// Index of the candidate.
    pub(super) candidate: u32,
    /// The channel, semaphore or notifyList; what holds the descriptor.
    pub(super) object: u64,
    /// The `runtime.sudog`; 0: it waits for the kernel.
    pub(super) sudog: u64,
}

/// What of the runtime is needed.
#[derive(Clone, Copy, Debug)]
pub(super) struct Queues<'a> {
    pub(super) layout: &'a Layout,
    pub(super) minor: u16,
    /// `runtime.semtable`; needed before Go 1.26.
    pub(super) semtable: Option<u64>,
    pub(super) own_ends: &'a OwnEnds,
}

/// A sudog, as far as it matters.
#[derive(Clone, Copy, Debug)]
struct Entry {
    g: u64,
    next: u64,
    prev: u64,
    waitlink: u64,
    elem: u64,
    channel: u64,
}

impl Entry {
    fn parse(bytes: &[u8], layout: &Sudog, minor: u16) -> Option<Self> {
        // From Go 1.26 on these are pairs, and only the second one is always set.
        let second = if minor >= 26 { 8 } else { 0 };
        Some(Self {
            g: word_at(bytes, layout.g)?,
            next: word_at(bytes, layout.next)?,
            prev: word_at(bytes, layout.prev)?,
            waitlink: word_at(bytes, layout.waitlink)?,
            elem: word_at(bytes, layout.elem + second)?,
            channel: word_at(bytes, layout.c + second)?,
        })
    }
}

/// Finds what those of `seen` wait on that may be candidates. The links are sorted, and each candidate has its part of them.
pub(super) fn resolve(
    source: &mut Source<'_>,
    queues: &Queues<'_>,
    spans: &Spans,
    seen: &[Seen],
) -> Result<(Vec<Candidate>, Vec<Link>), NoProof> {
    let asking = seen.iter().enumerate().filter_map(|(index, seen)| match seen.doing {
        Doing::Asks(kind) => Some((index, kind)),
        _ => None,
    });
    let asking: Vec<(usize, WaitKind)> = asking.collect();
    let of = |wanted: WaitKind| {
        asking
            .iter()
            .enumerate()
            .filter(move |(_, (_, kind))| *kind == wanted)
            .filter_map(|(candidate, (index, _))| Some((u32::try_from(candidate).ok()?, *seen.get(*index)?)))
    };
    let mut links = Vec::new();
    chains(source, queues, of(WaitKind::Channel), true, &mut links)?;
    if queues.minor >= 26 {
        chains(source, queues, of(WaitKind::Semaphore).chain(of(WaitKind::Cond)), false, &mut links)?;
    } else {
        let semaphores: Vec<_> = of(WaitKind::Semaphore).collect();
        semaphores::find(source, queues, &semaphores, &mut links)?;
        let conds: Vec<_> = of(WaitKind::Cond).collect();
        cond::find(source, queues, spans, &conds, &mut links)?;
    }
    let descriptors: Vec<_> = of(WaitKind::Io).collect();
    let polled = polls::find(source, queues, spans, &descriptors, &mut links)?;
    links.sort_unstable();
    let mut candidates = Vec::with_capacity(asking.len());
    let mut from = 0;
    for (number, (index, kind)) in asking.iter().enumerate() {
        let to = from + links.iter().skip(from).take_while(|link| usize::try_from(link.candidate).is_ok_and(|of| of == number)).count();
        if to > from || *kind == WaitKind::Forever {
            let polled = u32::try_from(number).ok().and_then(|number| polled.get(&number));
            candidates.push(Candidate {
                seen: *index,
                links: (from, to),
                live: polled.is_some_and(|polled| !polled.other_known),
                confirmed: false,
                deadline_ns: None,
                last_deadline_ns: None,
                own_pipe: polled.is_some_and(|polled| polled.pipe),
            });
        }
        for link in links.iter_mut().take(to).skip(from) {
            link.candidate = u32::try_from(candidates.len() - 1).unwrap_or(u32::MAX);
        }
        from = to;
    }
    Ok((candidates, links))
}

/// Follows `g.waiting`: all of a select's channels, or the first sudog only, whose `waitlink` leads to other goroutines.
fn chains(
    source: &mut Source<'_>,
    queues: &Queues<'_>,
    waiters: impl Iterator<Item = (u32, Seen)>,
    channels: bool,
    links: &mut Vec<Link>,
) -> Result<(), NoProof> {
    let mut active: Vec<(u32, u64, u64)> = waiters.map(|(candidate, seen)| (candidate, seen.g, seen.waiting)).collect();
    let mut torn = Vec::new();
    let first = links.len();
    for _ in 0..CASES {
        if active.is_empty() || links.len() - first >= LINKS {
            break;
        }
        let mut later = Vec::new();
        entries(source, queues, &active, |(candidate, g, sudog), entry| {
            let object = entry.map_or(0, |entry| if channels { entry.channel } else { entry.elem });
            let Some(entry) = entry.filter(|entry| entry.g == g && object != 0 && (channels || entry.channel == 0)) else {
                torn.push(candidate);
                return;
            };
            links.push(Link { candidate, object, sudog });
            if channels && entry.waitlink != 0 {
                later.push((candidate, g, entry.waitlink));
            }
        })?;
        active = later;
    }
    torn.extend(active.iter().map(|(candidate, ..)| *candidate));
    torn.sort_unstable();
    let mut index = 0;
    links.retain(|link| {
        index += 1;
        index <= first || torn.binary_search(&link.candidate).is_err()
    });
    Ok(())
}

/// The words from `at` to `end`, of so many bytes at most; none where they are not all there.
fn words(source: &mut Source<'_>, at: u64, end: u64, most: u64) -> Result<Option<Vec<u64>>, NoProof> {
    let mut bytes = vec![0; usize::try_from(end.saturating_sub(at).min(most) / 8 * 8).unwrap_or(0)];
    let whole = source.small(at, &mut bytes)?;
    Ok(whole.then(|| bytes.as_chunks().0.iter().map(|word| u64::from_le_bytes(*word)).collect()))
}

/// Reads the sudogs that are the last of each triple, and calls `each` with the triple; with nothing where nothing can be read.
fn entries<T: Copy>(
    source: &mut Source<'_>,
    queues: &Queues<'_>,
    wanted: &[(T, u64, u64)],
    mut each: impl FnMut((T, u64, u64), Option<Entry>),
) -> Result<(), NoProof> {
    let layout = &queues.layout.sudog;
    let mut batch = Batch::default();
    for wanted in wanted.chunks(TOGETHER) {
        batch.clear();
        let mut pushed = Vec::with_capacity(wanted.len());
        for triple in wanted {
            if batch.push_whole(source, triple.2, layout.size)? {
                pushed.push(*triple);
            } else {
                each(*triple, None);
            }
        }
        batch.fill(source)?;
        for (triple, (_, bytes, whole)) in pushed.into_iter().zip(batch.iter()) {
            each(triple, whole.then(|| Entry::parse(bytes, layout, queues.minor)).flatten());
        }
    }
    Ok(())
}

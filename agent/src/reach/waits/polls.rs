//! Descriptors that the poller watches: the stack of who waits for one holds the address of its `runtime.pollDesc`, which names the
//! goroutine, and what holds the descriptor, an `internal/poll.FD`.
//!
//! Input: stacks, [`OwnEnds`](crate::model::OwnEnds). Output: [`Link`]s. Must not know what is reached.
//!
//! The kernel wakes who waits when the other end does something; other goroutines can by what holds the descriptor. Where the other end is
//! the process itself, both are asked for: what holds the one descriptor, and what holds the other. That is known where somebody waits there
//! too; else it is looked for among the objects that have a finalizer, which closes it when nothing leads there: so who waits is live, but a
//! timer that leads there may end the wait. Where it is not found, nothing is said of who waits.

use std::collections::{HashMap, HashSet};

use goroscope_gobin::layout::PollDesc;

use super::{Link, NoProof, Queues, Seen, Source, Spans, word_at};
use crate::reach::specials;

/// Goroutines that are looked at.
const WAITERS: usize = 8 << 10;
/// Bytes of the stack that are looked at: gopark, netpollblock, runtime_pollWait, wait and Read have less.
const STACK: u64 = 1024;
/// The largest `runtime.pollDesc` that is believed.
const DESCRIPTION: usize = 512;
/// Where mappings may be: the kernel has no pages to tell of above, and nothing is mapped at the bottom.
const MAPPED: std::ops::Range<u64> = 1 << 16..(if cfg!(target_arch = "aarch64") { 1 << 48 } else { 1 << 47 }) - (1 << 16);
/// Bytes of an object in which the FD is looked for: in `net.netFD` and `os.file` it comes first.
const HOLDER: u64 = 256;

/// What is known of a goroutine that waits for the process itself.
#[derive(Clone, Copy, Debug)]
pub(super) struct Polled {
    pub(super) pipe: bool,
    /// What holds the other end is among the links.
    pub(super) other_known: bool,
}

/// What holds the descriptors of `waiters`, of those that lead to the process itself and have no deadline.
pub(super) fn find(
    source: &mut Source<'_>,
    queues: &Queues<'_>,
    spans: &Spans,
    waiters: &[(u32, Seen)],
    links: &mut Vec<Link>,
) -> Result<HashMap<u32, Polled>, NoProof> {
    let own_ends = &queues.own_ends.0;
    if own_ends.is_empty() {
        return Ok(HashMap::new());
    }
    source.forget();
    // Of a descriptor, what holds it; none where that is not one thing.
    let mut holders: HashMap<u32, Option<u64>> = HashMap::new();
    let mut waits = Vec::new();
    // Who began last comes last, as a rule: those of a leak are among them.
    for (candidate, seen) in waiters.iter().skip(waiters.len().saturating_sub(WAITERS)) {
        let (at, end) = seen.stack();
        let Some(words) = super::words(source, at, end, STACK)? else { continue };
        let Some((description, descriptor)) = description(source, &queues.layout.poll_desc, spans, seen, &words)? else { continue };
        let Some(end) = own_ends.get(&descriptor) else { continue };
        let Some(holder) = holder(source, spans, &words, description, descriptor)? else { continue };
        let known = holders.entry(descriptor).or_insert(Some(holder));
        *known = known.filter(|known| *known == holder);
        waits.push((*candidate, holder, *end));
    }
    let unknown = waits.iter().map(|(.., end)| end.descriptor).filter(|end| !holders.contains_key(end)).collect();
    let others = others(source, queues, spans, &unknown)?;
    let mut polled = HashMap::new();
    for (candidate, holder, end) in waits {
        let waits_too = holders.get(&end.descriptor).copied().flatten();
        let Some(other) = waits_too.or_else(|| others.get(&end.descriptor).copied()) else { continue };
        links.push(Link { candidate, object: holder, sudog: 0 });
        links.push(Link { candidate, object: other, sudog: 0 });
        polled.insert(candidate, Polled { pipe: end.pipe, other_known: waits_too.is_some() });
    }
    Ok(polled)
}

/// What holds descriptors that nobody waits for, by descriptor: objects that have a finalizer, if those are not too many to be asked.
fn others(source: &mut Source<'_>, queues: &Queues<'_>, spans: &Spans, wanted: &HashSet<u32>) -> Result<HashMap<u32, u64>, NoProof> {
    let mut found = HashMap::new();
    if wanted.is_empty() {
        return Ok(found);
    }
    let layout = &queues.layout.poll_desc;
    let mut bytes = vec![0; usize::try_from(layout.size).unwrap_or(usize::MAX).min(DESCRIPTION)];
    let objects = specials::objects(source, &spans.specials, &queues.layout.special, queues.minor, &[specials::Kind::Finalizer])?;
    for object in objects.unwrap_or_default() {
        let Some((from, to)) = spans.object_range(object) else { continue };
        let Some(words) = super::words(source, from, to, HOLDER)? else { continue };
        for window in words.windows(3) {
            let &[first, second, description] = window else { continue };
            let mut holds = [first, second].into_iter().filter_map(|word| u32::try_from(word).ok().filter(|word| wanted.contains(word)));
            let is_elsewhere = is_mapped(description) && spans.object_range(description).is_none();
            let Some(descriptor) = holds.next().filter(|_| is_elsewhere) else { continue };
            if source.small(description, &mut bytes)? && word_at(&bytes, layout.fd) == Some(u64::from(descriptor)) {
                found.insert(descriptor, from);
                break;
            }
        }
    }
    Ok(found)
}

/// Whether the address of a description can be there.
fn is_mapped(word: u64) -> bool {
    word.is_multiple_of(8) && MAPPED.contains(&word)
}

/// The `runtime.pollDesc` that says that this goroutine waits for it, without a deadline; and its descriptor.
fn description(
    source: &mut Source<'_>,
    layout: &PollDesc,
    spans: &Spans,
    seen: &Seen,
    words: &[u64],
) -> Result<Option<(u64, u32)>, NoProof> {
    let Some(size) = usize::try_from(layout.size).ok().filter(|size| *size <= DESCRIPTION) else { return Ok(None) };
    let is_elsewhere = |word: &u64| is_mapped(*word) && !(seen.low..seen.high).contains(word) && spans.object_range(*word).is_none();
    let mut bytes = vec![0; size];
    for word in words.iter().copied().filter(is_elsewhere) {
        if !source.small(word, &mut bytes)? {
            continue;
        }
        let has = |field: u32| word_at(&bytes, field) == Some(seen.g);
        let deadline = if has(layout.rg) {
            layout.rd
        } else if has(layout.wg) {
            layout.wd
        } else {
            continue;
        };
        let descriptor = word_at(&bytes, layout.fd).and_then(|descriptor| u32::try_from(descriptor).ok());
        return Ok(descriptor.filter(|_| word_at(&bytes, deadline) == Some(0)).map(|descriptor| (word, descriptor)));
    }
    Ok(None)
}

/// The first byte of the object that holds the descriptor, and the address of its description one or two words on, as an FD does.
fn holder(source: &mut Source<'_>, spans: &Spans, words: &[u64], description: u64, descriptor: u32) -> Result<Option<u64>, NoProof> {
    for word in words {
        let Some((from, to)) = spans.object_range(*word) else { continue };
        let Some(object) = super::words(source, from, to, HOLDER)? else { continue };
        let holds = |window: &[u64]| matches!(window, [first, second, third] if *third == description && [*first, *second].contains(&u64::from(descriptor)));
        if object.windows(3).any(holds) {
            return Ok(Some(from));
        }
    }
    Ok(None)
}

//! `sync.Cond` before Go 1.26: nothing in the goroutine tells the list, but its stack holds its sudog and the address of the list.
//!
//! Input: stacks. Output: [`Link`]s. Must not know what is reached.

use std::collections::{HashMap, HashSet};

use super::{Link, NoProof, Queues, Seen, Source, Spans, entries};

/// Bytes of the stack that are looked at: gopark, notifyListWait and Wait have less.
const STACK: u64 = 1024;
/// Words of all stacks that are kept. Of whose stack is not looked at nothing is known: they can run.
const WORDS: usize = 1 << 19;
/// Entries of all lists that are followed, for each goroutine that waits.
const ENTRIES: usize = 8;

/// Looks for the sudogs of `waiters`, and for lists that hold them.
pub(super) fn find(
    source: &mut Source<'_>,
    queues: &Queues<'_>,
    spans: &Spans,
    waiters: &[(u32, Seen)],
    links: &mut Vec<Link>,
) -> Result<(), NoProof> {
    if waiters.is_empty() {
        return Ok(());
    }
    source.forget();
    let size = queues.layout.sudog.size;
    let is_sudog = |at: u64| spans.object_range(at).is_some_and(|(from, to)| from == at && to - from >= u64::from(size) && to - from < 256);
    let mut sudogs = Vec::new();
    let mut words = HashSet::new();
    for (candidate, seen) in waiters {
        if words.len() + sudogs.len() > WORDS {
            break;
        }
        let (at, end) = seen.stack();
        let words_on_stack = super::words(source, at, end, STACK)?.unwrap_or_default();
        for word in words_on_stack.into_iter().filter(|word| *word % 8 == 0) {
            if is_sudog(word) {
                sudogs.push((*candidate, seen.g, word));
            }
            if spans.object_range(word).is_some() {
                words.insert(word);
            }
        }
    }
    let mut own = HashMap::new();
    entries(source, queues, &sudogs, |(candidate, g, sudog), entry| {
        // A sudog that was the goroutine's before, on a channel, has been cleared or is another's.
        if entry.is_some_and(|entry| entry.g == g && entry.channel == 0) {
            own.insert(sudog, candidate);
        }
    })?;
    follow(source, queues, &words, &mut own, waiters.len().saturating_mul(ENTRIES).saturating_add(1024), is_sudog, links)
}

/// Follows from each word that may be the address of a list, and takes those of `own` that it meets.
fn follow(
    source: &mut Source<'_>,
    queues: &Queues<'_>,
    words: &HashSet<u64>,
    own: &mut HashMap<u64, u32>,
    mut left: usize,
    is_sudog: impl Fn(u64) -> bool,
    links: &mut Vec<Link>,
) -> Result<(), NoProof> {
    let (list, sudog) = (&queues.layout.notify_list, &queues.layout.sudog);
    for word in words {
        let head = source.word(word.wrapping_add(u64::from(list.head)))?.unwrap_or(0);
        let tail = source.word(word.wrapping_add(u64::from(list.tail)))?.unwrap_or(0);
        if !is_sudog(head) || !is_sudog(tail) {
            continue;
        }
        let mut at = head;
        while at != 0 && is_sudog(at) && left > 0 {
            left -= 1;
            if let Some(candidate) = own.remove(&at) {
                links.push(Link { candidate, object: *word, sudog: at });
            }
            at = source.word(at.wrapping_add(u64::from(sudog.next)))?.unwrap_or(0);
        }
    }
    Ok(())
}

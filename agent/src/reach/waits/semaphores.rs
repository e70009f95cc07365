//! Semaphores before Go 1.26: `runtime.semtable`, hash buckets of treaps of sudogs.
//!
//! Input: the table. Output: [`Link`]s. Must not know what is reached.

use std::collections::HashMap;

use super::{Link, NoProof, Queues, Seen, Source, entries};

/// Buckets of the table, and bytes from one to the next.
const BUCKETS: u64 = 251;
const BUCKET: u64 = 64;
/// Sudogs that are followed, beside one for each goroutine that waits: torn links may lead in circles.
const SPARE: usize = 1024;

/// Looks for the goroutines of `waiters` in the table.
pub(super) fn find(source: &mut Source<'_>, queues: &Queues<'_>, waiters: &[(u32, Seen)], links: &mut Vec<Link>) -> Result<(), NoProof> {
    let Some(table) = queues.semtable.filter(|_| !waiters.is_empty()) else { return Ok(()) };
    let mut wanted: HashMap<u64, u32> = waiters.iter().map(|(candidate, seen)| (seen.g, *candidate)).collect();
    source.forget();
    let mut active: Vec<((), u64, u64)> = Vec::new();
    for bucket in 0..BUCKETS {
        // Pages of the table that nobody has used yet are not there.
        let treap = table.wrapping_add(bucket * BUCKET).wrapping_add(u64::from(queues.layout.sema_root.treap));
        active.extend(source.word(treap)?.filter(|treap| *treap != 0).map(|treap| ((), 0, treap)));
    }
    let mut left = waiters.len().saturating_mul(4).saturating_add(SPARE);
    while !active.is_empty() && !wanted.is_empty() && left > 0 {
        active.truncate(left);
        left -= active.len();
        let mut later = Vec::new();
        // Of the triples, the second is the semaphore that the entry must be of, where that is known.
        entries(source, queues, &active, |((), semaphore, sudog), entry| {
            let Some(entry) = entry.filter(|entry| entry.elem != 0 && (semaphore == 0 || entry.elem == semaphore)) else { return };
            if let Some(candidate) = wanted.remove(&entry.g) {
                links.push(Link { candidate, object: entry.elem, sudog });
            }
            // In the tree other semaphores; behind waitlink those who wait on the same one, who have no place in the tree.
            let tree = [entry.prev, entry.next].into_iter().filter(|_| semaphore == 0).map(|sudog| ((), 0, sudog));
            let same = [((), entry.elem, entry.waitlink)];
            later.extend(tree.chain(same).filter(|(.., sudog)| *sudog != 0));
        })?;
        active = later;
    }
    Ok(())
}

//! The pending timers: roots, and for those who wait on what a timer leads to, the time when it is due.
//!
//! Input: `runtime.p.timers`. Output: words for a [`Mark`], [`Due`]. Must not know goroutines.

use goroscope_gobin::layout::Timer;

use super::NoProof;
use super::mark::Mark;
use super::roots::{Roots, pair, pointers};
use super::source::{Batch, Source, word_at};
use super::walk::{Bounds, Walk};

/// Timers of one processor that are believed.
const TIMERS: u64 = 1 << 26;
/// Timers whose time is kept.
const KEPT: usize = 1 << 20;
/// Timers that are read, or followed, together.
pub(super) const TOGETHER: usize = 512;
/// Steps from the closure that a timer calls: context (Go 1.20 has two parts), its children, one bucket, one child, what it waits on.
const BOUNDS: Bounds = Bounds { steps: 6, objects: 64, bytes: 1024 };
/// From the closure that closes an idle connection: the connection, what its goroutines wait on; what leads to other connections is not
/// looked into.
const CONNECTION: Bounds = Bounds { steps: 2, objects: 2, bytes: 1024 };
/// What a connection has that can be waited on: it is some six things.
const CHANNELS: usize = 16;
/// Objects that all timers are followed to.
const OBJECTS: usize = 1 << 18;
/// Before Go 1.23, `timer.status` of a timer that was stopped, or will be due at another time.
const STOPPED: std::ops::RangeInclusive<u32> = 3..=5;
const MOVED: std::ops::RangeInclusive<u32> = 7..=8;
/// From Go 1.23 on, the bit of `timer.state` of a timer that was stopped.
const ZOMBIE: u8 = 4;

/// A timer that is due once.
#[derive(Clone, Copy, Debug)]
pub(super) struct Due {
    /// CLOCK_MONOTONIC, ns.
    when_ns: u64,
    /// What its function is called with: a channel, a closure.
    pub(super) argument: u64,
}

/// The timers of every processor, which may take so many bytes of `memory`.
pub(super) fn read(source: &mut Source<'_>, roots: &Roots<'_>, memory: u64) -> Result<Vec<u64>, NoProof> {
    let mut timers = Vec::new();
    let base = roots.layout.p.timers;
    // From Go 1.23 on the list holds pairs of the timer and its time.
    let (offset, words) = roots.layout.timers.map_or((base, 1), |timers| (base + timers.heap, 2));
    for processor in &roots.processors {
        let list = processor.wrapping_add(u64::from(offset));
        let (list, length) = pair(source, list, list.wrapping_add(8))?;
        if length > TIMERS {
            continue; // being moved, or no processor
        }
        let bytes = length.saturating_add(timers.len() as u64).saturating_mul(8);
        if bytes > memory {
            return Err(NoProof::TimersTooMany { bytes, limit: memory });
        }
        let mut index = 0_u64;
        if words == 1 {
            pointers(source, list, length, &mut |timer| timers.push(timer))?;
        } else {
            // A time is no address of anything that could be a timer; both are kept in their turn.
            let is_whole = source.list(list, length * 2, &mut |word| {
                if index.is_multiple_of(2) {
                    timers.push(word);
                }
                index += 1;
            })?;
            // It moved meanwhile: what is missing leads to somebody.
            if !is_whole {
                return Err(NoProof::Implausible { what: "p.timers" });
            }
        }
    }
    Ok(timers)
}

/// Of `timers`, those that are due once and have not been stopped.
pub(super) fn due(source: &mut Source<'_>, timers: &[u64], layout: &Timer) -> Result<Vec<Due>, NoProof> {
    let mut due = Vec::new();
    let mut batch = Batch::default();
    for timers in timers.chunks(TOGETHER) {
        batch.clear();
        for timer in timers {
            batch.push_whole(source, *timer, layout.size)?;
        }
        batch.fill(source)?;
        due.extend(batch.iter().filter(|(.., whole)| *whole).filter_map(|(_, bytes, _)| parse(bytes, layout)));
        due.truncate(KEPT);
    }
    Ok(due)
}

/// Whether the timer was stopped, and is in the list all the same. `None`: the bytes are too few.
pub(super) fn is_stopped(timer: &[u8], layout: &Timer) -> Option<bool> {
    match (layout.status, layout.state) {
        (Some(at), _) => Some(STOPPED.contains(&status(timer, at)?)),
        (None, Some(at)) => Some(timer.get(usize::try_from(at).ok()?)? & ZOMBIE != 0),
        (None, None) => Some(false),
    }
}

fn status(timer: &[u8], at: u32) -> Option<u32> {
    u32::try_from(word_at(timer, at)? & 0xffff_ffff).ok()
}

fn parse(bytes: &[u8], layout: &Timer) -> Option<Due> {
    let mut when_ns = word_at(bytes, layout.when)?;
    if let Some(at) = layout.status
        && MOVED.contains(&status(bytes, at)?)
    {
        when_ns = word_at(bytes, layout.nextwhen?)?;
    }
    if is_stopped(bytes, layout)? {
        return None;
    }
    let argument = word_at(bytes, layout.arg + 8)?;
    (word_at(bytes, layout.period)? == 0 && argument != 0).then_some(Due { when_ns, argument })
}

/// Takes those out of `due` that call a closure of the function `code`.
pub(super) fn take_of(source: &mut Source<'_>, due: &mut Vec<Due>, code: u64) -> Result<Vec<Due>, NoProof> {
    let (mut taken, mut left) = (Vec::new(), Vec::with_capacity(due.len()));
    let mut batch = Batch::default();
    for due in due.chunks(TOGETHER) {
        batch.clear();
        let mut asked = Vec::with_capacity(due.len());
        for due in due {
            asked.push(batch.push_whole(source, due.argument, 8)?);
        }
        batch.fill(source)?;
        let mut words = batch.iter().map(|(_, bytes, whole)| word_at(bytes, 0).filter(|_| whole));
        for (due, asked) in due.iter().zip(asked) {
            let is_of = asked && words.next().flatten() == Some(code);
            if is_of { taken.push(*due) } else { left.push(*due) }
        }
    }
    *due = left;
    Ok(taken)
}

/// Calls `each` with watched objects that a timer leads to in few steps, and its time: where many lead to one, with the first and the last of
/// them at least. Whether all were followed.
pub(super) fn follow(source: &mut Source<'_>, mark: &Mark, due: &[Due], each: &mut dyn FnMut(u64, u64)) -> Result<bool, NoProof> {
    let mut sorted = due.to_vec();
    sorted.sort_unstable_by_key(|due| due.when_ns);
    let mut is_whole = true;
    // What is behind that which many lead to is met by those who come first.
    for _ in 0..2 {
        let mut walk = Walk::new(mark, BOUNDS, OBJECTS);
        for due in sorted.chunks(TOGETHER) {
            let mut each = |timer: usize, object: u64| due.get(timer).into_iter().for_each(|due| each(object, due.when_ns));
            due.iter().enumerate().for_each(|(timer, due)| walk.word(timer, due.argument, &mut each));
            walk.follow(source, &mut each)?;
        }
        is_whole &= walk.is_whole();
        if !walk.is_crowded() {
            break;
        }
        sorted.reverse();
    }
    Ok(is_whole)
}

/// Calls `each` with the watched objects of the connection that each timer closes if it is idle, and the time when. Whether all were followed.
pub(super) fn follow_idle(source: &mut Source<'_>, mark: &Mark, idle: &[Due], each: &mut dyn FnMut(&[u64], u64)) -> Result<bool, NoProof> {
    let mut walk = Walk::new(mark, CONNECTION, OBJECTS);
    for idle in idle.chunks(TOGETHER) {
        let mut objects: Vec<Vec<u64>> = vec![Vec::new(); idle.len()];
        let mut found = |timer: usize, object: u64| {
            objects.get_mut(timer).filter(|objects| objects.len() < CHANNELS).into_iter().for_each(|objects| objects.push(object));
        };
        idle.iter().enumerate().for_each(|(timer, idle)| walk.word(timer, idle.argument, &mut found));
        walk.follow(source, &mut found)?;
        idle.iter().zip(&objects).for_each(|(idle, objects)| each(objects, idle.when_ns));
    }
    Ok(walk.is_whole())
}

#[cfg(test)]
mod tests {
    use super::{
        super::{
            Limits,
            mark::tests::{Words, span},
            spans::{PAGE, Slot, Spans},
        },
        *,
    };

    const HEAP: u64 = 0xc0_0000_0000;
    const WATCHED: u64 = HEAP + PAGE;
    const SIZE: u64 = 64;
    const CODE: u64 = 0x40_1000;

    #[test]
    fn a_connection_is_not_followed_to_others() {
        let words = Words::default();
        let [closure, connection, pool, other] = [0, 1, 2, 3].map(|object| HEAP + object * SIZE);
        for (at, word) in [(closure, CODE), (closure + 8, connection), (connection, pool), (connection + 8, WATCHED)] {
            words.put(at, word);
        }
        // The pool leads to another connection, and that to what its own goroutines wait on.
        for (at, word) in [(pool, other), (other, WATCHED + SIZE), (other + 8, CODE)] {
            words.put(at, word);
        }
        let spans = Spans { all: vec![span(HEAP), span(WATCHED)], specials: vec![] };
        let slots = [0, 1].map(|object| Slot { span: 1, object });
        let mark = Mark::new(spans, slots.into_iter(), &Limits::default()).unwrap();
        let mut source = Source::new(&words, &|| 0, 1);
        let mut due = [(1, closure), (2, other), (3, 0)].map(|(when_ns, argument)| Due { when_ns, argument }).to_vec();
        let idle = take_of(&mut source, &mut due, CODE).unwrap();
        let times = |due: &[Due]| due.iter().map(|due| due.when_ns).collect::<Vec<_>>();
        assert_eq!((times(&idle), times(&due)), (vec![1], vec![2, 3]));
        let mut found = Vec::new();
        follow_idle(&mut source, &mark, &idle, &mut |objects, when_ns| found.push((objects.to_vec(), when_ns))).unwrap();
        assert_eq!(found, [(vec![WATCHED], 1)]);
        let mut all = Vec::new();
        follow(&mut source, &mark, &idle, &mut |object, _| all.push(object)).unwrap();
        assert_eq!(all, [WATCHED, WATCHED + SIZE], "as far as any other timer is followed");
    }

    #[test]
    fn of_what_many_lead_to_the_first_and_the_last_time_are_told() {
        let words = Words::default();
        let (timer, shared) = (|of: u64| HEAP + of % 99 * SIZE, HEAP + 100 * SIZE);
        (0..99).for_each(|of| words.put(timer(of), shared));
        words.put(shared, WATCHED);
        let spans = Spans { all: vec![span(HEAP), span(WATCHED)], specials: vec![] };
        let mark = Mark::new(spans, [Slot { span: 1, object: 0 }].into_iter(), &Limits::default()).unwrap();
        let mut source = Source::new(&words, &|| 0, 1);
        // In no order.
        let due: Vec<Due> = (0..2000).map(|of| Due { when_ns: of * 777 % 2000 + 5, argument: timer(of) }).collect();
        let mut times = Vec::new();
        let all = follow(&mut source, &mark, &due, &mut |object, when_ns| times.extend((object == WATCHED).then_some(when_ns))).unwrap();
        assert!(all && times.len() < 300, "{}", times.len());
        assert_eq!((times.iter().min(), times.iter().max()), (Some(&5), Some(&2004)));
    }
}

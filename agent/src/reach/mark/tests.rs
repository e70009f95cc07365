//! What is looked at again when the heap has changed meanwhile.

use std::{cell::RefCell, collections::BTreeMap, ops::Range};

use super::super::spans::PAGE;
use super::*;
use crate::model::{Memory, MemoryError, RuntimeAddress};

const HEAP: u64 = 0xc0_0000_0000;
/// A span of objects, the one object that is watched, and places for spans that come later.
const OBJECTS: u64 = HEAP;
const WATCHED: u64 = HEAP + PAGE;
const LATER: u64 = HEAP + 2 * PAGE;
const FAR: u64 = HEAP + (1 << 30);
const SIZE: u64 = 64;

/// Words that are not 0.
#[derive(Default)]
pub(in crate::reach) struct Words(RefCell<BTreeMap<u64, u64>>);

impl Words {
    pub(in crate::reach) fn put(&self, at: u64, word: u64) {
        self.0.borrow_mut().insert(at, word);
    }
}

impl Memory for Words {
    fn read(&self, at: RuntimeAddress, out: &mut [u8]) -> Result<(), MemoryError> {
        for (address, bytes) in (at.0..).step_by(8).zip(out.chunks_mut(8)) {
            bytes.copy_from_slice(&self.0.borrow().get(&address).copied().unwrap_or(0).to_le_bytes()[..bytes.len()]);
        }
        Ok(())
    }

    fn present(&self, range: Range<RuntimeAddress>) -> Result<Vec<Range<RuntimeAddress>>, MemoryError> {
        Ok(vec![range])
    }
}

pub(in crate::reach) fn span(start: u64) -> Span {
    let size = u32::try_from(SIZE).unwrap();
    Span { start, pages: 1, size, count: 128, magic: u32::MAX / size + 1, free: 7, swept: 4, ..Span::default() }
}

/// Marks, lets `change` happen, looks again: whether the watched object is found, to which nothing leads at first.
fn check(name: &str, change: impl FnOnce(&Words, &mut Vec<Span>) -> Option<u64>, expected: bool) {
    let words = Words::default();
    let limits = Limits::default();
    let spans = vec![span(OBJECTS), span(WATCHED)];
    let watched = Slot { span: 1, object: 0 };
    let mut mark = Mark::new(Spans { all: spans.clone(), specials: vec![] }, [watched].into_iter(), &limits).unwrap();
    let mut source = Source::new(&words, &|| 0, 1);
    words.put(OBJECTS, OBJECTS + SIZE);
    words.put(OBJECTS + 8, LATER + 3 * SIZE);
    mark.word(OBJECTS);
    mark.drain(&mut source).unwrap();
    assert!(mark.take_woken().is_empty(), "{name}: at first");
    let mut now = spans;
    let root = change(&words, &mut now);
    mark.renew(&now, &limits).unwrap();
    root.into_iter().for_each(|root| mark.word(root));
    mark.drain(&mut source).unwrap();
    assert_eq!(mark.take_woken(), if expected { vec![WATCHED] } else { vec![] }, "{name}");
}

/// The objects' span becomes another, and the second object, which has been read, leads to the watched one.
fn changed(free: u32, swept: u32) -> impl FnOnce(&Words, &mut Vec<Span>) -> Option<u64> {
    move |words, spans| {
        words.put(OBJECTS + SIZE, WATCHED);
        (spans[0].free, spans[0].swept) = (free, swept);
        None
    }
}

/// There is a span more, of which the sixth object leads to the watched one, and a word that leads to an object of it.
fn added(start: u64, object: Option<u64>) -> impl FnOnce(&Words, &mut Vec<Span>) -> Option<u64> {
    move |words, spans| {
        words.put(start + 5 * SIZE, WATCHED);
        spans.push(span(start));
        object.map(|object| start + object * SIZE)
    }
}

#[test]
fn what_has_changed_is_looked_at_again() {
    check("nothing was allocated", changed(7, 4), false);
    check("something was allocated", changed(8, 4), true);
    check("swept, nothing allocated", changed(0, 6), false);
    check("swept, and as many allocated", changed(7, 6), true);
    check("a new span that was pointed into", added(LATER, None), true);
    check("one that was not", added(LATER + PAGE, None), false);
    check("one that was not, and another object is", added(LATER + PAGE, Some(4)), false);
    check("one that was not, and its object is", added(LATER + PAGE, Some(5)), true);
    check("one where nobody can tell", added(FAR, None), true);
}

#[test]
fn what_would_take_too_much_is_refused() {
    let spans = vec![span(OBJECTS)];
    let mut mark = Mark::new(Spans { all: spans, specials: vec![] }, std::iter::empty(), &Limits::default()).unwrap();
    let limits = Limits { memory: 100_000, ..Limits::default() };
    let far: Vec<Span> = (0..8).map(|number| span(FAR << number)).collect();
    assert!(matches!(mark.renew(&far, &limits), Err(NoProof::MarksTooLarge { limit: 100_000, .. })));
}

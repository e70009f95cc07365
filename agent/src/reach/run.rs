//! One proof under way: what is known so far of who is led to.
//!
//! Input nouns: [`Before`], [`Candidate`]s, [`Spans`], [`Roots`]. Output noun: [`Proof`]. Must not know when it is made, or why.

use std::collections::HashMap;

use super::goroutines::{Before, Candidate, Doing, Seen, Watched};
use super::inward::{self, Inward};
use super::mark::Mark;
use super::peers::Peers;
use super::roots::Roots;
use super::source::Source;
use super::spans::Spans;
use super::tickers::Ticking;
use super::waits::Link;
use super::{Census, Limits, NoProof, queues, specials, tickers, timers};
use crate::model::{Goroutine, Proof, RuntimeAddress, Ticker, Waiter};

/// Data up to this size is looked at a second time, after the heap: a pointer may have moved into it.
const TWICE: u64 = 16 << 20;
/// Ranges that wait to be read before they are.
const RANGES: usize = 65_536;

/// Goroutines of one connection that wait on one object.
const WAITERS: usize = 4;

/// A proof under way.
pub(super) struct Run<'a> {
    source: Source<'a>,
    before: Before,
    candidates: Vec<Candidate>,
    links: Vec<Link>,
    watched: Watched,
    /// What holds the descriptors of those who wait for the kernel, and of their other ends, where somebody waits for both; sorted.
    holders: Vec<u64>,
    mark: Mark,
    peers: Peers,
    /// `go` statements of many goroutines that lead to nothing outside.
    inward: Vec<u64>,
    /// There was more than could be followed of what timers and sleepers lead to.
    unfollowed: bool,
    roots: Roots<'a>,
    /// Sorted by timer.
    tickers: Vec<Ticking>,
    sudog: u32,
    /// Minor version of Go 1.
    minor: u16,
    limits: Limits,
}

impl<'a> Run<'a> {
    pub(super) fn new(
        source: Source<'a>,
        before: Before,
        mut candidates: Vec<Candidate>,
        links: Vec<Link>,
        spans: Spans,
        roots: Roots<'a>,
        (minor, limits): (u16, Limits),
    ) -> Result<Self, NoProof> {
        let (mut watched, mut slots) = (Vec::with_capacity(links.len()), Vec::with_capacity(links.len()));
        for (number, candidate) in candidates.iter_mut().enumerate() {
            for link in part(&links, candidate.links) {
                match spans.find(link.object).and_then(|slot| Some((slot, spans.all.get(slot.span)?))) {
                    Some((slot, span)) => {
                        watched.push((span.object_range(slot.object).0, number));
                        slots.push(slot);
                    }
                    // Outside of the heap: a variable, which any code may use.
                    None => candidate.live = true,
                }
            }
        }
        let sudog = roots.layout.sudog.size;
        // Who is live leads to what it holds anyway.
        let is_live = |link: &Link| usize::try_from(link.candidate).ok().and_then(|of| candidates.get(of)).is_none_or(|of| of.live);
        let mut holders: Vec<u64> = links.iter().filter(|link| link.sudog == 0 && !is_live(link)).map(|link| link.object).collect();
        holders.sort_unstable();
        let mark = Mark::new(spans, slots.into_iter(), &limits)?;
        Ok(Self {
            source,
            before,
            candidates,
            links,
            watched: Watched::new(watched),
            holders,
            mark,
            peers: Peers::default(),
            inward: Vec::new(),
            unfollowed: false,
            roots,
            tickers: Vec::new(),
            sudog,
            minor,
            limits,
        })
    }

    /// Closes what is the runtime's own, and the queue entries of candidates.
    fn close(&mut self) -> Result<(), NoProof> {
        let on_thread = |seen: &&Seen| matches!(seen.doing, Doing::Runs | Doing::Else);
        let running: Vec<u64> = self.before.all.iter().filter(on_thread).map(|seen| seen.g).collect();
        self.roots.close(&mut self.source, &mut self.mark, &running, self.limits.goroutines)?;
        for link in &self.links {
            self.mark.close(link.sudog);
        }
        Ok(())
    }

    /// Marks from what is not in doubt. `closes_idle`: the function by which a timer closes a connection that nobody uses; `tickers`: whether
    /// there may be some that nobody uses.
    pub(super) fn begin(&mut self, specials: &[(u64, u64)], closes_idle: Option<RuntimeAddress>, tickers: bool) -> Result<(), NoProof> {
        self.close()?;
        let timers = timers::read(&mut self.source, &self.roots, self.limits.memory)?;
        if tickers {
            self.tickers = tickers::read(&mut self.source, &self.mark, &timers, &self.roots.layout.timer)?;
        }
        if !self.watched.is_empty() {
            let mut due = timers::due(&mut self.source, &timers, &self.roots.layout.timer)?;
            if let Some(code) = closes_idle {
                let idle = timers::take_of(&mut self.source, &mut due, code.0)?;
                self.follow_idle(&idle)?;
            }
            self.follow(&due)?;
            let (timed, waiting) = ((due.as_slice(), self.before.all.as_slice()), (&self.watched, self.candidates.as_slice()));
            self.peers = Peers::find(&mut self.source, &self.mark, timed, waiting)?;
            self.unfollowed |= !self.peers.are_all();
        }
        self.inward(specials)?;
        self.roots.mark_data(&mut self.mark);
        self.timers(&timers);
        self.specials(specials)?;
        let mut next = self.candidates.iter().map(|candidate| candidate.seen).peekable();
        let mut pushed = 0;
        let mut others = Vec::new();
        for (index, seen) in self.before.all.iter().enumerate() {
            if next.next_if_eq(&index).is_none() && seen.doing != Doing::Collects {
                others.push(*seen);
            }
        }
        for seen in others {
            self.push(&seen);
            pushed += 1;
            if pushed % RANGES == 0 {
                self.mark.drain(&mut self.source)?;
            }
        }
        for number in 0..self.candidates.len() {
            if self.candidates.get(number).is_some_and(|candidate| candidate.live) {
                self.wake(number);
            }
        }
        self.drain()
    }

    /// Asks which `go` statements of many goroutines lead to nothing outside.
    fn inward(&mut self, specials: &[(u64, u64)]) -> Result<(), NoProof> {
        let crowds = inward::crowds(&self.before.all, self.limits.crowd, self.source.began_ns());
        if crowds.is_empty() {
            return Ok(());
        }
        // Of what holds descriptors only the pipe of a splice has a cleanup, from Go 1.25 on.
        let (layout, kinds) = (&self.roots.layout.special, [specials::Kind::Finalizer, specials::Kind::Cleanup]);
        let Some(closing) = specials::objects(&mut self.source, specials, layout, self.minor, &kinds)? else { return Ok(()) };
        if let Some(inward) = Inward::read(&mut self.source, &self.mark, &self.before.all, &closing)? {
            self.inward = inward.of(&mut self.source, &crowds)?;
        }
        Ok(())
    }

    /// What the runtime calls functions with that nothing else leads to: of specials first, since from there they are queued.
    fn specials(&mut self, specials: &[(u64, u64)]) -> Result<(), NoProof> {
        specials::mark(&mut self.source, &mut self.mark, (specials, &self.holders), &self.roots.layout.special, self.minor)?;
        queues::mark(&mut self.source, &mut self.mark, &self.roots.variables)
    }

    /// A goroutine that can run: its stack and what the runtime keeps of it.
    fn push(&mut self, seen: &Seen) {
        let (low, high) = seen.stack();
        self.mark.range(low, high);
        self.mark.range(seen.g, seen.g.saturating_add(u64::from(self.roots.layout.g.size)));
    }

    /// A candidate that can run after all.
    fn wake(&mut self, number: usize) {
        let Some(candidate) = self.candidates.get_mut(number) else { return };
        candidate.live = true;
        let links = candidate.links;
        if let Some(seen) = self.before.all.get(candidate.seen).copied() {
            self.push(&seen);
        }
        for link in part(&self.links, links) {
            self.mark.word(link.object);
            if link.sudog != 0 {
                self.mark.range(link.sudog, link.sudog.saturating_add(u64::from(self.sudog)));
            }
        }
    }

    /// Reads to the fixpoint: whoever is led to wakes, and leads on.
    fn drain(&mut self) -> Result<(), NoProof> {
        loop {
            self.mark.drain(&mut self.source)?;
            let woken = self.mark.take_woken();
            if woken.is_empty() {
                return Ok(());
            }
            woken.into_iter().for_each(|object| self.wake_waiters(object));
        }
    }

    /// Those who wait on the object that begins there can run after all.
    fn wake_waiters(&mut self, object: u64) {
        for number in self.watched.by(object).collect::<Vec<_>>() {
            if self.candidates.get(number).is_some_and(|candidate| !candidate.live) {
                self.wake(number);
            }
        }
    }

    /// Finds out when what is waited on will be used by a timer.
    fn follow(&mut self, due: &[timers::Due]) -> Result<(), NoProof> {
        // Thousands may lead to one object, and thousands wait there.
        let mut times: HashMap<u64, (u64, u64)> = HashMap::new();
        let all = timers::follow(&mut self.source, &self.mark, due, &mut |object, when_ns| {
            let (first, last) = times.entry(object).or_insert((when_ns, when_ns));
            (*first, *last) = ((*first).min(when_ns), (*last).max(when_ns));
        })?;
        self.unfollowed |= !all;
        for (object, (first, last)) in times {
            for number in self.watched.by(object) {
                if let Some(candidate) = self.candidates.get_mut(number) {
                    candidate.is_due(first);
                    candidate.is_due(last);
                }
            }
        }
        Ok(())
    }

    /// The same, for timers that close a connection if nobody uses it: one of whose goroutines waits for more than the connection itself
    /// is used, and is not closed.
    fn follow_idle(&mut self, idle: &[timers::Due]) -> Result<(), NoProof> {
        let (mark, links, watched, candidates) = (&self.mark, &self.links, &self.watched, &mut self.candidates);
        let all = timers::follow_idle(&mut self.source, mark, idle, &mut |objects, when_ns| {
            let waiters: Vec<usize> = objects.iter().flat_map(|object| watched.by(*object).take(WAITERS)).collect();
            let is_of_connection = |link: &Link| mark.object(link.object).is_some_and(|object| objects.contains(&object.from));
            let waits_for_it = |number: &usize| {
                let links = candidates.get(*number).map_or(&[][..], |candidate| part(links, candidate.links));
                links.len() <= objects.len() && links.iter().all(is_of_connection)
            };
            if waiters.iter().all(waits_for_it) {
                for number in waiters {
                    if let Some(candidate) = candidates.get_mut(number) {
                        candidate.is_due(when_ns);
                    }
                }
            }
        })?;
        self.unfollowed |= !all;
        Ok(())
    }

    /// Looks at the goroutines again: whoever is new, or has run, can run.
    pub(super) fn after(
        &mut self,
        census: &mut Census<'_>,
        collects: &dyn Fn(&Goroutine) -> bool,
        running: &mut Vec<(u64, u8)>,
    ) -> Result<(), NoProof> {
        let (before, candidates) = (&mut self.before, &mut self.candidates);
        let mut changed: Vec<Seen> = Vec::new();
        census(&mut |goroutine| {
            let Some(seen) = Seen::new(goroutine, collects(goroutine)) else { return };
            if seen.doing == Doing::Runs {
                running.push((seen.goid, seen.seq));
            }
            let index = before.find(seen.goid);
            if let Some(then) = index.and_then(|index| before.all.get(index))
                && seen.waits_since(then)
            {
                if let Ok(number) = candidates.binary_search_by_key(&index, |candidate| Some(candidate.seen))
                    && let Some(candidate) = candidates.get_mut(number)
                {
                    candidate.confirmed = true;
                }
            } else if seen.doing != Doing::Collects {
                changed.push(seen);
            }
        })?;
        for seen in &changed {
            self.push(seen);
        }
        for number in 0..self.candidates.len() {
            if self.candidates.get(number).is_some_and(|candidate| !candidate.confirmed) {
                self.wake(number);
            }
        }
        Ok(())
    }

    /// Looks once more at what pointers run through, with the heap as it is now. What was listed is in spans that are listed after it.
    pub(super) fn again(&mut self) -> Result<(), NoProof> {
        let timers = timers::read(&mut self.source, &self.roots, self.limits.memory)?;
        let spans = Spans::read(&mut self.source, self.roots.variables.mheap, self.roots.layout, self.minor, &self.limits)?;
        self.mark.renew(&spans.all, &self.limits)?;
        self.close()?;
        self.timers(&timers);
        self.specials(&spans.specials)?;
        if self.roots.data_bytes() <= TWICE {
            self.roots.mark_data(&mut self.mark);
        }
        self.drain()
    }

    /// Whatever a timer leads to; a ticker leads to those who wait for it.
    fn timers(&mut self, timers: &[u64]) {
        for timer in timers {
            let found = self.tickers.binary_search_by_key(timer, |ticker| ticker.timer).ok();
            match found.and_then(|found| self.tickers.get(found)).copied() {
                Some(ticker) => self.wake_waiters(ticker.channel),
                None => self.mark.word(*timer),
            }
        }
    }

    /// Which tickers tick for nobody. Those who never run again may have been its users: theirs is another leak.
    fn tickers(&mut self) -> Result<Vec<Ticker>, NoProof> {
        if self.tickers.is_empty() {
            return Ok(Vec::new());
        }
        let dead: Vec<Seen> = (self.candidates.iter().filter(|candidate| !candidate.live))
            .filter_map(|candidate| self.before.all.get(candidate.seen).copied())
            .collect();
        dead.iter().for_each(|seen| self.push(seen));
        for link in &self.links {
            self.mark.word(link.object);
        }
        self.mark.drain(&mut self.source)?;
        let told = self.tickers.iter().map(|ticker| Ticker {
            channel: RuntimeAddress(ticker.channel),
            period_ns: ticker.period,
            unreachable: !self.mark.is_reached(ticker.channel),
        });
        Ok(told.collect())
    }

    pub(super) fn proof(mut self) -> Result<Proof, NoProof> {
        let tickers = self.tickers()?;
        let mut waiters = HashMap::with_capacity(self.candidates.len());
        for (number, candidate) in self.candidates.iter().enumerate().filter(|(_, candidate)| candidate.confirmed) {
            let Some(seen) = self.before.all.get(candidate.seen) else { continue };
            let mut objects: Vec<RuntimeAddress> =
                part(&self.links, candidate.links).iter().map(|link| RuntimeAddress(link.object)).collect();
            objects.dedup();
            objects.truncate(Waiter::OBJECTS);
            objects.shrink_to_fit();
            let waiter = Waiter {
                seq: seen.seq,
                unreachable: !candidate.live,
                deadline_ns: candidate.deadline_ns,
                last_deadline_ns: candidate.last_deadline_ns,
                objects,
                peers: self.peers.take(number),
                own_pipe: candidate.own_pipe,
            };
            waiters.insert(seen.goid, waiter);
        }
        let inward = self.inward.iter().copied().map(RuntimeAddress).collect();
        let (began_ns, ended_ns, bytes_read) = (self.source.began_ns(), self.source.time()?, self.source.bytes());
        Ok(Proof { began_ns, ended_ns, waiters, tickers, inward, unfollowed: self.unfollowed, bytes_read })
    }
}

/// The links of one candidate.
fn part(links: &[Link], (from, to): (usize, usize)) -> &[Link] {
    links.get(from..to).unwrap_or_default()
}

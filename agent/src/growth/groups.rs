//! `go` statements and places of waiting, and how long lives and waits there last. Input: beginnings and ends of single goroutines.
//! Output nouns: [`Site`], [`Group`]. Must not know proofs, nor who is accused.

use std::collections::HashMap;

use super::{Watch, member::Tick, threshold};
use crate::model::RuntimeAddress;

/// `go` statements of one program: large ones have some thousands.
const SITES: usize = 16 << 10;
/// Places of waiting of one program.
const GROUPS: usize = 64 << 10;

/// One `go` statement.
#[derive(Clone, Copy, Debug)]
pub(super) struct Site {
    /// Its return address.
    pub(super) created_at: RuntimeAddress,
    /// The longest life that was seen to end, at least: of those that were there at the start the beginning is not known.
    pub(super) longest_life: Tick,
    /// Goroutines that began while watched.
    pub(super) births: u64,
    /// When the last of them began.
    pub(super) last_birth: Tick,
    /// The longest time between two of them.
    pub(super) longest_pause: Tick,
    /// So many proofs in a row said that those who are there lead to nothing outside of the process.
    pub(super) inward: u16,
}

/// One place of waiting of the goroutines of one `go` statement.
#[derive(Clone, Copy, Debug)]
pub(super) struct Group {
    pub(super) site: u16,
    pub(super) reason: u8,
    /// Return address of the call that waits; 0: not known yet.
    pub(super) blocked_at: RuntimeAddress,
    /// The longest wait that was seen to end, at least.
    pub(super) longest_wait: Tick,
    /// Who still waited here when the only timers that led to what they wait on had come due.
    outlived: u32,
    /// Whose wait ended when a timer had come due that led to it.
    served: u32,
    /// Stacks that were read of goroutines that waited here.
    pub(super) stacks: u32,
    /// In the last census, who waited here for longer than others did, and was in a proof.
    seen: u32,
    /// The same of those who were in none yet.
    unseen: u32,
}

/// Stacks of those who wait too shortly to be seen twice in one wait: of so many one learns where they usually wait.
const STACKS: u32 = 8;
/// So many whom no proof has seen are worth one, and one in so many of those whom one has seen.
const UNSEEN: u32 = 3;
/// So many timers that came due and ended no wait tell that those of a place are for something else.
const OUTLIVED: u32 = 3;

/// All of them, in tables that end: what does not fit is not followed.
#[derive(Debug, Default)]
pub(super) struct Groups {
    sites: Vec<Site>,
    site_numbers: HashMap<RuntimeAddress, u16>,
    groups: Vec<Group>,
    group_numbers: HashMap<(u16, u8, RuntimeAddress), u32>,
    /// A `go` statement did not fit.
    pub(super) full: bool,
}

impl Groups {
    /// The number of a `go` statement.
    pub(super) fn site(&mut self, created_at: RuntimeAddress) -> Option<u16> {
        if let Some(number) = self.site_numbers.get(&created_at) {
            return Some(*number);
        }
        let number = u16::try_from(self.sites.len()).ok().filter(|number| usize::from(*number) < SITES);
        let Some(number) = number else {
            self.full = true;
            return None;
        };
        self.sites.push(Site { created_at, longest_life: 0, births: 0, last_birth: 0, longest_pause: 0, inward: 0 });
        self.site_numbers.insert(created_at, number);
        Some(number)
    }

    /// The number of a group; when there are too many, that of those of whom the place of waiting is not known.
    pub(super) fn group(&mut self, site: u16, reason: u8, blocked_at: RuntimeAddress) -> u32 {
        let key = (site, reason, blocked_at);
        if let Some(number) = self.group_numbers.get(&key) {
            return *number;
        }
        // One place for each (site, reason) always fits: there are at most 16 k times 255 of them, and reasons are few.
        if self.groups.len() >= GROUPS && blocked_at != RuntimeAddress::default() {
            return self.group(site, reason, RuntimeAddress::default());
        }
        let number = u32::try_from(self.groups.len()).unwrap_or(u32::MAX);
        self.groups.push(Group { site, reason, blocked_at, longest_wait: 0, outlived: 0, served: 0, stacks: 0, seen: 0, unseen: 0 });
        self.group_numbers.insert(key, number);
        number
    }

    /// A stack was read that ends there: the number of its group.
    pub(super) fn stack(&mut self, site: u16, reason: u8, blocked_at: RuntimeAddress) -> u32 {
        let number = self.group(site, reason, blocked_at);
        for number in [number, self.group(site, reason, RuntimeAddress::default())] {
            if let Some(group) = self.get_mut(number) {
                group.stacks = group.stacks.saturating_add(1);
            }
        }
        number
    }

    /// Whether so little is known of where the goroutines of this group wait, of whom no place is known, that any stack is welcome.
    pub(super) fn wants_stacks(&self, group: u32) -> bool {
        self.get(group).is_some_and(|group| group.blocked_at == RuntimeAddress::default() && group.stacks < STACKS)
    }

    /// Where those of a group usually wait of whom no place is known: rather with the same wait reason than with another.
    pub(super) fn usual(&self, number: u32) -> u32 {
        let Some(group) = self.get(number).filter(|group| group.blocked_at == RuntimeAddress::default()) else { return number };
        let places =
            (0_u32..).zip(&self.groups).filter(|(_, other)| other.site == group.site && other.blocked_at != RuntimeAddress::default());
        places.max_by_key(|(_, other)| (other.reason == group.reason, other.stacks)).map_or(number, |(usual, _)| usual)
    }

    pub(super) fn get(&self, group: u32) -> Option<&Group> {
        self.groups.get(usize::try_from(group).ok()?)
    }

    fn get_mut(&mut self, group: u32) -> Option<&mut Group> {
        self.groups.get_mut(usize::try_from(group).ok()?)
    }

    /// Those of the same `go` statement and reason whose place of waiting was not read in time.
    fn unread(&self, group: &Group) -> Option<&Group> {
        self.get(*self.group_numbers.get(&(group.site, group.reason, RuntimeAddress::default()))?)
    }

    pub(super) fn get_site(&self, site: u16) -> Option<&Site> {
        self.sites.get(usize::from(site))
    }

    pub(super) fn all(&self) -> &[Group] {
        &self.groups
    }

    pub(super) fn all_sites(&self) -> &[Site] {
        &self.sites
    }

    /// A census begins: who waits for long is told by [`Groups::waits`].
    pub(super) fn begin_census(&mut self) {
        self.groups.iter_mut().for_each(|group| (group.seen, group.unseen) = (0, 0));
    }

    /// Somebody has waited there for `lasted`, and a little less than `slack` more; `seen`: in a proof too.
    pub(super) fn waits(&mut self, group: u32, lasted: Tick, slack: Tick, seen: bool) {
        let Some(group) = self.get_mut(group) else { return };
        if lasted > threshold(group.longest_wait, slack) {
            let count = if seen { &mut group.seen } else { &mut group.unseen };
            *count = count.saturating_add(1);
        }
    }

    /// Whether in some group so many more wait for long than a proof has seen that it is worth another.
    pub(super) fn want_proof(&self) -> bool {
        self.groups.iter().any(|group| group.unseen >= UNSEEN && group.unseen >= group.seen / UNSEEN)
    }

    /// A wait of this length has ended. `due`: by then a timer had come due that led to what was waited on.
    pub(super) fn wait_ended(&mut self, group: u32, lasted: Tick, due: bool) {
        if let Some(group) = self.get_mut(group) {
            group.longest_wait = group.longest_wait.max(lasted);
            group.served = group.served.saturating_add(u32::from(due));
        }
    }

    /// A wait there goes on when all timers have come due that led to what is waited on.
    pub(super) fn timer_ended_nothing(&mut self, group: u32) {
        if let Some(group) = self.get_mut(group) {
            group.outlived = group.outlived.saturating_add(1);
        }
    }

    pub(super) fn born(&mut self, site: u16, now: Tick) {
        if let Some(site) = self.sites.get_mut(usize::from(site)) {
            if site.births > 0 {
                site.longest_pause = site.longest_pause.max(now.saturating_sub(site.last_birth));
            }
            site.births += 1;
            site.last_birth = now;
        }
    }

    /// Who began up to now was there at the start.
    pub(super) fn forget_beginnings(&mut self) {
        self.sites.iter_mut().for_each(|site| (site.births, site.last_birth, site.longest_pause) = (0, 0, 0));
    }

    /// One more proof: which `go` statements lead to nothing outside.
    pub(super) fn inward(&mut self, is_inward: impl Fn(u16, RuntimeAddress) -> bool) {
        for (number, site) in (0..).zip(&mut self.sites) {
            site.inward = if is_inward(number, site.created_at) { site.inward.saturating_add(1) } else { 0 };
        }
    }

    /// A life of this length has ended.
    pub(super) fn died(&mut self, site: u16, lived: Tick) {
        if let Some(site) = self.sites.get_mut(usize::from(site)) {
            site.longest_life = site.longest_life.max(lived);
        }
    }

    /// Whether timers that lead to what is waited on there were seen to end no wait, but to come due for nothing.
    pub(super) fn outlives_timers(&self, number: u32) -> bool {
        let Some(group) = self.get(number).filter(|group| group.outlived >= OUTLIVED && group.served == 0) else { return false };
        self.unread(group).is_none_or(|group| group.served == 0)
    }

    /// The longest wait that ended in this group, or at a place of the same `go` statement and reason that was not read in time.
    pub(super) fn longest_wait(&self, group: &Group) -> Tick {
        group.longest_wait.max(self.unread(group).map_or(0, |group| group.longest_wait))
    }
}

impl Watch {
    /// Whether the program has more `go` statements than can be followed: those that came last are not.
    #[must_use]
    pub const fn is_full(&self) -> bool {
        self.groups.full
    }
}

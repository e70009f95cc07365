//! A map that forgets what was not used for longest. Input noun: keys and values. Output noun: [`Lru`]. Must not know what they are.

use std::{
    collections::{BTreeMap, HashMap},
    hash::Hash,
};

/// A map of bounded size that forgets what was not used for longest.
#[derive(Debug)]
pub(super) struct Lru<K, V> {
    capacity: usize,
    /// Rises with each use: the smallest in `uses` is the oldest.
    clock: u64,
    entries: HashMap<K, (u64, V)>,
    uses: BTreeMap<u64, K>,
}

impl<K: Clone + Eq + Hash, V> Lru<K, V> {
    pub(super) fn new(capacity: usize) -> Self {
        Self { capacity, clock: 0, entries: HashMap::new(), uses: BTreeMap::new() }
    }

    /// The value of a key, which is used now.
    pub(super) fn get(&mut self, key: &K) -> Option<&V> {
        let (used, value) = self.entries.get_mut(key)?;
        self.uses.remove(used);
        self.clock += 1;
        *used = self.clock;
        self.uses.insert(self.clock, key.clone());
        Some(value)
    }

    /// Keeps a value, in place of the oldest if there is no room.
    pub(super) fn insert(&mut self, key: K, value: V) {
        self.remove(&key);
        while self.entries.len() >= self.capacity {
            let Some((_, oldest)) = self.uses.pop_first() else { return };
            self.entries.remove(&oldest);
        }
        self.clock += 1;
        self.uses.insert(self.clock, key.clone());
        self.entries.insert(key, (self.clock, value));
    }

    pub(super) fn remove(&mut self, key: &K) {
        if let Some((used, _)) = self.entries.remove(key) {
            self.uses.remove(&used);
        }
    }

    /// All keys and values, in no order; not a use.
    pub(super) fn iter(&self) -> impl Iterator<Item = (&K, &V)> {
        self.entries.iter().map(|(key, (_, value))| (key, value))
    }

    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        self.entries.len()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn forgets_the_oldest() {
        let mut lru = Lru::new(2);
        lru.insert("a", 1);
        lru.insert("b", 2);
        assert_eq!(lru.get(&"a"), Some(&1));
        lru.insert("c", 3);
        assert_eq!(lru.get(&"b"), None);
        lru.insert("a", 4);
        lru.insert("d", 5);
        assert_eq!(["c", "a", "d"].map(|key| lru.get(&key).copied()), [None, Some(4), Some(5)]);
        lru.remove(&"a");
        assert_eq!((lru.len(), lru.uses.len()), (1, 1));
        let mut none = Lru::new(0);
        none.insert(1, 1);
        assert_eq!(none.len(), 0);
    }
}

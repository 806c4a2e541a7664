//! A map whose clones share what they have in common.
//!
//! Every instruction has a scope of its own, and most scopes differ from the one before in one variable. Copying
//! all variables each time would make a file of ten thousand `ENV`s cost a hundred million copies.

use std::collections::BTreeMap;
use std::sync::Arc;

/// A map as a stack of sorted layers; what a later layer says hides what an earlier one says.
// Invariant: each layer is sorted, has every key once, is not empty, and is more than twice as long as the next. So there
// are few of them, and an entry is copied once for every doubling of the map.
#[derive(Debug, Clone)]
pub(crate) struct Layered<K, V> {
    layers: Vec<Arc<Vec<(K, V)>>>,
}

impl<K, V> Default for Layered<K, V> {
    fn default() -> Layered<K, V> {
        Layered { layers: Vec::new() }
    }
}

impl<K: Ord + Clone, V: Clone> Layered<K, V> {
    /// The value of a key.
    pub(crate) fn get<Q: Ord + ?Sized>(&self, key: &Q) -> Option<&V>
    where
        K: std::borrow::Borrow<Q>,
    {
        self.layers.iter().rev().find_map(|layer| {
            let at = layer
                .binary_search_by(|(known, _)| known.borrow().cmp(key))
                .ok()?;
            Some(&layer[at].1)
        })
    }

    /// Sets the value of a key.
    pub(crate) fn insert(&mut self, key: K, value: V) {
        let mut top = vec![(key, value)];
        while let Some(below) = self.layers.pop_if(|below| below.len() <= 2 * top.len()) {
            top = merged(&below, top);
        }
        self.layers.push(Arc::new(top));
    }

    /// The number of entries, or more if some are hidden.
    pub(crate) fn len_at_most(&self) -> usize {
        self.layers.iter().map(|layer| layer.len()).sum()
    }

    /// All entries, by key.
    pub(crate) fn entries(&self) -> BTreeMap<&K, &V> {
        let mut entries = BTreeMap::new();
        for layer in &self.layers {
            entries.extend(layer.iter().map(|(key, value)| (key, value)));
        }
        entries
    }
}

impl<K: Ord + Clone, V: Clone + PartialEq> PartialEq for Layered<K, V> {
    fn eq(&self, other: &Layered<K, V>) -> bool {
        let is_shared = self.layers.len() == other.layers.len()
            && self
                .layers
                .iter()
                .zip(&other.layers)
                .all(|(left, right)| Arc::ptr_eq(left, right));
        is_shared || self.entries() == other.entries()
    }
}

impl<K: Ord + Clone, V: Clone + Eq> Eq for Layered<K, V> {}

/// Both layers as one; of one key the upper layer counts.
fn merged<K: Ord + Clone, V: Clone>(below: &[(K, V)], upper: Vec<(K, V)>) -> Vec<(K, V)> {
    let mut merged = Vec::with_capacity(below.len() + upper.len());
    let mut below = below.iter().peekable();
    for entry in upper {
        while let Some(lower) = below.next_if(|lower| lower.0 < entry.0) {
            merged.push(lower.clone());
        }
        below.next_if(|lower| lower.0 == entry.0);
        merged.push(entry);
    }
    merged.extend(below.cloned());
    merged
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn it_is_a_map_and_its_clones_do_not_change(
            pairs in proptest::collection::vec((0_u8..40, 0_u8..9), 0..200),
        ) {
            let mut layered = Layered::default();
            let mut map = BTreeMap::new();
            let mut earlier = Vec::new();
            for (key, value) in pairs {
                earlier.push((layered.clone(), map.clone()));
                layered.insert(key, value);
                map.insert(key, value);
                prop_assert_eq!(layered.get(&key), Some(&value));
                let lengths: Vec<usize> = layered.layers.iter().map(|layer| layer.len()).collect();
                prop_assert!(lengths.windows(2).all(|pair| pair[0] > 2 * pair[1]), "{:?}", lengths);
            }
            earlier.push((layered, map));
            for (layered, map) in earlier {
                let entries: BTreeMap<u8, u8> =
                    layered.entries().into_iter().map(|(key, value)| (*key, *value)).collect();
                prop_assert_eq!(entries, map);
            }
        }
    }
}

//! A map in parts, each with a lock of its own, so that calls of different portals and
//! conversations hardly ever meet.

use std::collections::HashMap;
use std::fmt;
use std::hash::{BuildHasher, Hash};
use std::sync::{Mutex, MutexGuard, PoisonError};

use foldhash::fast::RandomState;

/// A power of two, many times the number of processors.
const SHARDS: usize = 64;

/// One part of the map.
pub(super) type Shard<K, V> = HashMap<K, V, RandomState>;

/// The parts.
pub(super) struct Shards<K, V> {
    parts: [Mutex<Shard<K, V>>; SHARDS],
    hash: RandomState,
}

impl<K, V> Shards<K, V> {
    /// A number for a key that may come from callers: nobody can choose keys with the same one.
    pub(super) fn fingerprint(&self, key: &impl Hash) -> u64 {
        self.hash.hash_one(key)
    }

    /// The part of a key with this fingerprint. It is locked for a moment only.
    pub(super) fn of(&self, fingerprint: u64) -> MutexGuard<'_, Shard<K, V>> {
        let part = self.part(fingerprint);
        part.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The same, unless it is locked.
    #[cfg(test)]
    pub(super) fn try_of(&self, fingerprint: u64) -> Option<MutexGuard<'_, Shard<K, V>>> {
        self.part(fingerprint).try_lock().ok()
    }

    /// All parts, one after the other.
    pub(super) fn all(&self) -> impl Iterator<Item = MutexGuard<'_, Shard<K, V>>> {
        let parts = self.parts.iter();
        parts.map(|part| part.lock().unwrap_or_else(PoisonError::into_inner))
    }

    fn part(&self, fingerprint: u64) -> &Mutex<Shard<K, V>> {
        let [first, ..] = &self.parts;
        let shards = u64::try_from(SHARDS).unwrap_or(1);
        let index = usize::try_from(fingerprint % shards).unwrap_or_default();
        self.parts.get(index).unwrap_or(first)
    }
}

impl<K, V> Default for Shards<K, V> {
    fn default() -> Self {
        Self {
            parts: std::array::from_fn(|_| Mutex::default()),
            hash: RandomState::default(),
        }
    }
}

impl<K, V> fmt::Debug for Shards<K, V> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Shards").finish_non_exhaustive()
    }
}

//! The keys that may have a row: others are new, and need not be looked for.
//!
//! Bloom filters: a key that was noted is always found, one of a few hundred others is, too.

use std::collections::VecDeque;
use std::hash::BuildHasher;
use std::sync::{Mutex, MutexGuard, PoisonError};

use uuid::Uuid;

/// Keys of the first filter. Each further one is for twice as many, up to [`MOST`].
const FIRST: usize = 16 * 1024;

/// Keys of the largest filter: 1.5 MiB.
const MOST: usize = 1024 * 1024;

/// Bits for each key, and how many of them it sets: one of 300 new keys is asked for.
const BITS: usize = 12;
const SET: u64 = 6;

#[derive(Debug, Default)]
pub(super) struct Known {
    state: Mutex<State>,
    hasher: foldhash::fast::RandomState,
}

#[derive(Debug, Default)]
struct State {
    /// Whether the keys of earlier processes are in it.
    is_complete: bool,
    filters: VecDeque<Filter>,
}

#[derive(Debug)]
struct Filter {
    words: Vec<u64>,
    keys: usize,
    room: usize,
    /// The last row of its keys.
    last: i64,
}

impl Known {
    /// Whether there is certainly no row with this key, of any tenant.
    pub(super) fn is_new(&self, request: &Uuid) -> bool {
        let hash = self.hasher.hash_one(request);
        let state = self.lock();
        state.is_complete && !state.filters.iter().any(|filter| filter.has(hash))
    }

    /// From now on this row may have the key.
    pub(super) fn note(&self, request: &Uuid, row: i64) {
        let hash = self.hasher.hash_one(request);
        let mut state = self.lock();
        let next = match state.filters.back_mut() {
            Some(filter) if filter.keys < filter.room => return filter.note(hash, row),
            Some(filter) => (filter.room * 2).min(MOST),
            None => FIRST,
        };
        let mut filter = Filter::with_room(next);
        filter.note(hash, row);
        state.filters.push_back(filter);
    }

    /// All keys of earlier processes were noted.
    pub(super) fn complete(&self) {
        self.lock().is_complete = true;
    }

    /// Rows before this one were deleted.
    pub(super) fn forget_before(&self, row: i64) {
        let mut state = self.lock();
        let is_past = |filter: &Filter| filter.last < row;
        while state.filters.front().is_some_and(is_past) {
            state.filters.pop_front();
        }
    }

    /// How many keys the filters hold.
    #[cfg(test)]
    pub(super) fn noted(&self) -> usize {
        self.lock().filters.iter().map(|filter| filter.keys).sum()
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Filter {
    fn with_room(room: usize) -> Self {
        Self {
            words: vec![0; room * BITS / 64],
            keys: 0,
            room,
            last: 0,
        }
    }

    fn note(&mut self, hash: u64, row: i64) {
        self.keys += 1;
        self.last = self.last.max(row);
        for (word, bit) in places(hash, self.words.len()) {
            if let Some(word) = self.words.get_mut(word) {
                *word |= bit;
            }
        }
    }

    fn has(&self, hash: u64) -> bool {
        let mut places = places(hash, self.words.len());
        places.all(|(word, bit)| self.words.get(word).is_none_or(|word| word & bit != 0))
    }
}

/// The words and bits of a key.
fn places(hash: u64, words: usize) -> impl Iterator<Item = (usize, u64)> {
    // Odd, so that no two of a key's bits are the same.
    let (first, step) = (hash, hash.rotate_left(32) | 1);
    (0..SET).map(move |number| {
        let place = first.wrapping_add(step.wrapping_mul(number));
        let word = usize::try_from(place >> 6).map_or(0, |word| word % words.max(1));
        (word, 1 << (place & 63))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn complete() -> Known {
        let known = Known::default();
        known.complete();
        known
    }

    #[test]
    fn a_noted_key_is_never_new_and_another_one_nearly_always() {
        let known = complete();
        let noted: Vec<Uuid> = (0..3 * FIRST).map(|_| Uuid::new_v4()).collect();
        noted.iter().for_each(|key| known.note(key, 1));
        assert!(noted.iter().all(|key| !known.is_new(key)));
        let asked_for = (0..10_000).filter(|_| !known.is_new(&Uuid::new_v4()));
        let asked_for = asked_for.count();
        assert!(asked_for < 200, "{asked_for} of 10000");
    }

    #[test]
    fn before_the_keys_of_earlier_processes_are_noted_none_is_new() {
        assert!(!Known::default().is_new(&Uuid::new_v4()));
        assert!(complete().is_new(&Uuid::new_v4()));
    }

    #[test]
    fn keys_are_forgotten_when_all_rows_of_their_time_were_deleted() {
        let known = complete();
        let keys: Vec<Uuid> = (0..FIRST).map(|_| Uuid::new_v4()).collect();
        (0..).zip(&keys).for_each(|(row, key)| known.note(key, row));
        let last = i64::try_from(FIRST).unwrap() - 1;
        let later = Uuid::new_v4();
        known.note(&later, last + 1);
        known.forget_before(last);
        assert!(keys.iter().all(|key| !known.is_new(key)));
        known.forget_before(last + 1);
        assert!(keys.iter().filter(|key| known.is_new(key)).count() > FIRST / 2);
        assert!(!known.is_new(&later));
    }
}

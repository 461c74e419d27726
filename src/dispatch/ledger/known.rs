//! The keys that may have a row in a store which only this process writes: others are new, and need
//! not be asked for.
//!
//! Bloom filters: a key that was noted is always found, one of a few hundred others is, too. A row
//! that is not found here all the same is not overwritten: [`Store::write_ledger`] looks itself.

use std::collections::VecDeque;
use std::hash::BuildHasher;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use store::Store;
use store::ledger::Id;

/// Keys of the first filter. Each further one is for twice as many, up to [`MOST`].
const FIRST: usize = 16 * 1024;

/// Keys of the largest filter: 1.5 MiB.
const MOST: usize = 1024 * 1024;

/// Bits for each key, and how many of them it sets: one of 300 new keys is asked for.
const BITS: usize = 12;
const SET: u64 = 6;

/// Keys that are read at once when the service starts.
const CHUNK: u32 = 5_000;

/// How long to wait after a failed read.
const PAUSE: Duration = Duration::from_secs(1);

/// A filter is dropped this long after its last key has expired: the database's clock is another.
const SLACK: Duration = Duration::from_hours(1);

#[derive(Debug)]
pub(super) struct Known {
    state: Mutex<State>,
    hasher: foldhash::fast::RandomState,
    lifetime: Duration,
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
    /// When the last key was noted.
    last: Instant,
}

impl Known {
    pub(super) fn new(lifetime: Duration) -> Self {
        Self {
            state: Mutex::default(),
            hasher: foldhash::fast::RandomState::default(),
            lifetime,
        }
    }

    /// Whether there is certainly no row.
    pub(super) fn is_new(&self, id: &Id) -> bool {
        let hash = self.hasher.hash_one(id);
        let state = self.lock();
        state.is_complete && !state.filters.iter().any(|filter| filter.has(hash))
    }

    /// From now on there may be a row.
    pub(super) fn note(&self, id: &Id) {
        let hash = self.hasher.hash_one(id);
        let now = Instant::now();
        let mut state = self.lock();
        let is_past = |filter: &Filter| now - filter.last > self.lifetime + SLACK;
        if state.filters.front().is_some_and(is_past) {
            state.filters.pop_front();
        }
        let next = match state.filters.back_mut() {
            Some(filter) if filter.keys < filter.room => return filter.note(hash, now),
            Some(filter) => (filter.room * 2).min(MOST),
            None => FIRST,
        };
        let mut filter = Filter::with_room(next, now);
        filter.note(hash, now);
        state.filters.push_back(filter);
    }

    /// Notes the keys of earlier processes.
    pub(super) async fn fill(&self, store: &Store, stopped: CancellationToken) {
        let filling = async {
            let mut last = None;
            loop {
                match store.ledger_ids(last.as_ref(), CHUNK).await {
                    Ok(ids) => {
                        ids.iter().for_each(|id| self.note(id));
                        let Some(id) = ids.into_iter().last() else {
                            break;
                        };
                        last = Some(id);
                    }
                    // Until then every key is asked for.
                    Err(error) => {
                        let error = crate::telemetry::chain(&error);
                        tracing::warn!(error, "keys of the ledger cannot be read");
                        tokio::time::sleep(PAUSE).await;
                    }
                }
            }
            self.lock().is_complete = true;
        };
        stopped.run_until_cancelled(filling).await;
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Filter {
    fn with_room(room: usize, now: Instant) -> Self {
        Self {
            words: vec![0; room * BITS / 64],
            keys: 0,
            room,
            last: now,
        }
    }

    fn note(&mut self, hash: u64, now: Instant) {
        self.keys += 1;
        self.last = now;
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
    use bitrix24::TenantId;
    use uuid::Uuid;

    use super::*;

    const DAY: Duration = Duration::from_hours(24);

    fn new_id() -> Id {
        Id {
            tenant: TenantId::parse("acme").unwrap(),
            request: Uuid::new_v4(),
        }
    }

    fn complete() -> Known {
        let known = Known::new(DAY);
        known.lock().is_complete = true;
        known
    }

    #[test]
    fn a_noted_key_is_never_new_and_another_one_nearly_always() {
        let known = complete();
        let noted: Vec<Id> = (0..3 * FIRST).map(|_| new_id()).collect();
        noted.iter().for_each(|id| known.note(id));
        assert!(noted.iter().all(|id| !known.is_new(id)));
        let asked_for = (0..10_000).filter(|_| !known.is_new(&new_id())).count();
        assert!(asked_for < 200, "{asked_for} of 10000");
    }

    #[test]
    fn before_the_keys_of_earlier_processes_are_read_none_is_new() {
        assert!(!Known::new(DAY).is_new(&new_id()));
        assert!(complete().is_new(&new_id()));
    }

    #[tokio::test(start_paused = true)]
    async fn keys_are_forgotten_when_all_of_their_time_have_expired() {
        let known = complete();
        let ids: Vec<Id> = (0..FIRST).map(|_| new_id()).collect();
        ids.iter().for_each(|id| known.note(id));
        tokio::time::advance(DAY).await;
        let later = new_id();
        known.note(&later);
        assert!(ids.iter().all(|id| !known.is_new(id)));
        tokio::time::advance(SLACK * 2).await;
        known.note(&new_id());
        assert!(ids.iter().filter(|id| known.is_new(id)).count() > FIRST / 2);
        assert!(!known.is_new(&later));
    }
}

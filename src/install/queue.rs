//! Places for events that wait. Whoever has proven nothing cannot fill those of the others.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::{OwnedSemaphorePermit, Semaphore, SemaphorePermit};

use super::source::Source;

/// Places for events that carry the known application token of their portal. Each event needs less
/// than the 64 KiB of its form.
const PROVEN: usize = 200;
/// Places for all other events.
const UNPROVEN: usize = 800;
/// Those of them that events from one source can have. Behind an ingress that is not trusted, all
/// events have one source: so many installations can wait there for an authorization server.
const UNPROVEN_OF_ONE_SOURCE: usize = 200;
/// Events of each kind that are worked on concurrently.
const TURNS: usize = 4;

/// What is known of an event before any question is asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Standing {
    /// It carries the application token that only its portal and this service know.
    Proven,
    Unproven,
}

#[derive(Debug)]
pub(super) struct Queue {
    proven: Part,
    unproven: Part,
    sources: Arc<Mutex<HashMap<Source, usize>>>,
}

#[derive(Debug)]
struct Part {
    places: Arc<Semaphore>,
    turns: Semaphore,
}

/// A place in the queue.
#[derive(Debug)]
pub(super) struct Place {
    _permit: OwnedSemaphorePermit,
    _of_source: Option<OfSource>,
}

/// One more place of a source.
#[derive(Debug)]
struct OfSource {
    source: Source,
    sources: Arc<Mutex<HashMap<Source, usize>>>,
}

impl Default for Queue {
    fn default() -> Self {
        let part = |places| Part {
            places: Arc::new(Semaphore::new(places)),
            turns: Semaphore::new(TURNS),
        };
        Self {
            proven: part(PROVEN),
            unproven: part(UNPROVEN),
            sources: Arc::default(),
        }
    }
}

impl Queue {
    /// A place for an event; `None` if there is none for it.
    pub(super) fn place(&self, standing: Standing, source: Source) -> Option<Place> {
        let places = Arc::clone(&self.part(standing).places);
        let permit = places.try_acquire_owned().ok()?;
        let of_source = match standing {
            Standing::Proven => None,
            Standing::Unproven => Some(OfSource::of(source, &self.sources)?),
        };
        Some(Place {
            _permit: permit,
            _of_source: of_source,
        })
    }

    /// Waits for the turn of an event that has a place. `None` never happens: nobody closes it.
    pub(super) async fn turn(&self, standing: Standing) -> Option<SemaphorePermit<'_>> {
        self.part(standing).turns.acquire().await.ok()
    }

    fn part(&self, standing: Standing) -> &Part {
        match standing {
            Standing::Proven => &self.proven,
            Standing::Unproven => &self.unproven,
        }
    }
}

impl OfSource {
    fn of(source: Source, sources: &Arc<Mutex<HashMap<Source, usize>>>) -> Option<Self> {
        let mut places = sources.lock().unwrap_or_else(PoisonError::into_inner);
        let held = places.entry(source).or_default();
        if *held >= UNPROVEN_OF_ONE_SOURCE {
            return None;
        }
        *held += 1;
        Some(Self {
            source,
            sources: Arc::clone(sources),
        })
    }
}

impl Drop for OfSource {
    fn drop(&mut self) {
        let mut places = self.sources.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(held) = places.get_mut(&self.source) {
            *held = held.saturating_sub(1);
            if *held == 0 {
                places.remove(&self.source);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use http::HeaderMap;

    use super::*;

    fn source(text: &str) -> Source {
        Source::of(text.parse().unwrap(), &HeaderMap::new(), &[])
    }

    #[test]
    fn events_without_proof_leave_places_to_other_sources_and_to_proven_ones() {
        let queue = Queue::default();
        let (one, other) = (source("192.0.2.1"), source("192.0.2.2"));
        let unproven = |source| queue.place(Standing::Unproven, source);
        let held: Vec<Place> = (0..UNPROVEN_OF_ONE_SOURCE)
            .map(|_| unproven(one).unwrap())
            .collect();
        assert!(unproven(one).is_none());
        assert!(unproven(other).is_some());
        assert!(queue.place(Standing::Proven, one).is_some());
        drop(held);
        assert!(unproven(one).is_some());
        assert!(queue.sources.lock().unwrap().is_empty());
    }
}

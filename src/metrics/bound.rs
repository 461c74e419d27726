//! Instruments whose attributes are bound once, at their first use: looking a set of attributes up
//! anew costs more than the rest of a measurement (docs/adr/0047).

use std::fmt;
use std::hash::Hash;
use std::sync::{Arc, Mutex, PoisonError};

use arc_swap::ArcSwap;
use foldhash::{HashMap, HashMapExt};

/// What is bound to each value of an attribute, or of several together. They must be few: nothing
/// is ever forgotten.
pub(super) struct Bound<Key, Instrument> {
    by_key: ArcSwap<HashMap<Key, Instrument>>,
    /// One at a time adds.
    adding: Mutex<()>,
}

impl<Key: Copy + Eq + Hash, Instrument: Clone> Bound<Key, Instrument> {
    /// Measures with the instrument of a key, which `bind` makes when it is needed first.
    pub(super) fn measure(
        &self,
        key: Key,
        bind: impl FnOnce() -> Instrument,
        measure: impl FnOnce(&Instrument),
    ) {
        if let Some(bound) = self.by_key.load().get(&key) {
            return measure(bound);
        }
        let _adding = self.adding.lock().unwrap_or_else(PoisonError::into_inner);
        let mut by_key = HashMap::clone(&self.by_key.load());
        measure(by_key.entry(key).or_insert_with(bind));
        self.by_key.store(Arc::new(by_key));
    }
}

impl<Key, Instrument> Default for Bound<Key, Instrument> {
    fn default() -> Self {
        Self {
            by_key: ArcSwap::from_pointee(HashMap::new()),
            adding: Mutex::default(),
        }
    }
}

impl<Key, Instrument> fmt::Debug for Bound<Key, Instrument> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Bound")
            .field("keys", &self.by_key.load().len())
            .finish_non_exhaustive()
    }
}

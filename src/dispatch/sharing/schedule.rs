//! When which portal's exchange is due.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex};
use std::time::Instant;

use tokio::sync::Notify;

use pacing::sharing::lock;

/// The due exchanges of entries `E`.
pub(super) struct Schedule<E> {
    due: Mutex<Due<E>>,
    /// Notified when another one is the first.
    changed: Notify,
}

struct Due<E> {
    /// By time; the entries' numbers tell apart those that are due at the same time.
    first: BTreeMap<(Instant, u64), Arc<E>>,
    of: HashMap<u64, Instant>,
}

impl<E> Default for Schedule<E> {
    fn default() -> Self {
        Self {
            due: Mutex::new(Due {
                first: BTreeMap::new(),
                of: HashMap::new(),
            }),
            changed: Notify::new(),
        }
    }
}

impl<E> Schedule<E> {
    /// Sets when an entry is due; `None`: not before it is set again.
    pub(super) fn set(&self, number: u64, entry: &Arc<E>, at: Option<Instant>) {
        let mut due = lock(&self.due);
        let known = due.of.get(&number).copied();
        if known == at {
            return;
        }
        if let Some(known) = known {
            due.first.remove(&(known, number));
            due.of.remove(&number);
        }
        if let Some(at) = at {
            due.first.insert((at, number), entry.clone());
            due.of.insert(number, at);
            let first = due.first.first_key_value();
            if first.is_some_and(|((first, _), _)| *first == at) {
                self.changed.notify_one();
            }
        }
    }

    /// Waits until something is due, and takes at most this many entries.
    pub(super) async fn next(&self, most: usize) -> Vec<Arc<E>> {
        loop {
            let now = tokio::time::Instant::now().into_std();
            let taken = self.take(now, most);
            if !taken.is_empty() {
                return taken;
            }
            match self.first() {
                None => self.changed.notified().await,
                Some(at) => {
                    let changed = self.changed.notified();
                    // Either way the loop checks again.
                    let _ = tokio::time::timeout_at(at.into(), changed).await;
                }
            }
        }
    }

    fn first(&self) -> Option<Instant> {
        let due = lock(&self.due);
        due.first.first_key_value().map(|((at, _), _)| *at)
    }

    fn take(&self, now: Instant, most: usize) -> Vec<Arc<E>> {
        let mut due = lock(&self.due);
        let mut taken = Vec::new();
        while taken.len() < most
            && let Some(first) = due.first.first_entry()
            && first.key().0 <= now
        {
            let (_, number) = *first.key();
            taken.push(first.remove());
            due.of.remove(&number);
        }
        taken
    }
}

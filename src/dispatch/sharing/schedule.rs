//! When which portal's exchange is due.

use std::collections::{BTreeMap, HashMap};
use std::sync::{Arc, Mutex};

use tokio::sync::Notify;
use tokio::time::Instant;

use super::{Entry, lock};

#[derive(Default)]
pub(super) struct Schedule {
    due: Mutex<Due>,
    /// Told when the first one is another.
    changed: Notify,
}

#[derive(Default)]
struct Due {
    /// The numbers tell apart what is due at the same time.
    first: BTreeMap<(Instant, u64), Arc<Entry>>,
    of: HashMap<u64, Instant>,
}

impl Schedule {
    /// Notes when a portal is due; None: not before it is noted anew.
    pub(super) fn set(&self, entry: &Arc<Entry>, at: Option<Instant>) {
        let mut due = lock(&self.due);
        let known = due.of.get(&entry.number).copied();
        if known == at {
            return;
        }
        if let Some(known) = known {
            due.first.remove(&(known, entry.number));
            due.of.remove(&entry.number);
        }
        if let Some(at) = at {
            due.first.insert((at, entry.number), entry.clone());
            due.of.insert(entry.number, at);
            let is_first = due
                .first
                .first_key_value()
                .is_some_and(|((first, _), _)| *first == at);
            if is_first {
                self.changed.notify_one();
            }
        }
    }

    /// Waits until something is due and takes at most so many, in the order of their names.
    pub(super) async fn next(&self, most: usize) -> Vec<Arc<Entry>> {
        loop {
            let mut taken = self.take(Instant::now(), most);
            if !taken.is_empty() {
                taken.sort_by(|one, other| one.portal.cmp(&other.portal));
                return taken;
            }
            match self.first() {
                None => self.changed.notified().await,
                Some(at) => {
                    let wait = tokio::time::timeout_at(at, self.changed.notified());
                    // Either way it is looked at again.
                    let _ = wait.await;
                }
            }
        }
    }

    fn first(&self) -> Option<Instant> {
        let due = lock(&self.due);
        due.first.first_key_value().map(|((at, _), _)| *at)
    }

    fn take(&self, now: Instant, most: usize) -> Vec<Arc<Entry>> {
        let mut due = lock(&self.due);
        let mut taken = Vec::new();
        while taken.len() < most
            && let Some(first) = due.first.first_entry()
            && first.key().0 <= now
        {
            let entry = first.remove();
            due.of.remove(&entry.number);
            taken.push(entry);
        }
        taken
    }
}

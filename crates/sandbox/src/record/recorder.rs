//! Writes the record while requests are in progress, and tells viewers what is new in it.

use std::sync::Mutex;

use super::{Entry, Record};
use crate::sync::lock;

/// Writes the record while requests are in progress.
#[derive(Debug, Default)]
pub(crate) struct Recorder {
    written: Mutex<Written>,
}

#[derive(Debug, Default)]
struct Written {
    entries: Vec<Kept>,
    last: u64,
    changes: u64,
    clearings: u64,
}

#[derive(Debug)]
struct Kept {
    entry: Entry,
    /// The number of the change that made it what it is.
    change: u64,
}

/// How much of the record a viewer has seen. The default is nothing.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Seen {
    /// The entry that was opened last.
    pub(crate) sequence: u64,
    change: u64,
    clearings: u64,
}

impl Seen {
    /// All entries up to this sequence number, whatever changed in them.
    pub(crate) fn before(sequence: u64) -> Self {
        Self {
            sequence,
            ..Self::default()
        }
    }
}

/// What a viewer has not seen yet.
#[derive(Debug, Default)]
pub(crate) struct News {
    /// The newest entries that are new or changed, oldest first.
    pub(crate) entries: Vec<Entry>,
    /// New entries before these, of all portals.
    pub(crate) left_out: u64,
    /// Whether the record was cleared.
    pub(crate) cleared: bool,
    pub(crate) seen: Seen,
}

/// How many of the newest entries a viewer's question looks at. What it costs does not grow with
/// the record.
const LOOKED_AT: usize = 2_000;

impl Recorder {
    /// Adds an entry and returns its sequence number, with which it can be amended.
    pub(crate) fn open(&self, mut entry: Entry) -> u64 {
        let mut written = lock(&self.written);
        written.last += 1;
        entry.sequence = written.last;
        written.changes += 1;
        let change = written.changes;
        written.entries.push(Kept { entry, change });
        written.last
    }

    /// Changes an entry, unless the record was cleared since.
    pub(crate) fn amend(&self, sequence: u64, change: impl FnOnce(&mut Entry)) {
        let mut written = lock(&self.written);
        let number = written.changes + 1;
        // The newest entries are the ones that change.
        let mut newest_first = written.entries.iter_mut().rev();
        if let Some(kept) = newest_first.find(|kept| kept.entry.sequence == sequence) {
            change(&mut kept.entry);
            kept.change = number;
            written.changes = number;
        }
    }

    pub(crate) fn read(&self) -> Record {
        let written = lock(&self.written);
        let entries = written.entries.iter().map(|kept| kept.entry.clone());
        Record {
            entries: entries.collect(),
        }
    }

    /// What a viewer of one portal has not seen: at most so many entries.
    pub(crate) fn news(&self, portal: &str, seen: Seen, most: usize) -> News {
        let written = lock(&self.written);
        let cleared = written.clearings != seen.clearings;
        let now = Seen {
            sequence: written.last,
            change: written.changes,
            clearings: written.clearings,
        };
        if !cleared && written.changes == seen.change {
            return News {
                seen: now,
                ..News::default()
            };
        }
        let mut entries = Vec::new();
        let mut oldest = written.last + 1;
        for kept in written.entries.iter().rev().take(LOOKED_AT) {
            let entry = &kept.entry;
            // Nothing before it changed since, if a viewer did see a change.
            let is_seen = seen.change == 0 && entry.sequence <= seen.sequence;
            if entries.len() == most || is_seen {
                break;
            }
            oldest = entry.sequence;
            if kept.change > seen.change && entry.portal == portal {
                entries.push(entry.clone());
            }
        }
        // Those before the oldest entry that was looked at, without those that were cleared.
        let first = written.entries.first().map(|kept| kept.entry.sequence);
        let unseen = first.map_or(oldest, |first| first.max(seen.sequence + 1));
        entries.reverse();
        News {
            entries,
            left_out: oldest.saturating_sub(unseen),
            cleared,
            seen: now,
        }
    }

    /// Forgets every entry. Sequence numbers continue.
    pub(crate) fn clear(&self) {
        let mut written = lock(&self.written);
        written.entries = Vec::new();
        written.clearings += 1;
    }
}

#[cfg(test)]
mod tests {
    use jiff::Timestamp;

    use super::super::AuthKind;
    use super::*;

    fn entry(portal: &str) -> Entry {
        Entry {
            sequence: 0,
            time: Timestamp::UNIX_EPOCH,
            portal: portal.to_owned(),
            method: "profile".to_owned(),
            auth: AuthKind::None,
            grant: None,
            executed: false,
            commands: Vec::new(),
            deliveries: Vec::new(),
            bucket: None,
            fault: None,
            status: None,
            error: None,
        }
    }

    fn sequences(news: &News) -> Vec<u64> {
        news.entries.iter().map(|entry| entry.sequence).collect()
    }

    #[test]
    fn a_viewer_gets_what_is_new_or_changed_and_the_number_of_the_rest() {
        let recorder = Recorder::default();
        let mut seen = Seen::default();
        let mut look = || {
            let news = recorder.news("p", seen, 3);
            seen = news.seen;
            (sequences(&news), news.left_out, news.cleared)
        };
        assert_eq!(look(), (vec![], 0, false));
        for _ in 0..5 {
            recorder.open(entry("p"));
        }
        assert_eq!(look(), (vec![3, 4, 5], 2, false));
        assert_eq!(look(), (vec![], 0, false));
        recorder.amend(2, |entry| entry.executed = true);
        recorder.open(entry("other"));
        assert_eq!(look(), (vec![2], 0, false));
        recorder.clear();
        assert_eq!(look(), (vec![], 0, true));
        recorder.amend(2, |entry| entry.executed = false);
        assert_eq!(recorder.open(entry("p")), 7);
        assert_eq!(look(), (vec![7], 0, false));
        assert_eq!(sequences(&recorder.news("p", Seen::before(6), 9)), [7]);
        assert!(sequences(&recorder.news("p", Seen::before(7), 9)).is_empty());
    }

    #[test]
    fn what_a_look_costs_does_not_grow_with_the_record() {
        let recorder = Recorder::default();
        recorder.open(entry("p"));
        for _ in 0..LOOKED_AT {
            recorder.open(entry("other"));
        }
        let news = recorder.news("p", Seen::default(), 9);
        assert_eq!((sequences(&news), news.left_out), (vec![], 1));
    }
}

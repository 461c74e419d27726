//! Writes the record while requests are in progress, and tells viewers what is new in it.

use std::collections::VecDeque;
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
    entries: VecDeque<Kept>,
    /// The rows of all entries, and most of them that are kept.
    rows: usize,
    most: Option<usize>,
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
    /// Keeps no more than so many rows from now on: the newest entries. An entry has a row for
    /// itself, and one for each command and each delivery.
    pub(crate) fn keep(&self, most: usize) {
        let mut written = lock(&self.written);
        written.most = Some(most);
        written.trim();
    }

    /// Adds an entry and returns its sequence number, with which it can be amended.
    pub(crate) fn open(&self, mut entry: Entry) -> u64 {
        let mut written = lock(&self.written);
        written.last += 1;
        entry.sequence = written.last;
        written.changes += 1;
        let change = written.changes;
        written.rows += entry.rows();
        written.entries.push_back(Kept { entry, change });
        written.trim();
        written.last
    }

    /// Changes an entry, unless it is not kept any more.
    pub(crate) fn amend(&self, sequence: u64, change: impl FnOnce(&mut Entry)) {
        let mut written = lock(&self.written);
        let number = written.changes + 1;
        // The newest entries are the ones that change.
        let mut newest_first = written.entries.iter_mut().rev();
        if let Some(kept) = newest_first.find(|kept| kept.entry.sequence == sequence) {
            let before = kept.entry.rows();
            change(&mut kept.entry);
            kept.change = number;
            let now = kept.entry.rows();
            written.rows = written.rows - before + now;
            written.changes = number;
            written.trim();
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
        let first = written.entries.front().map(|kept| kept.entry.sequence);
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
        written.entries = VecDeque::new();
        written.rows = 0;
        written.clearings += 1;
    }
}

impl Written {
    /// Drops the oldest entries beyond what is kept.
    fn trim(&mut self) {
        let Some(most) = self.most else { return };
        while self.rows > most
            && let Some(oldest) = self.entries.pop_front()
        {
            self.rows -= oldest.entry.rows();
        }
    }
}

impl Entry {
    fn rows(&self) -> usize {
        1 + self.commands.len() + self.deliveries.len()
    }
}

#[cfg(test)]
mod tests {
    use jiff::Timestamp;

    use super::super::{AuthKind, Delivery};
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
    fn a_bounded_record_keeps_the_newest_entries_with_all_that_they_have_done() {
        let recorder = Recorder::default();
        recorder.keep(10);
        for _ in 0..8 {
            recorder.open(entry("p"));
        }
        let delivery = Delivery::Crm {
            entity_type: "LEAD".to_owned(),
            entity: 1,
            user_id: 1,
            chat_id: 1,
            text: "text".to_owned(),
            message_id: 1,
        };
        recorder.amend(8, |entry| entry.deliveries = vec![delivery; 5]);
        let kept = recorder.read().entries;
        let sequences = kept.iter().map(|entry| entry.sequence);
        assert_eq!(sequences.collect::<Vec<_>>(), [4, 5, 6, 7, 8]);
        assert_eq!(kept[4].deliveries.len(), 5);
        // One that is dropped cannot be amended.
        recorder.amend(1, |entry| entry.executed = true);
        recorder.clear();
        for _ in 0..20 {
            recorder.open(entry("p"));
        }
        assert_eq!(recorder.read().entries.len(), 10);
        let news = recorder.news("p", Seen::default(), 3);
        assert_eq!((news.entries.len(), news.left_out), (3, 7));
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

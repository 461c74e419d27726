//! The sandbox's record of what the portals did.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::fmt::Write;

use jiff::Timestamp;
use serde::{Deserialize, Deserializer};

use super::call::Call;
use super::delivery::Results;

/// The record of a sandbox.
#[derive(Debug, Deserialize)]
pub(crate) struct Record {
    entries: Vec<Entry>,
}

/// One request.
#[derive(Debug, Deserialize)]
struct Entry {
    #[serde(deserialize_with = "timestamp")]
    time: Timestamp,
    portal: String,
    status: Option<u16>,
    commands: Vec<Command>,
    deliveries: Vec<Delivery>,
    bucket: Option<f64>,
    fault: Option<String>,
    error: Option<String>,
}

#[derive(Debug, Deserialize)]
struct Command {
    executed: bool,
    fault: Option<String>,
    error: Option<String>,
}

#[derive(Debug, Deserialize)]
struct Delivery {
    chat_id: i64,
    text: String,
}

/// Differences between the record and what must be.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Findings {
    pub(crate) lost: usize,
    pub(crate) doubled: usize,
    /// Requests that the portal rejected.
    pub(crate) rejected: usize,
    /// Messages that were executed before an earlier one of their chat.
    pub(crate) out_of_order: usize,
    /// Messages whose callers learned a wrong outcome.
    pub(crate) misreported: usize,
}

impl Record {
    /// What the portal of this host did.
    pub(crate) fn of(self, portal: &str) -> Self {
        let entries = self.entries.into_iter();
        let entries = entries.filter(|entry| entry.portal == portal);
        Self {
            entries: entries.collect(),
        }
    }

    /// How many requests arrived.
    pub(crate) fn requests(&self) -> usize {
        self.entries.len()
    }

    /// How many requests were taken within this time since the first one.
    pub(crate) fn taken_within(&self, time: std::time::Duration) -> usize {
        let Some(first) = self.entries.first() else {
            return 0;
        };
        let end = first.time + time;
        let taken = self.entries.iter();
        taken
            .filter(|entry| entry.time <= end && entry.status == Some(200))
            .count()
    }

    /// How many requests got this code, and commands of batches.
    pub(crate) fn refused_with(&self, code: &str) -> usize {
        let of_request = self.entries.iter().map(|entry| &entry.error);
        let commands = self.entries.iter().flat_map(|entry| &entry.commands);
        let of_command = commands.map(|command| &command.error);
        let errors = of_request.chain(of_command).flatten();
        errors.filter(|error| *error == code).count()
    }

    /// How often each message was executed, by its number.
    pub(crate) fn executed(&self) -> BTreeMap<usize, usize> {
        let mut executed = BTreeMap::new();
        for delivery in self.entries.iter().flat_map(|entry| &entry.deliveries) {
            let (number, _) = Call::read(&delivery.text);
            *executed.entry(number).or_default() += 1;
        }
        executed
    }

    /// The highest level of the bucket.
    pub(crate) fn fullest(&self) -> f64 {
        let levels = self.entries.iter().filter_map(|entry| entry.bucket);
        levels.fold(0.0, f64::max)
    }

    /// The messages of each request in order of arrival, runs of the same size together:
    /// `2 × 1, 10 × 50`.
    pub(crate) fn sizes(&self) -> String {
        let mut sizes: Vec<(usize, usize)> = Vec::new();
        for entry in &self.entries {
            let size = entry.deliveries.len();
            match sizes.last_mut() {
                Some((count, last)) if *last == size => *count += 1,
                _ => sizes.push((1, size)),
            }
        }
        let mut written = String::new();
        for (count, size) in sizes {
            write!(written, "{count} × {size}, ").unwrap();
        }
        written.trim_end_matches(", ").to_owned()
    }

    /// The numbers of the messages that were executed and whose responses were lost.
    fn without_answer(&self) -> BTreeSet<usize> {
        let mut numbers = BTreeSet::new();
        for entry in &self.entries {
            let executed = entry.commands.iter().filter(|command| command.executed);
            // A single call has no commands.
            let of_command = executed
                .map(|command| command.fault.is_some())
                .chain(std::iter::repeat(false));
            for (delivery, is_hit) in entry.deliveries.iter().zip(of_command) {
                if is_hit || entry.fault.is_some() {
                    numbers.insert(Call::read(&delivery.text).0);
                }
            }
        }
        numbers
    }

    /// How many responses were lost.
    pub(crate) fn lost_answers(&self) -> usize {
        self.without_answer().len()
    }

    /// Compares with the results of the callers, who sent this many messages.
    pub(crate) fn compare(&self, messages: usize, results: &Results) -> Findings {
        let executed = self.executed();
        let mut last: HashMap<i64, usize> = HashMap::new();
        let mut findings = Findings::default();
        for delivery in self.entries.iter().flat_map(|entry| &entry.deliveries) {
            let (_, turn) = Call::read(&delivery.text);
            if last.insert(delivery.chat_id, turn) > Some(turn) {
                findings.out_of_order += 1;
            }
        }
        findings.lost = messages - executed.len();
        findings.doubled = executed.values().filter(|count| **count > 1).count();
        findings.rejected = self
            .entries
            .iter()
            .filter(|entry| entry.error.is_some())
            .count();
        let without_answer = self.without_answer();
        let unknown: BTreeSet<usize> = results.unknown.iter().copied().collect();
        let delivered: BTreeSet<usize> = results.delivered.iter().copied().collect();
        let answered = executed.keys().copied();
        let answered: BTreeSet<usize> = answered
            .filter(|number| !without_answer.contains(number))
            .collect();
        findings.misreported = unknown.symmetric_difference(&without_answer).count()
            + delivered.symmetric_difference(&answered).count();
        findings
    }

    /// The same, and panics if there is a difference.
    pub(crate) fn check(&self, messages: usize, results: &Results) {
        let findings = self.compare(messages, results);
        assert_eq!(findings, Findings::default(), "requests: {}", self.sizes());
    }
}

fn timestamp<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Timestamp, D::Error> {
    let text = String::deserialize(deserializer)?;
    text.parse().map_err(serde::de::Error::custom)
}

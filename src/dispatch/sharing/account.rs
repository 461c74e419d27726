//! What replicas have agreed on about one portal: the state of its row, and the rules by which an exchange changes it.

use std::collections::BTreeMap;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::operating::Reports;
use super::terms::Terms;
use super::{Ask, Grant, Report};
use store::StoredBudget;

/// How long permits may be held without a word from their holder, in milliseconds. Its holder stops using them earlier.
pub(super) const LEASE: i64 = 3_000;

/// How long the last word of a holder that is gone is kept, so that it is not counted twice if the holder comes back.
const MEMORY: i64 = 60_000;

/// How long it is believed that a replica still waits for permits, in milliseconds: above the time between two of its
/// questions.
const WAITING: i64 = 1_500;

/// The longest time until a replica that waits asks again.
const LONGEST_WAIT: Duration = Duration::from_millis(1_000);

/// A clock of the database that was set back further than this is not waited for, in milliseconds.
const SET_BACK: i64 = 5_000;

/// Room that is missing by a rounding only.
const ROUNDING: f64 = 1e-6;

/// How long others may take longer than we to notice that the database is back.
const LAST_TO_RETURN: Duration = Duration::from_secs(2);

/// The state of one portal's row.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Account {
    /// Requests in the bucket that have surely arrived, less what has drained since.
    level: f64,
    /// By the database's clock.
    at: i64,
    /// Replicas that are not at rest. Whoever is not here has its one request on credit.
    leases: BTreeMap<String, Lease>,
    operating: Reports,
}

/// What one replica has.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
struct Lease {
    /// Permits that are unused, or whose requests may still be on their way. They fill the bucket and do not drain.
    held: u32,
    /// All requests of this replica that have arrived since it started, as far as they are in the level.
    used: u64,
    /// Whether it waits for more.
    wants: bool,
    /// When it was given some.
    served_at: i64,
    seen_at: i64,
}

impl Account {
    /// Reads a row. One that this service cannot have written counts as a full bucket.
    pub(super) fn read(row: &StoredBudget, terms: Terms) -> Self {
        let operating = serde_json::from_str(&row.operating).unwrap_or_default();
        let (level, leases) = match serde_json::from_str(&row.leases) {
            Ok(leases) if row.level.is_finite() => (row.level.max(0.0), leases),
            Ok(_) | Err(_) => (terms.burst(), BTreeMap::new()),
        };
        let at = row.updated_at;
        Self {
            level,
            at,
            leases,
            operating,
        }
    }

    pub(super) fn write(&self, row: &mut StoredBudget) {
        row.level = self.level;
        row.updated_at = self.at;
        // Neither can fail: their keys are texts.
        row.leases = serde_json::to_string(&self.leases).unwrap_or_default();
        row.operating = serde_json::to_string(&self.operating).unwrap_or_default();
    }

    /// Takes over what a replica tells, and gives what it asks for as far as there is room. `now` is the database's.
    pub(super) fn exchange(&mut self, terms: Terms, replica: &str, ask: &Ask, now: i64) -> Grant {
        let last_word = self.at;
        self.drain(terms, now);
        self.take_from_the_silent(replica);
        let silence = self.at.saturating_sub(last_word);
        let silence = Duration::from_millis(u64::try_from(silence).unwrap_or(0));
        self.settle(terms, replica, ask, silence);
        let reports = self.operating.exchange(replica, &ask.reports, self.at);
        let own = self.leases.remove(replica).unwrap_or_default();

        let others: u32 = self.leases.values().map(|lease| lease.held).sum();
        let reserved = self.credits(terms);
        let room = terms.burst() - self.level - f64::from(ask.held) - f64::from(others) - reserved;
        if ask.held == 0 && ask.want == 0 {
            return self.rest(terms, replica, own, room, reports);
        }
        let ahead = self.ahead(replica, own.served_at);
        let free = room - f64::from(ahead) + ROUNDING;
        let fits = (1..=ask.want).take_while(|permits| f64::from(*permits) <= free);
        let granted = fits.last().unwrap_or(0);
        let served_at = if granted > 0 { self.at } else { own.served_at };
        let lease = Lease {
            held: ask.held.saturating_add(granted),
            wants: granted < ask.want,
            served_at,
            seen_at: self.at,
            ..own
        };
        // Whoever was served now is behind all others who wait.
        let ahead = self.ahead(replica, served_at);
        let room = room - f64::from(granted) - f64::from(ahead);
        self.leases.insert(replica.to_owned(), lease);
        Grant {
            granted,
            rest: None,
            room: room.max(0.0),
            waiting: self.waiting(),
            ask_again_after: self.ask_again_after(terms, 1.0 - room),
            reports,
        }
    }

    fn drain(&mut self, terms: Terms, now: i64) {
        let passed = now.saturating_sub(self.at);
        if passed < -SET_BACK {
            self.level = terms.burst();
            self.at = now;
            // By the old clock they would seem fresh for long.
            for lease in self.leases.values_mut() {
                (lease.seen_at, lease.served_at) = (now, now);
            }
            self.operating.forget();
        }
        let passed = u64::try_from(passed).unwrap_or(0);
        let drained = terms.drained(Duration::from_millis(passed));
        self.level = (self.level - drained).max(0.0);
        self.at = self.at.max(now);
    }

    /// Whoever has not spoken for long has stopped using its permits; the last of them may just have arrived.
    fn take_from_the_silent(&mut self, replica: &str) {
        let now = self.at;
        for (holder, lease) in &mut self.leases {
            if holder != replica && lease.is_silent(now) {
                self.level += f64::from(lease.held);
                lease.used = lease.used.saturating_add(u64::from(lease.held));
                lease.held = 0;
                lease.wants = false;
            }
        }
        self.leases
            .retain(|_, lease| now.saturating_sub(lease.seen_at) < LEASE + MEMORY);
    }

    /// Moves what has arrived from the permits into the level. Nobody has written to the row for the time of the `silence`.
    fn settle(&mut self, terms: Terms, replica: &str, ask: &Ask, silence: Duration) {
        let known = self.leases.get(replica).map(|lease| lease.used);
        let arrived = ask.used.saturating_sub(known.unwrap_or(ask.acknowledged));
        match &ask.returned {
            None => self.level += to_requests(arrived),
            Some(returned) => {
                // Others may be alone, too. What they have sent since somebody last wrote here is not in the row yet, and what they send until they
                // are back comes on top.
                let parts = terms.burst() - terms.part_burst();
                let of_others = 1.0 - terms.part_burst() / terms.burst();
                let sent = (terms.drained(silence) * of_others).min(parts.max(0.0));
                let alone = self.alone(terms, replica, returned.away);
                let coming = terms.part().drained(LAST_TO_RETURN) * alone;
                let by_the_row = self.level + to_requests(arrived) + sent;
                let by_the_parts = parts + returned.level;
                let most = by_the_row.min(by_the_parts.max(0.0)) + coming;
                self.level = self.level.max(most);
            }
        }
        if let Some(lease) = self.leases.get_mut(replica) {
            lease.used = lease.used.max(ask.used);
        } else {
            let lease = Lease {
                used: ask.used,
                ..Lease::default()
            };
            self.leases.insert(replica.to_owned(), lease);
        }
        if ask.refused {
            self.level = self.level.max(terms.burst());
        }
    }

    /// How many others may not have reached the database while this one has not for so long.
    fn alone(&self, terms: Terms, replica: &str, away: Duration) -> f64 {
        let away = i64::try_from(away.as_millis()).unwrap_or(i64::MAX);
        let others = self.leases.iter();
        let others = others.filter(|(other, lease)| {
            other.as_str() != replica && self.at.saturating_sub(lease.seen_at) < away
        });
        let heard = u32::try_from(others.count()).unwrap_or(u32::MAX);
        f64::from(terms.living.saturating_sub(1).saturating_sub(heard))
    }

    /// Requests that may come from replicas without a word, less the asking one.
    fn credits(&self, terms: Terms) -> f64 {
        let others = self.leases.values();
        let others = others.filter(|lease| !lease.is_silent(self.at));
        let speaking = u32::try_from(others.count()).unwrap_or(u32::MAX);
        f64::from(terms.living.saturating_sub(1).saturating_sub(speaking))
    }

    /// How many other replicas wait longer than this one.
    fn ahead(&self, replica: &str, served_at: i64) -> u32 {
        let ahead = self.leases.iter().filter(|(other, lease)| {
            lease.is_waiting(self.at) && (lease.served_at, other.as_str()) < (served_at, replica)
        });
        u32::try_from(ahead.count()).unwrap_or(u32::MAX)
    }

    /// How many replicas wait.
    fn waiting(&self) -> u32 {
        let leases = self.leases.values();
        let waiting = leases.filter(|lease| lease.is_waiting(self.at));
        u32::try_from(waiting.count()).unwrap_or(u32::MAX)
    }

    /// The replica has nothing and wants nothing: it gets its credit back, for a time when there is room for it.
    fn rest(
        &mut self,
        terms: Terms,
        replica: &str,
        own: Lease,
        room: f64,
        reports: Vec<Report>,
    ) -> Grant {
        let missing = (1.0 - room).max(0.0);
        let rest = (self.level >= missing).then(|| terms.time_for(missing));
        if rest.is_none() {
            let lease = Lease {
                held: 0,
                wants: false,
                seen_at: self.at,
                ..own
            };
            self.leases.insert(replica.to_owned(), lease);
        }
        Grant {
            granted: 0,
            rest,
            room: room.max(0.0),
            waiting: self.waiting(),
            ask_again_after: self.ask_again_after(terms, missing),
            reports,
        }
    }

    /// When so much room may have come about.
    fn ask_again_after(&self, terms: Terms, missing: f64) -> Duration {
        let drains = terms.time_for(missing.max(0.0));
        // What is held does not drain: then it depends on what the holders tell.
        let wait = if self.level < missing {
            drains.min(terms.pause())
        } else {
            drains
        };
        wait.clamp(terms.pause().min(LONGEST_WAIT), LONGEST_WAIT)
    }
}

impl Lease {
    fn is_waiting(&self, now: i64) -> bool {
        self.wants && now.saturating_sub(self.seen_at) < WAITING
    }

    fn is_silent(&self, now: i64) -> bool {
        now.saturating_sub(self.seen_at) >= LEASE
    }
}

fn to_requests(count: u64) -> f64 {
    u32::try_from(count).map_or(f64::from(u32::MAX), f64::from)
}

#[cfg(test)]
mod tests;

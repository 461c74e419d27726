//! The account of one portal that replicas share, and the rules by which an exchange changes it.

use std::collections::BTreeMap;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::config::BucketConfig;
use super::messages::{Ask, Grant};
use super::reports::{OperatingReport, StoredReports};

/// How long permits may be held without an exchange of their holder, in milliseconds. The holder
/// stops using them earlier.
pub(super) const LEASE: i64 = 3_000;

/// How long the lease of a holder without exchanges is kept, in milliseconds, so that its requests
/// are not counted twice if it comes back.
const MEMORY: i64 = 60_000;

/// How long a replica counts as waiting for permits after its exchange, in milliseconds: above the
/// time between two of its exchanges.
const WAITING: i64 = 1_500;

/// The longest time until a replica that waits asks again.
const LONGEST_WAIT: Duration = Duration::from_millis(1_000);

/// If the database's clock was set back by more than this, in milliseconds, the account restarts
/// with the new time; otherwise it waits.
const SET_BACK: i64 = 5_000;

/// Missing room that is a rounding error.
const ROUNDING: f64 = 1e-6;

/// How much later than we other replicas may rejoin after an outage of the database.
const LAST_TO_REJOIN: Duration = Duration::from_secs(2);

/// The shared account of one portal.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(super) struct Account {
    /// Requests in the bucket that have surely arrived, less what has drained since.
    level: f64,
    /// By the database's clock.
    at: i64,
    /// Replicas that are not idle. The others have one request on credit.
    leases: BTreeMap<String, Lease>,
    operating: StoredReports,
}

/// The lease of one replica.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
struct Lease {
    /// The number of its last ask.
    #[serde(default)]
    number: u64,
    /// Permits that are unused, or whose requests may still be in transit. They fill the bucket and
    /// do not drain.
    held: u32,
    /// All requests of this replica that have arrived since it started and are in the level.
    used: u64,
    /// Whether it waits for more.
    wants: bool,
    /// When it last got some.
    served_at: i64,
    /// When its last exchange was.
    seen_at: i64,
}

impl Account {
    /// Reads an account; an empty text is that of a portal that nobody has called. A text that
    /// this service cannot have written counts as a full bucket. `now` is the time of the next ask.
    pub(super) fn read(text: &str, config: BucketConfig, now: i64) -> Self {
        if text.is_empty() {
            return Self {
                at: now,
                ..Self::default()
            };
        }
        let read = serde_json::from_str(text).ok().filter(Self::is_possible);
        let mut account = read.unwrap_or_else(|| Self {
            level: config.burst(),
            at: now,
            ..Self::default()
        });
        let at = account.at;
        // A lease of the future would never expire.
        for lease in account.leases.values_mut() {
            lease.seen_at = lease.seen_at.min(at);
            lease.served_at = lease.served_at.min(at);
        }
        account
    }

    /// The account as it is stored.
    pub(super) fn write(&self) -> String {
        // Cannot fail: the keys are strings.
        serde_json::to_string(self).unwrap_or_default()
    }

    fn is_possible(&self) -> bool {
        (0.0..=f64::from(u32::MAX)).contains(&self.level)
    }

    /// Records a replica's state, and grants what it asks for as far as there is room. `now` is the
    /// database's time, in milliseconds.
    pub(super) fn exchange(
        &mut self,
        config: BucketConfig,
        replica: &str,
        ask: &Ask,
        now: i64,
    ) -> Grant {
        let last_exchange = self.at;
        self.drain(config, now);
        let known = self.leases.get(replica);
        if known.is_some_and(|lease| ask.number < lease.number) {
            return self.void(config);
        }
        self.expire_leases(replica);
        let gap = self.at.saturating_sub(last_exchange);
        let gap = Duration::from_millis(u64::try_from(gap).unwrap_or(0));
        self.count_arrived(config, replica, ask, gap);
        let reports = self.operating.exchange(replica, &ask.reports, self.at);
        let mut own = self.leases.remove(replica).unwrap_or_default();
        own.number = ask.number;
        let others = self.leases.values().map(|lease| f64::from(lease.held));
        let others: f64 = others.sum();
        let reserved = self.credits(config);
        let room = config.burst() - self.level - f64::from(ask.held) - others - reserved;
        if ask.held == 0 && ask.want == 0 {
            return self.idle(config, replica, own, room, reports);
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
        // A replica that was served now is behind all others that wait.
        let ahead = self.ahead(replica, served_at);
        let room = room - f64::from(granted) - f64::from(ahead);
        self.leases.insert(replica.to_owned(), lease);
        Grant {
            granted,
            credit_after: None,
            room: room.max(0.0),
            waiting: self.waiting(),
            ask_again_after: self.ask_again_after(config, 1.0 - room),
            reports,
        }
    }

    /// The response to an ask that comes too late. Nobody waits for it.
    fn void(&self, config: BucketConfig) -> Grant {
        Grant {
            granted: 0,
            credit_after: None,
            room: 0.0,
            waiting: self.waiting(),
            ask_again_after: config.interval(),
            reports: Vec::new(),
        }
    }

    fn drain(&mut self, config: BucketConfig, now: i64) {
        let passed = now.saturating_sub(self.at);
        if passed < -SET_BACK {
            self.level = config.burst();
            self.at = now;
            // By the old clock the leases would not expire for long.
            for lease in self.leases.values_mut() {
                (lease.seen_at, lease.served_at) = (now, now);
            }
            self.operating.clear();
        }
        let passed = u64::try_from(passed).unwrap_or(0);
        let drained = config.drained(Duration::from_millis(passed));
        self.level = (self.level - drained).max(0.0);
        self.at = self.at.max(now);
    }

    /// A replica without recent exchanges has stopped using its permits; the last of its requests
    /// may just have arrived.
    fn expire_leases(&mut self, replica: &str) {
        let now = self.at;
        for (holder, lease) in &mut self.leases {
            if holder != replica && lease.is_expired(now) {
                self.level += f64::from(lease.held);
                lease.used = lease.used.saturating_add(u64::from(lease.held));
                lease.held = 0;
                lease.wants = false;
            }
        }
        self.leases
            .retain(|_, lease| now.saturating_sub(lease.seen_at) < LEASE + MEMORY);
    }

    /// Moves requests that have arrived from the permits into the level. `gap` is the time since
    /// the last exchange of any replica.
    fn count_arrived(&mut self, config: BucketConfig, replica: &str, ask: &Ask, gap: Duration) {
        let known = self.leases.get(replica).map(|lease| lease.used);
        let arrived = ask.used.saturating_sub(known.unwrap_or(ask.acknowledged));
        match &ask.isolation {
            None => self.level += to_requests(arrived),
            Some(isolation) => {
                // Others may be isolated, too. Their requests since the last exchange are not in
                // the account yet, and more follow until they rejoin.
                let parts = config.burst() - config.part_burst();
                let of_others = 1.0 - config.part_burst() / config.burst();
                let sent = (config.drained(gap) * of_others).min(parts.max(0.0));
                let isolated = self.isolated(config, replica, isolation.lasted);
                let coming = config.part().drained(LAST_TO_REJOIN) * isolated;
                let by_the_account = self.level + to_requests(arrived) + sent;
                let by_the_parts = parts + isolation.level;
                let most = by_the_account.min(by_the_parts.max(0.0)) + coming;
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
        if ask.rejected {
            self.level = self.level.max(config.burst());
        }
    }

    /// How many others may have been isolated during this replica's isolation.
    fn isolated(&self, config: BucketConfig, replica: &str, lasted: Duration) -> f64 {
        let lasted = i64::try_from(lasted.as_millis()).unwrap_or(i64::MAX);
        let others = self.leases.iter();
        let others = others.filter(|(other, lease)| {
            other.as_str() != replica && self.at.saturating_sub(lease.seen_at) < lasted
        });
        let exchanging = u32::try_from(others.count()).unwrap_or(u32::MAX);
        f64::from(config.living.saturating_sub(1).saturating_sub(exchanging))
    }

    /// Requests that other replicas may send on credit.
    fn credits(&self, config: BucketConfig) -> f64 {
        let others = self.leases.values();
        let others = others.filter(|lease| !lease.is_expired(self.at));
        let leasing = u32::try_from(others.count()).unwrap_or(u32::MAX);
        f64::from(config.living.saturating_sub(1).saturating_sub(leasing))
    }

    /// How many other replicas have waited longer than this one.
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

    /// The replica holds nothing and wants nothing: it gets its credit back, from when there is
    /// room for it.
    fn idle(
        &mut self,
        config: BucketConfig,
        replica: &str,
        own: Lease,
        room: f64,
        reports: Vec<OperatingReport>,
    ) -> Grant {
        let missing = (1.0 - room).max(0.0);
        let credit_after = (self.level >= missing).then(|| config.time_for(missing));
        if credit_after.is_none() {
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
            credit_after,
            room: room.max(0.0),
            waiting: self.waiting(),
            ask_again_after: self.ask_again_after(config, missing),
            reports,
        }
    }

    /// When there may be that much room.
    fn ask_again_after(&self, config: BucketConfig, missing: f64) -> Duration {
        let drains = config.time_for(missing.max(0.0));
        // Held permits do not drain: it depends on when their holders report.
        let wait = if self.level < missing {
            drains.min(config.interval())
        } else {
            drains
        };
        wait.clamp(config.interval().min(LONGEST_WAIT), LONGEST_WAIT)
    }
}

impl Lease {
    fn is_waiting(&self, now: i64) -> bool {
        self.wants && now.saturating_sub(self.seen_at) < WAITING
    }

    fn is_expired(&self, now: i64) -> bool {
        now.saturating_sub(self.seen_at) >= LEASE
    }
}

fn to_requests(count: u64) -> f64 {
    u32::try_from(count).map_or(f64::from(u32::MAX), f64::from)
}

#[cfg(test)]
mod tests;

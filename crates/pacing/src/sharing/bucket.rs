//! One replica's side of a portal's bucket.

mod exchange;

use std::collections::VecDeque;
use std::time::Instant;

use super::config::BucketConfig;
use super::isolated::Isolated;
use super::messages::Isolation;
use super::reports::{OperatingReport, ReportBook, ReportUpdate};
use crate::{RateLimit, Taken};

/// What a replica may count on.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Outlook {
    /// How many requests may go, as far as this replica knows: for some of them it must ask for
    /// permits first.
    pub room: f64,
    /// Whether one may go at once.
    pub has_permit: bool,
    /// Its part of the rate limit: all of it if no other replica wants any.
    pub limit: RateLimit,
}

/// One replica's side of the bucket that it shares with others.
#[derive(Debug)]
pub struct SharedBucket {
    config: BucketConfig,
    /// From when on a request may be sent on credit. `None`: it was sent, or permits are leased.
    credit: Option<Instant>,
    /// Whether the account may have permits that this replica holds.
    leased: bool,
    /// Permits that were leased and not taken yet, and until when they may be.
    unused: u32,
    usable_until: Instant,
    /// Permits whose requests were not sent yet.
    taken: u32,
    /// When the requests were sent that may still be in transit.
    in_transit: VecDeque<Instant>,
    /// Requests that have arrived since the start, and how many of them the account has.
    used: u64,
    acknowledged: u64,
    /// Requests that wait for permits.
    wanted: u32,
    rejected: bool,
    reports: Vec<(Instant, OperatingReport)>,
    book: ReportBook,
    /// The exchange in progress.
    asked: Option<Asked>,
    ask_from: Instant,
    exchanged_at: Instant,
    touched_at: Instant,
    /// What was free for all at the last exchange.
    free: (f64, Instant),
    /// How many replicas waited for permits then, including this one.
    waiting: u32,
    isolated: Option<Isolated>,
    /// Requests that may still go while an exchange is in progress that may end the isolation.
    allowance: Option<u32>,
    isolation: Option<Isolation>,
}

#[derive(Clone, Debug)]
struct Asked {
    at: Instant,
    used: u64,
    rejected: bool,
    reports: Vec<OperatingReport>,
}

impl SharedBucket {
    /// A bucket before its first exchange. A request may go on credit from `credit` on.
    pub fn new(config: BucketConfig, credit: Instant, now: Instant) -> Self {
        Self {
            config,
            credit: Some(credit),
            leased: false,
            unused: 0,
            usable_until: now,
            taken: 0,
            in_transit: VecDeque::new(),
            used: 0,
            acknowledged: 0,
            wanted: 0,
            rejected: false,
            reports: Vec::new(),
            book: ReportBook::default(),
            asked: None,
            ask_from: now,
            exchanged_at: now,
            touched_at: now,
            free: (config.burst() - f64::from(config.living), now),
            waiting: 0,
            isolated: None,
            allowance: None,
            isolation: None,
        }
    }

    /// How many requests may go, as far as this replica knows: for some of them it must ask for
    /// permits first.
    pub fn room(&mut self, now: Instant) -> f64 {
        self.advance(now);
        let out = self.out();
        if let Some(isolated) = &mut self.isolated {
            let room = isolated.room(out, now).max(0.0);
            return room.min(self.allowance.map_or(f64::INFINITY, f64::from));
        }
        let (free, at) = self.free;
        let free = free + self.config.drained(now.saturating_duration_since(at));
        let credit = f64::from(u8::from(self.has_credit(now)));
        (free + f64::from(self.unused) + credit).min(self.config.burst())
    }

    /// What this replica may count on.
    pub fn outlook(&mut self, now: Instant) -> Outlook {
        let room = self.room(now);
        let has_permit = if self.isolated.is_some() {
            room >= 1.0
        } else {
            self.unused > 0 || self.has_credit(now)
        };
        let RateLimit { burst, per_second } = self.config.limit;
        let living = self.config.living.max(1);
        let (of_burst, of_rate) = if self.isolated.is_some() {
            (living, living)
        } else {
            (1, self.waiting.clamp(1, living))
        };
        Outlook {
            room,
            has_permit,
            limit: RateLimit {
                burst: (burst / of_burst).max(1),
                per_second: per_second / f64::from(of_rate),
            },
        }
    }

    /// Takes a permit for a request that is about to be sent.
    pub fn take(&mut self, now: Instant) -> Taken {
        let taken = self.offer(0, now);
        if taken == Taken::Granted {
            if self.isolated.is_some() {
                self.allowance = self.allowance.map(|left| left.saturating_sub(1));
            } else {
                if self.has_credit(now) {
                    self.credit = None;
                } else {
                    self.unused = self.unused.saturating_sub(1);
                }
            }
            self.taken += 1;
            self.touched_at = now;
            self.wanted = self.wanted.saturating_sub(1);
        }
        taken
    }

    /// Whether a permit could be taken after this many others. Takes none, and asks for one if
    /// there is none.
    pub fn offer(&mut self, after: u32, now: Instant) -> Taken {
        self.advance(now);
        let out = self.out() + f64::from(after);
        if let Some(isolated) = &mut self.isolated {
            if self.allowance.is_some_and(|left| left <= after) {
                return Taken::At(now + self.config.interval());
            }
            return isolated.wait(out, now).map_or(Taken::Granted, Taken::At);
        }
        if self.unused + u32::from(self.has_credit(now)) > after {
            return Taken::Granted;
        }
        self.wanted = self.wanted.max(after.saturating_add(1));
        if self.asked.is_some() || self.ask_from <= now {
            Taken::Asked
        } else {
            Taken::At(self.ask_from)
        }
    }

    /// The request of a permit was sent: the portal may receive it from now on.
    pub fn sent(&mut self, now: Instant) {
        self.advance(now);
        self.taken = self.taken.saturating_sub(1);
        self.in_transit.push_back(now);
    }

    /// A permit was not used: its request was not sent.
    pub fn release(&mut self, now: Instant) {
        self.advance(now);
        self.taken = self.taken.saturating_sub(1);
        self.touched_at = now;
        if self.isolated.is_some() {
            self.allowance = self.allowance.map(|left| left.saturating_add(1));
            return;
        }
        if self.leased {
            self.unused += 1;
        } else {
            self.credit = Some(now);
        }
    }

    /// The portal rejected a request over its rate limit: the bucket is full after all.
    pub fn rejected(&mut self, now: Instant) {
        self.advance(now);
        self.unused = 0;
        self.rejected = true;
        self.free = (0.0, now);
        if let Some(isolated) = &mut self.isolated {
            isolated.rejected(now);
        }
    }

    /// This many requests wait for a permit.
    pub fn want(&mut self, now: Instant, requests: u32) {
        if requests < self.wanted {
            self.touched_at = now;
        }
        self.wanted = requests;
    }

    /// Reports to the other replicas what the portal said of a method's operating time.
    pub fn report(&mut self, now: Instant, report: OperatingReport) {
        self.reports.retain(|(_, known)| {
            (&known.tenant, &known.method) != (&report.tenant, &report.method)
        });
        self.reports.push((now, report));
    }

    /// What the replicas reported to each other of operating times, if it is not this version.
    pub fn reports_since(&self, version: u64, now: Instant) -> Option<ReportUpdate> {
        self.book.since(version, self.config.living, now)
    }

    /// Changes the portal's rate limit, or the number of replicas.
    pub fn configure(&mut self, config: BucketConfig) {
        self.config = config;
    }

    /// The rate limit and the number of replicas.
    pub fn config(&self) -> BucketConfig {
        self.config
    }

    fn has_credit(&self, now: Instant) -> bool {
        self.credit.is_some_and(|from| from <= now)
    }

    /// Requests with a permit that have not surely arrived.
    fn out(&self) -> f64 {
        f64::from(self.taken) + f64::from(count_u32(self.in_transit.len()))
    }

    /// Follows the time.
    fn advance(&mut self, now: Instant) {
        if self.unused > 0 && now >= self.usable_until {
            self.unused = 0;
        }
        let transit = self.config.transit();
        while let Some(sent) = self.in_transit.front().copied()
            && sent + transit <= now
        {
            self.in_transit.pop_front();
            self.used += 1;
            if let Some(isolated) = &mut self.isolated {
                isolated.count_arrived(sent + transit);
            }
        }
    }
}

fn count_u32(number: usize) -> u32 {
    u32::try_from(number).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests;

//! One replica's side of a portal's bucket. It knows no database and no clock.

use std::collections::VecDeque;
use std::time::Duration;

use tokio::time::Instant;

use super::account::LEASE;
use super::alone::Alone;
use super::terms::Terms;
use super::{Ask, Grant, Outlook, Report, Returned};
use crate::dispatch::Taken;
use bitrix24::Intensity;

/// How long before their lease ends permits are used no more: for the way to the portal, and a request that leaves late.
const BEFORE_THE_END: Duration = Duration::from_millis(750);

/// How long after an exchange the next one prolongs the lease of what is held.
const RENEWAL: Duration = Duration::from_millis(1_000);

/// How long permits that nobody wants any more are kept.
const KEPT: Duration = Duration::from_millis(100);

/// How long a report of operating time waits for an exchange to travel with.
const REPORT: Duration = Duration::from_millis(1_000);

/// One replica's side of the bucket that it shares with others.
#[derive(Debug)]
pub struct SharedBucket {
    terms: Terms,
    /// From when on a request may be sent without asking. None: it was, or permits are leased.
    credit: Option<Instant>,
    /// Whether the database may know of permits that this replica holds.
    leased: bool,
    /// Permits that were leased and not taken yet, and until when they may be.
    unused: u32,
    usable_until: Instant,
    /// Permits whose requests have not left yet.
    taken: u32,
    /// When requests left that may still be on their way.
    departed: VecDeque<Instant>,
    /// Requests that have arrived, since ever, and as far as the database knows of them.
    used: u64,
    acknowledged: u64,
    /// Requests that wait for permits.
    wanted: u32,
    refused: bool,
    reports: Vec<(Instant, Report)>,
    /// The exchange that is on its way.
    asked: Option<Asked>,
    ask_from: Instant,
    exchanged_at: Instant,
    touched_at: Instant,
    /// What was free at the last exchange, for all.
    free: (f64, Instant),
    /// How many replicas waited for permits then, this one among them.
    waiting: u32,
    alone: Option<Alone>,
    returned: Option<Returned>,
}

#[derive(Clone, Copy, Debug)]
struct Asked {
    at: Instant,
    used: u64,
}

impl SharedBucket {
    /// A bucket of which nothing is known. A request may go on credit from `credit` on.
    pub fn new(terms: Terms, credit: Instant, now: Instant) -> Self {
        Self {
            terms,
            credit: Some(credit),
            leased: false,
            unused: 0,
            usable_until: now,
            taken: 0,
            departed: VecDeque::new(),
            used: 0,
            acknowledged: 0,
            wanted: 0,
            refused: false,
            reports: Vec::new(),
            asked: None,
            ask_from: now,
            exchanged_at: now,
            touched_at: now,
            free: (terms.burst() - f64::from(terms.living), now),
            waiting: 0,
            alone: None,
            returned: None,
        }
    }

    /// How many requests may go, as far as is known here: some of them only after permits were asked for.
    pub fn room(&mut self, now: Instant) -> f64 {
        self.settle(now);
        if let Some(alone) = &mut self.alone {
            let out = f64::from(self.taken) + count(self.departed.len());
            return alone.room(out, now).max(0.0);
        }
        let (free, at) = self.free;
        let free = free + self.terms.drained(now.saturating_duration_since(at));
        let credit = f64::from(u8::from(self.has_credit(now)));
        (free + f64::from(self.unused) + credit).min(self.terms.burst())
    }

    /// What this replica may count on.
    pub fn outlook(&mut self, now: Instant) -> Outlook {
        let room = self.room(now);
        let has_permit = if self.alone.is_some() {
            room >= 1.0
        } else {
            self.unused > 0 || self.has_credit(now)
        };
        let Intensity { burst, per_second } = self.terms.intensity;
        let living = self.terms.living.max(1);
        let (of_burst, of_rate) = if self.alone.is_some() {
            (living, living)
        } else {
            (1, self.waiting.clamp(1, living))
        };
        Outlook {
            room,
            has_permit,
            intensity: Intensity {
                burst: (burst / of_burst).max(1),
                per_second: per_second / f64::from(of_rate),
            },
        }
    }

    /// Takes a permit for a request that is about to be sent.
    pub fn take(&mut self, now: Instant) -> Taken {
        self.settle(now);
        let out = f64::from(self.taken) + count(self.departed.len());
        let granted = if let Some(alone) = &mut self.alone {
            if let Some(at) = alone.wait(out, now) {
                return Taken::At(at);
            }
            true
        } else if self.has_credit(now) {
            self.credit = None;
            true
        } else if self.unused > 0 {
            self.unused -= 1;
            true
        } else {
            false
        };
        if granted {
            self.taken += 1;
            self.touched_at = now;
            self.wanted = self.wanted.saturating_sub(1);
            Taken::Granted
        } else {
            self.wanted = self.wanted.max(1);
            if self.asked.is_some() || self.ask_from <= now {
                Taken::Asked
            } else {
                Taken::At(self.ask_from)
            }
        }
    }

    /// A request has left: the portal may get it from now on.
    pub fn departed(&mut self, now: Instant) {
        self.settle(now);
        self.taken = self.taken.saturating_sub(1);
        self.departed.push_back(now);
    }

    /// A permit was not used: its request has not left.
    pub fn give_back(&mut self, now: Instant) {
        self.settle(now);
        self.taken = self.taken.saturating_sub(1);
        self.touched_at = now;
        if self.alone.is_some() {
            return;
        }
        if self.leased {
            self.unused += 1;
        } else {
            self.credit = Some(now);
        }
    }

    /// The portal has refused a request for its number: the bucket is full, whatever we thought.
    pub fn refused(&mut self, now: Instant) {
        self.settle(now);
        self.unused = 0;
        self.refused = true;
        self.free = (0.0, now);
        if let Some(alone) = &mut self.alone {
            alone.refused(now);
        }
    }

    /// So many requests wait for a permit.
    pub fn want(&mut self, now: Instant, requests: u32) {
        if requests < self.wanted {
            self.touched_at = now;
        }
        self.wanted = requests;
    }

    /// A portal's report of operating time is to be told to the others.
    pub fn report(&mut self, now: Instant, report: Report) {
        self.reports.retain(|(_, known)| {
            (&known.tenant, &known.method) != (&report.tenant, &report.method)
        });
        self.reports.push((now, report));
    }

    /// The portal's plan, or the number of replicas, is another one.
    pub fn agree(&mut self, terms: Terms) {
        self.terms = terms;
    }

    /// What it goes by.
    pub fn terms(&self) -> Terms {
        self.terms
    }

    /// When [`SharedBucket::demand`] has something to say. None: not before something else happens.
    pub fn due(&self) -> Option<Instant> {
        if self.alone.is_some() || self.asked.is_some() {
            return None;
        }
        let arrived = |at: &Instant| *at + self.terms.way();
        let at_rest = self.taken == 0 && self.unused == 0 && self.departed.is_empty();
        let urgent = self.refused || self.returned.is_some();
        let next = [
            urgent.then_some(self.exchanged_at),
            (self.wanted > self.unused).then_some(self.ask_from),
            (self.leased && !at_rest).then(|| self.exchanged_at + RENEWAL),
            (self.leased && self.unused > 0 && self.wanted == 0).then(|| self.touched_at + KEPT),
            (self.leased && at_rest && self.wanted == 0)
                .then(|| self.ask_from.max(self.touched_at + KEPT)),
            // What went on credit, when all of it has arrived.
            (self.taken == 0 && self.departed.is_empty() && self.used > self.acknowledged)
                .then_some(self.exchanged_at),
            self.departed
                .back()
                .filter(|_| self.taken == 0 && self.wanted == 0)
                .map(arrived),
            self.reports.first().map(|(at, _)| *at + REPORT),
        ];
        next.into_iter().flatten().min()
    }

    /// What to ask the others, if it is time. The bucket waits for [`SharedBucket::granted`] then, or for
    /// [`SharedBucket::left_alone`].
    pub fn demand(&mut self, now: Instant) -> Option<Ask> {
        self.settle(now);
        if self.due()? > now {
            return None;
        }
        if self.wanted == 0 {
            self.unused = 0;
        }
        // What was the credit is a permit among others now.
        if (self.wanted > 0 || self.leased) && self.has_credit(now) {
            self.unused += 1;
            self.usable_until = now + lease() - BEFORE_THE_END;
        }
        let held = count_u32(self.departed.len())
            .saturating_add(self.taken)
            .saturating_add(self.unused);
        if self.wanted > 0 || held > 0 {
            self.credit = None;
        }
        self.leased = true;
        self.asked = Some(Asked {
            at: now,
            used: self.used,
        });
        let reports = std::mem::take(&mut self.reports).into_iter();
        let reports = reports.map(|(at, report)| Report {
            age: report.age + now.saturating_duration_since(at),
            ..report
        });
        Some(Ask {
            held,
            used: self.used,
            acknowledged: self.acknowledged,
            want: self.wanted.saturating_sub(self.unused),
            refused: std::mem::take(&mut self.refused),
            returned: self.returned.take(),
            reports: reports.collect(),
        })
    }

    /// The answer to what [`SharedBucket::demand`] asked last. Says whether somebody waits, who should look again.
    pub fn granted(&mut self, now: Instant, grant: &Grant) -> bool {
        let Some(asked) = self.asked.take() else {
            return false;
        };
        self.acknowledged = asked.used;
        self.usable_until = asked.at + lease() - BEFORE_THE_END;
        self.unused = self.unused.saturating_add(grant.granted);
        self.exchanged_at = now;
        self.ask_from = now + grant.ask_again_after;
        self.free = (grant.room, now);
        self.waiting = grant.waiting;
        if grant.rest.is_none() {
            self.credit = None;
        } else {
            self.leased = false;
            self.unused = 0;
        }
        // Unless it went on its credit once more, while the others were being told that it rests.
        let is_unused = self.taken == 0 && self.departed.is_empty() && self.used == asked.used;
        if let Some(after) = grant.rest
            && is_unused
        {
            self.credit = Some(now + after);
        }
        self.settle(now);
        self.wanted > 0
    }

    /// The others cannot be asked since `since`: from now on this replica has its part of the bucket, which is full.
    pub fn left_alone(&mut self, since: Instant, now: Instant) {
        if self.alone.is_some() {
            return;
        }
        let credit = self.credit.filter(|_| !self.leased);
        let has_credit = f64::from(u8::from(credit.is_some_and(|from| from <= now)));
        let out = f64::from(self.taken) + count(self.departed.len());
        let alone = Alone::new(self.terms, out + has_credit, credit, since);
        self.alone = Some(alone);
        (self.asked, self.credit, self.unused) = (None, None, 0);
        self.settle(now);
    }

    /// The others can be asked again.
    pub fn back_together(&mut self, now: Instant) {
        self.settle(now);
        let Some(mut alone) = self.alone.take() else {
            return;
        };
        self.exchanged_at = now;
        self.ask_from = now;
        let is_untouched = alone.spent == 0 && self.taken == 0 && self.departed.is_empty();
        if is_untouched && alone.credit.is_some() {
            self.credit = alone.credit;
            return;
        }
        self.leased = true;
        self.returned = Some(Returned {
            level: alone.level(now),
            away: now.saturating_duration_since(alone.since),
        });
    }

    /// Whether nothing would be lost if this bucket was forgotten.
    pub fn is_at_rest(&self, now: Instant) -> bool {
        self.has_credit(now) && self.due().is_none() && self.taken == 0 && self.departed.is_empty()
    }

    fn has_credit(&self, now: Instant) -> bool {
        self.credit.is_some_and(|from| from <= now)
    }

    /// Follows the time.
    fn settle(&mut self, now: Instant) {
        if self.unused > 0 && now >= self.usable_until {
            self.unused = 0;
        }
        let way = self.terms.way();
        while let Some(departed) = self.departed.front().copied()
            && departed + way <= now
        {
            self.departed.pop_front();
            self.used += 1;
            if let Some(alone) = &mut self.alone {
                alone.arrived(departed + way);
            }
        }
    }
}

fn lease() -> Duration {
    Duration::from_millis(u64::try_from(LEASE).unwrap_or(0))
}

fn count(number: usize) -> f64 {
    f64::from(count_u32(number))
}

fn count_u32(number: usize) -> u32 {
    u32::try_from(number).unwrap_or(u32::MAX)
}

#[cfg(test)]
mod tests;

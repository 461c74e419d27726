//! The bucket's side of an exchange with the other replicas.

use std::time::{Duration, Instant};

use super::{Asked, SharedBucket, count_u32};
use crate::sharing::account::LEASE;
use crate::sharing::isolated::Isolated;
use crate::sharing::messages::{Ask, Grant, Isolation};
use crate::sharing::reports::OperatingReport;

/// How long before the end of their lease permits are no longer used: for the transit, and a
/// request that is sent late.
pub(super) const BEFORE_THE_END: Duration = Duration::from_millis(750);

/// How long after an exchange the next one renews the lease.
const RENEWAL: Duration = Duration::from_millis(1_000);

/// How long unwanted permits are kept.
const KEPT: Duration = Duration::from_millis(100);

/// How long a report of operating time waits for an exchange.
const REPORT: Duration = Duration::from_millis(1_000);

impl SharedBucket {
    /// When [`SharedBucket::ask`] has a message. `None`: not before something else happens.
    pub fn due(&self) -> Option<Instant> {
        if self.isolated.is_some() || self.asked.is_some() {
            return None;
        }
        let arrived = |at: &Instant| *at + self.config.transit();
        let nothing_out = self.taken == 0 && self.in_transit.is_empty();
        let holds_nothing = nothing_out && self.unused == 0;
        let urgent = self.rejected || self.isolation.is_some();
        let next = [
            urgent.then_some(self.exchanged_at),
            (self.wanted > self.unused).then_some(self.ask_from),
            (self.leased && !holds_nothing).then(|| self.exchanged_at + RENEWAL),
            (self.leased && self.unused > 0 && self.wanted == 0).then(|| self.touched_at + KEPT),
            (self.leased && holds_nothing && self.wanted == 0)
                .then(|| self.ask_from.max(self.touched_at + KEPT)),
            // Requests on credit are reported when all of them have arrived.
            (nothing_out && self.used > self.acknowledged).then_some(self.exchanged_at),
            self.in_transit
                .back()
                .filter(|_| self.taken == 0 && self.wanted == 0)
                .map(arrived),
            self.reports.first().map(|(at, _)| *at + REPORT),
        ];
        next.into_iter().flatten().min()
    }

    /// The message of the next exchange, if it is due. The bucket then waits for
    /// [`SharedBucket::granted`] or [`SharedBucket::isolate`].
    pub fn ask(&mut self, now: Instant) -> Option<Ask> {
        self.advance(now);
        if self.due()? > now {
            return None;
        }
        if self.wanted == 0 {
            self.unused = 0;
        }
        // The credit becomes a permit like the others.
        if (self.wanted > 0 || self.leased) && self.has_credit(now) {
            self.unused += 1;
            self.usable_until = now + lease() - BEFORE_THE_END;
        }
        let held = count_u32(self.in_transit.len())
            .saturating_add(self.taken)
            .saturating_add(self.unused);
        if self.wanted > 0 || held > 0 {
            self.credit = None;
        }
        self.leased = true;
        let want = self.wanted.saturating_sub(self.unused);
        let isolation = self.isolation.take();
        Some(self.asked(now, held, want, isolation))
    }

    /// The message of an exchange that ends the isolation if it is answered, with
    /// [`SharedBucket::granted`]; else [`SharedBucket::unanswered`] is to be called. Meanwhile this
    /// replica goes on by its part, as far as it tells the others now. `None` if it is not
    /// isolated.
    pub fn probe(&mut self, now: Instant) -> Option<Ask> {
        self.advance(now);
        let out = count_u32(self.in_transit.len()).saturating_add(self.taken);
        let isolated = self.isolated.as_mut()?;
        let isolation = isolated.isolation(now);
        let allowance = isolated.allowance();
        self.allowance = Some(allowance);
        self.credit = None;
        Some(self.asked(now, out.saturating_add(allowance), 0, Some(isolation)))
    }

    fn asked(&mut self, now: Instant, held: u32, want: u32, isolation: Option<Isolation>) -> Ask {
        let reports = std::mem::take(&mut self.reports).into_iter();
        let reports: Vec<OperatingReport> = reports
            .map(|(at, report)| OperatingReport {
                age: report.age + now.saturating_duration_since(at),
                ..report
            })
            .collect();
        let rejected = std::mem::take(&mut self.rejected);
        self.asked = Some(Asked {
            at: now,
            used: self.used,
            rejected,
            reports: reports.clone(),
        });
        Ask {
            // The exchange numbers it.
            number: 0,
            held,
            used: self.used,
            acknowledged: self.acknowledged,
            want,
            rejected,
            isolation,
            reports,
        }
    }

    /// The last message got no response: what it told is told again.
    pub fn unanswered(&mut self) {
        self.allowance = None;
        let Some(asked) = self.asked.take() else {
            return;
        };
        self.rejected |= asked.rejected;
        for report in asked.reports {
            let is_newer = |(_, known): &(Instant, OperatingReport)| {
                (&known.tenant, &known.method) == (&report.tenant, &report.method)
            };
            if !self.reports.iter().any(is_newer) {
                self.reports.push((asked.at, report));
            }
        }
    }

    /// The response to the last [`SharedBucket::ask`] or [`SharedBucket::probe`]. True if calls
    /// wait for permits.
    pub fn granted(&mut self, now: Instant, grant: &Grant) -> bool {
        let Some(asked) = self.asked.take() else {
            return false;
        };
        self.book.exchanged(&grant.reports, &asked.reports, now);
        self.acknowledged = asked.used;
        self.usable_until = asked.at + lease() - BEFORE_THE_END;
        self.unused = self.unused.saturating_add(grant.granted);
        self.exchanged_at = now;
        self.ask_from = now + grant.ask_again_after;
        self.free = (grant.room, now);
        self.waiting = grant.waiting;
        if self.isolated.take().is_some() {
            // What was sent meanwhile is told at once.
            (self.allowance, self.leased, self.ask_from) = (None, true, now);
        }
        if grant.credit_after.is_none() {
            self.credit = None;
        } else {
            self.leased = false;
            self.unused = 0;
        }
        // Unless a request was sent on credit during the exchange.
        let is_unused = self.taken == 0 && self.in_transit.is_empty() && self.used == asked.used;
        if let Some(after) = grant.credit_after
            && is_unused
        {
            self.credit = Some(now + after);
        }
        self.advance(now);
        self.wanted > 0
    }

    /// The exchange has failed since `since`: from now on this replica uses its part of the bucket,
    /// which is full except for the permits that it holds. The others keep room for these.
    pub fn isolate(&mut self, since: Instant, now: Instant) {
        if self.isolated.is_some() {
            return;
        }
        let credit = self.credit.filter(|_| !self.leased);
        let has_credit = f64::from(u8::from(credit.is_some_and(|from| from <= now)));
        let unused = if now < self.usable_until {
            self.unused
        } else {
            0
        };
        let out = self.out() + has_credit + f64::from(unused);
        self.isolated = Some(Isolated::new(self.config, out, credit, since));
        (self.credit, self.unused) = (None, 0);
        self.unanswered();
        self.advance(now);
    }

    /// The exchange works again, as that about another portal shows.
    pub fn rejoin(&mut self, now: Instant) {
        self.advance(now);
        let Some(mut isolated) = self.isolated.take() else {
            return;
        };
        self.unanswered();
        self.exchanged_at = now;
        self.ask_from = now;
        let is_untouched = isolated.arrived == 0 && self.taken == 0 && self.in_transit.is_empty();
        if is_untouched && isolated.credit.is_some() {
            self.credit = isolated.credit;
            return;
        }
        self.leased = true;
        self.isolation = Some(isolated.isolation(now));
    }

    /// Whether nothing would be lost by forgetting this bucket.
    pub fn is_idle(&self, now: Instant) -> bool {
        let nothing_out = self.taken == 0 && self.in_transit.is_empty();
        self.has_credit(now) && self.due().is_none() && nothing_out
    }
}

pub(super) fn lease() -> Duration {
    Duration::from_millis(u64::try_from(LEASE).unwrap_or(0))
}

//! The operating budgets: how long each method may work for each tenant of a portal within ten minutes.
//!
//! The portal says in every answer what is used and when the oldest minute of it expires. There are two models of what a batch is charged to:
//! each command to its own method, as documented, or the whole to the method `batch`, as was measured on a self-hosted portal. Both tell
//! with each command what is used; that it is not the method's own shows when the method is called singly and tells less.

use std::collections::HashMap;
use std::time::Duration;

use tokio::time::Instant;

use super::sharing::Heard;
use bitrix24::TenantId;
use bitrix24::{Method, Time};

/// What is left unused, so that calls that take longer than those before do not cross the limit.
const RESERVE: Duration = Duration::from_secs(5);

/// How long a portal blocks a method whose reset time is not known. Source: system errors, `OPERATION_TIME_LIMIT`.
const UNKNOWN_RESET: Duration = Duration::from_secs(600);

/// How soon to ask again while the first call after a reset is on its way.
const WHILE_PROBING: Duration = Duration::from_secs(1);

/// The same while the replicas tell each other what they have spent; they do so every second.
const WHILE_TELLING: Duration = Duration::from_secs(1);

/// How long a call works at most, in seconds. Source: page "limits".
const LONGEST_CALL: f64 = 60.0;

/// The method that a batch is sent as.
pub(super) const BATCH: &str = "batch";

/// What an answer says of a budget.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Report {
    /// Seconds that were used when the call had ended.
    pub(super) used: f64,
    /// How long after the answer the oldest minute expires.
    pub(super) resets_in: Option<Duration>,
    /// Seconds that this call took.
    pub(super) cost: f64,
}

impl Report {
    /// `None` if the portal says nothing of the budget.
    pub(super) fn of(time: &Time) -> Option<Self> {
        let seconds = |value: f64| Duration::try_from_secs_f64(value).ok();
        let reset = time
            .operating_reset_at
            .zip(time.finish)
            .and_then(|(reset, now)| seconds(reset - now));
        Some(Self {
            used: time.operating.filter(|used| used.is_finite())?.max(0.0),
            // A clock that is wrong by hours says nothing.
            resets_in: reset.filter(|reset| *reset <= UNKNOWN_RESET * 2),
            cost: time
                .duration
                .filter(|cost| (0.0..=3600.0).contains(cost))
                .unwrap_or_default(),
        })
    }
}

/// How a call travelled.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Travelled {
    Singly,
    InBatch,
}

/// The operating budgets of one portal.
#[derive(Debug, Default)]
pub(super) struct OperatingBudgets {
    accounts: HashMap<TenantId, HashMap<&'static str, Account>>,
    /// The portal charges the whole batch to the method `batch`.
    charges_batches: bool,
    /// The replicas that spend from the same budgets; 0 and 1: this one alone.
    living: u32,
}

#[derive(Clone, Copy, Debug, Default)]
struct Account {
    singly: Option<Used>,
    in_batches: Option<Used>,
    /// The newest that another replica has told.
    elsewhere: Option<Used>,
    /// The newest that the other replicas have been told.
    told: Option<Used>,
    /// Calls that were sent and are not answered.
    on_the_way: u32,
    /// Seconds that a call takes, by its own account.
    cost: f64,
    /// Since when the calls are counted by which what is used grows.
    growth: Growth,
    blocked_until: Option<Instant>,
}

/// What is used, until when.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Used {
    pub(super) seconds: f64,
    pub(super) resets: Instant,
}

/// How fast what is used grows. What a call says that it took is not always what is counted.
#[derive(Clone, Copy, Debug, Default)]
struct Growth {
    from: f64,
    to: f64,
    calls: u32,
    /// Seconds. What other replicas spend is in it too, but no call takes longer than a portal lets it.
    of_one_call: f64,
}

impl OperatingBudgets {
    /// Whether a call of the method stays within the limit.
    ///
    /// # Errors
    ///
    /// When the budget is used up: how long to wait.
    pub(super) fn check(
        &self,
        tenant: &TenantId,
        method: &'static str,
        limit: Option<Duration>,
        now: Instant,
    ) -> Result<(), Duration> {
        match limit.zip(self.account(tenant, method)) {
            Some((limit, account)) => account.check(limit, self.living, now),
            None => Ok(()),
        }
    }

    /// What a batch's commands are charged to: their own method, or `batch`.
    pub(super) fn charged(&self, method: &'static str) -> &'static str {
        if self.charges_batches { BATCH } else { method }
    }

    /// A call is sent.
    pub(super) fn sent(&mut self, tenant: &TenantId, method: &'static str) {
        self.account_mut(tenant, method).on_the_way += 1;
    }

    /// A call that was sent has ended.
    pub(super) fn ended(&mut self, tenant: &TenantId, method: &'static str) {
        let account = self.account_mut(tenant, method);
        account.on_the_way = account.on_the_way.saturating_sub(1);
    }

    /// Takes over what the replicas have told each other.
    pub(super) fn hear(&mut self, heard: &Heard, now: Instant) {
        self.living = heard.living;
        let others = heard.others.iter().map(|report| (report, false));
        let told = heard.told.iter().map(|report| (report, true));
        for (report, is_told) in others.chain(told) {
            let known = [BATCH].into_iter().chain(Method::ALL.map(Method::name));
            let Some(method) = known.into_iter().find(|method| *method == report.method) else {
                // A newer version of this service knows more.
                continue;
            };
            let Ok(tenant) = TenantId::parse(&report.tenant) else {
                continue;
            };
            let resets_in = report.resets_in.unwrap_or(UNKNOWN_RESET);
            let used = Used {
                seconds: report.used,
                resets: now + resets_in.saturating_sub(report.age),
            };
            let account = self.account_mut(&tenant, method);
            if is_told {
                account.told = Some(used);
            } else {
                account.elsewhere = Some(used);
            }
        }
    }

    /// What other replicas should know of a method after its report: what it is charged to, and what is used of that.
    pub(super) fn to_be_told(
        &self,
        tenant: &TenantId,
        method: &'static str,
        now: Instant,
    ) -> impl Iterator<Item = (&'static str, Used)> {
        let batch = self.charges_batches.then_some(BATCH);
        let charged = [Some(method), batch].into_iter().flatten();
        charged.filter_map(move |method| Some((method, self.account(tenant, method)?.own(now)?)))
    }

    /// Takes over what an answer says.
    pub(super) fn report(
        &mut self,
        tenant: &TenantId,
        method: &'static str,
        travelled: Travelled,
        report: Report,
        now: Instant,
    ) {
        if travelled == Travelled::Singly
            && let Some(told) = self
                .account(tenant, method)
                .and_then(|known| known.in_batches)
            && told.resets > now
            && told.seconds >= 1.0
            && report.used < told.seconds / 2.0
        {
            // What its commands told was not the method's own.
            self.charges_batches = true;
            self.account_mut(tenant, method).in_batches = None;
            self.account_mut(tenant, BATCH).in_batches = Some(told);
        }
        let charged = match travelled {
            Travelled::Singly => method,
            Travelled::InBatch => self.charged(method),
        };
        let account = self.account_mut(tenant, charged);
        let used = Used {
            seconds: report.used,
            resets: now + report.resets_in.unwrap_or(UNKNOWN_RESET),
        };
        match travelled {
            Travelled::Singly => account.singly = Some(used),
            Travelled::InBatch => account.in_batches = Some(used),
        }
        account.blocked_until = None;
        account.growth.note(report.used, account.on_the_way);
        let weight = if report.cost > account.cost { 0.5 } else { 0.1 };
        account.cost += (report.cost - account.cost) * weight;
    }

    /// The portal has refused the method because its budget is used up. Gives how long that lasts.
    pub(super) fn refused(
        &mut self,
        tenant: &TenantId,
        method: &'static str,
        now: Instant,
    ) -> Duration {
        if method == BATCH {
            self.charges_batches = true;
        }
        let account = self.account_mut(tenant, method);
        let known = account.newest_reset(now);
        let wait = known.unwrap_or(UNKNOWN_RESET);
        account.blocked_until = Some(now + wait);
        wait
    }

    /// What is left of the limit, if the portal has said what is used.
    pub(super) fn remaining(
        &self,
        tenant: &TenantId,
        method: &'static str,
        limit: Option<Duration>,
        now: Instant,
    ) -> Option<Duration> {
        let used = self.account(tenant, method)?.used(now)?;
        let used = Duration::try_from_secs_f64(used).unwrap_or(Duration::MAX);
        Some(limit?.saturating_sub(used))
    }

    fn account(&self, tenant: &TenantId, method: &'static str) -> Option<Account> {
        self.accounts.get(tenant)?.get(method).copied()
    }

    fn account_mut(&mut self, tenant: &TenantId, method: &'static str) -> &mut Account {
        if !self.accounts.contains_key(tenant) {
            self.accounts.insert(tenant.clone(), HashMap::new());
        }
        let accounts = self.accounts.entry(tenant.clone()).or_default();
        accounts.entry(method).or_default()
    }
}

impl Account {
    fn check(&self, limit: Duration, living: u32, now: Instant) -> Result<(), Duration> {
        if let Some(until) = self.blocked_until
            && until > now
        {
            return Err(until - now);
        }
        let allowed = limit.saturating_sub(RESERVE.min(limit / 10)).as_secs_f64();
        let cost = self.cost.max(self.growth.of_one_call);
        let expected = cost * f64::from(self.on_the_way + 1);
        let until_reset = || self.newest_reset(now).unwrap_or(WHILE_PROBING);
        if let Some(used) = self.used(now) {
            if used + expected > allowed {
                return Err(until_reset());
            }
            if living > 1 {
                // The others spend from the rest too, and what they have spent is heard of later.
                let agreed = self.agreed(now);
                let share = (allowed - agreed) / f64::from(living);
                if cost > share {
                    return Err(until_reset());
                }
                if used - agreed + expected > share {
                    return Err(WHILE_TELLING);
                }
            }
        } else if self.last_known() + expected > allowed && self.on_the_way > 0 {
            // A minute of it has expired; how much that was, the first call will tell.
            return Err(WHILE_PROBING);
        }
        Ok(())
    }

    /// Seconds that are used, if that is known.
    fn used(&self, now: Instant) -> Option<f64> {
        highest([self.singly, self.in_batches, self.elsewhere], now).map(|used| used.seconds)
    }

    /// What all replicas know to be used.
    fn agreed(&self, now: Instant) -> f64 {
        highest([self.elsewhere, self.told], now).map_or(0.0, |used| used.seconds)
    }

    /// What this replica has heard from the portal itself.
    fn own(&self, now: Instant) -> Option<Used> {
        highest([self.singly, self.in_batches], now)
    }

    fn last_known(&self) -> f64 {
        let known = [self.singly, self.in_batches, self.elsewhere];
        let known = known.into_iter().flatten();
        known.map(|used| used.seconds).fold(0.0, f64::max)
    }

    fn newest_reset(&self, now: Instant) -> Option<Duration> {
        let known = [self.singly, self.in_batches, self.elsewhere];
        let known = known.into_iter().flatten();
        let newest = known.map(|used| used.resets).max()?;
        newest
            .checked_duration_since(now)
            .filter(|wait| !wait.is_zero())
    }
}

fn highest<const N: usize>(known: [Option<Used>; N], now: Instant) -> Option<Used> {
    let standing = known.into_iter().flatten().filter(|used| used.resets > now);
    standing.reduce(|one, other| {
        if other.seconds > one.seconds {
            other
        } else {
            one
        }
    })
}

impl Growth {
    /// Takes note of what is used when a call has ended while so many others are on their way.
    fn note(&mut self, used: f64, on_the_way: u32) {
        if self.calls == 0 || used < self.from {
            *self = Self {
                from: used,
                to: used,
                calls: 1,
                of_one_call: 0.0,
            };
            return;
        }
        // Answers of requests side by side come in any order.
        self.to = self.to.max(used);
        // All commands of a batch may tell the same: that of the whole, which is not known of the first one.
        if used > self.from {
            self.calls = self.calls.saturating_add(1);
        }
        // Those on their way have used their part as well: a batch tells what those beside it have done.
        let calls = f64::from(
            self.calls
                .saturating_sub(1)
                .saturating_add(on_the_way)
                .max(1),
        );
        self.of_one_call = ((self.to - self.from) / calls).min(LONGEST_CALL);
    }
}

#[cfg(test)]
mod tests;

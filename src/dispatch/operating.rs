//! The operating budgets: how long each method may work for each tenant of a portal within ten minutes.
//!
//! The portal says in every answer what is used and when the oldest minute of it expires. There are two models of what a batch is charged to:
//! each command to its own method, as documented, or the whole to the method `batch`, as was measured on a self-hosted portal. Both tell
//! with each command what is used; that it is not the method's own shows when the method is called singly and tells less.

use std::collections::HashMap;
use std::time::Duration;

use tokio::time::Instant;

use crate::bitrix24::Time;
use crate::tenant::TenantId;

/// What is left unused, so that calls that take longer than those before do not cross the limit.
const RESERVE: Duration = Duration::from_secs(5);

/// How long a portal blocks a method whose reset time is not known. Source: system errors, `OPERATION_TIME_LIMIT`.
const UNKNOWN_RESET: Duration = Duration::from_secs(600);

/// How soon to ask again while the first call after a reset is on its way.
const WHILE_PROBING: Duration = Duration::from_secs(1);

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
}

#[derive(Clone, Copy, Debug, Default)]
struct Account {
    singly: Option<Used>,
    in_batches: Option<Used>,
    /// Calls that were sent and are not answered.
    on_the_way: u32,
    /// Seconds that a call takes.
    cost: f64,
    blocked_until: Option<Instant>,
}

#[derive(Clone, Copy, Debug)]
struct Used {
    seconds: f64,
    resets: Instant,
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
            Some((limit, account)) => account.check(limit, now),
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
    fn check(&self, limit: Duration, now: Instant) -> Result<(), Duration> {
        if let Some(until) = self.blocked_until
            && until > now
        {
            return Err(until - now);
        }
        let allowed = limit.saturating_sub(RESERVE.min(limit / 10)).as_secs_f64();
        let expected = self.cost * f64::from(self.on_the_way + 1);
        if let Some(used) = self.used(now) {
            if used + expected > allowed {
                return Err(self.newest_reset(now).unwrap_or(WHILE_PROBING));
            }
        } else if self.last_known() + expected > allowed && self.on_the_way > 0 {
            // A minute of it has expired; how much that was, the first call will tell.
            return Err(WHILE_PROBING);
        }
        Ok(())
    }

    /// Seconds that are used, if that is known.
    fn used(&self, now: Instant) -> Option<f64> {
        let standing = [self.singly, self.in_batches].into_iter().flatten();
        standing
            .filter(|used| used.resets > now)
            .map(|used| used.seconds)
            .reduce(f64::max)
    }

    fn last_known(&self) -> f64 {
        let known = [self.singly, self.in_batches].into_iter().flatten();
        known.map(|used| used.seconds).fold(0.0, f64::max)
    }

    fn newest_reset(&self, now: Instant) -> Option<Duration> {
        let known = [self.singly, self.in_batches].into_iter().flatten();
        let newest = known.map(|used| used.resets).max()?;
        newest
            .checked_duration_since(now)
            .filter(|wait| !wait.is_zero())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIMIT: Option<Duration> = Some(Duration::from_secs(480));
    const METHOD: &str = "imopenlines.crm.message.add";

    fn acme() -> TenantId {
        TenantId::parse("acme").unwrap()
    }

    fn used(used: f64) -> Report {
        Report {
            used,
            resets_in: Some(Duration::from_secs(60)),
            cost: 1.0,
        }
    }

    #[test]
    fn what_is_not_known_is_allowed() {
        let budgets = OperatingBudgets::default();
        let now = Instant::now();
        assert_eq!(budgets.check(&acme(), METHOD, LIMIT, now), Ok(()));
    }

    #[test]
    fn a_call_that_may_cross_the_limit_is_refused_until_the_reset() {
        let (mut budgets, now, acme) = (OperatingBudgets::default(), Instant::now(), acme());
        let minute = Duration::from_secs(60);
        budgets.report(&acme, METHOD, Travelled::Singly, used(473.0), now);
        assert_eq!(budgets.check(&acme, METHOD, LIMIT, now), Ok(()));
        assert_eq!(
            budgets.remaining(&acme, METHOD, LIMIT, now),
            Some(Duration::from_secs(7))
        );
        budgets.report(&acme, METHOD, Travelled::Singly, used(474.5), now);
        assert_eq!(budgets.check(&acme, METHOD, LIMIT, now), Err(minute));
        assert_eq!(budgets.check(&acme, METHOD, None, now), Ok(()));
        assert_eq!(budgets.check(&acme, "another", LIMIT, now), Ok(()));
    }

    #[test]
    fn calls_on_their_way_count() {
        let (mut budgets, now, acme) = (OperatingBudgets::default(), Instant::now(), acme());
        budgets.report(&acme, METHOD, Travelled::Singly, used(470.0), now);
        let mut sent = 0;
        while budgets.check(&acme, METHOD, LIMIT, now).is_ok() {
            budgets.sent(&acme, METHOD);
            sent += 1;
        }
        assert_eq!(sent, 10, "half a second each");
        budgets.ended(&acme, METHOD);
        assert_eq!(budgets.check(&acme, METHOD, LIMIT, now), Ok(()));
    }

    #[test]
    fn after_the_reset_one_call_finds_out_how_much_is_free() {
        let (mut budgets, now, acme) = (OperatingBudgets::default(), Instant::now(), acme());
        budgets.report(&acme, METHOD, Travelled::Singly, used(479.0), now);
        let then = now + Duration::from_secs(61);
        assert_eq!(budgets.check(&acme, METHOD, LIMIT, then), Ok(()));
        budgets.sent(&acme, METHOD);
        assert_eq!(
            budgets.check(&acme, METHOD, LIMIT, then),
            Err(WHILE_PROBING)
        );
        budgets.ended(&acme, METHOD);
        budgets.report(&acme, METHOD, Travelled::Singly, used(20.0), then);
        assert_eq!(budgets.check(&acme, METHOD, LIMIT, then), Ok(()));
    }

    #[test]
    fn a_refusal_blocks_until_the_last_known_reset_or_ten_minutes() {
        let (mut budgets, now, acme) = (OperatingBudgets::default(), Instant::now(), acme());
        assert_eq!(budgets.refused(&acme, METHOD, now), UNKNOWN_RESET);
        assert_eq!(budgets.check(&acme, METHOD, LIMIT, now), Err(UNKNOWN_RESET));
        budgets.report(&acme, METHOD, Travelled::Singly, used(1.0), now);
        let minute = Duration::from_secs(60);
        assert_eq!(budgets.refused(&acme, METHOD, now), minute);
    }

    #[test]
    fn commands_count_for_their_method_until_a_single_call_tells_otherwise() {
        let (mut budgets, now, acme) = (OperatingBudgets::default(), Instant::now(), acme());
        budgets.report(&acme, METHOD, Travelled::InBatch, used(478.0), now);
        assert!(budgets.check(&acme, METHOD, LIMIT, now).is_err());
        // An operator's call, or one that may not travel in a batch.
        budgets.report(&acme, METHOD, Travelled::Singly, used(2.0), now);
        assert_eq!(budgets.check(&acme, METHOD, LIMIT, now), Ok(()));
        assert_eq!(budgets.charged(METHOD), BATCH);
        assert!(budgets.check(&acme, BATCH, LIMIT, now).is_err());
    }
}

//! Operating budgets: how long each method may run for each tenant of a portal within ten minutes.
//!
//! Every response says how much is used and when the oldest minute of it expires. There are two
//! models of what a batch is charged to: each command to its own method, as documented, or the
//! whole to the method `batch`, as measured on a self-hosted portal. Under both models each command
//! says what is used. We detect the second model when a single call of the method then says less.

mod growth;
mod method;

use std::borrow::Cow;
use std::time::{Duration, Instant};

use foldhash::HashMap;

use self::method::{MethodBudget, Usage};
use crate::TenantKey;
use crate::sharing::ReportUpdate;

/// How long a portal blocks a method whose reset time is not known. Source: system errors,
/// `OPERATION_TIME_LIMIT`.
const UNKNOWN_RESET: Duration = Duration::from_secs(600);

/// The method that a batch is sent as.
pub const BATCH: &str = "batch";

/// What a response says of an operating budget.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct OperatingTime {
    /// Seconds used when the call had ended.
    pub used: f64,
    /// How long after the response the oldest minute expires.
    pub resets_in: Option<Duration>,
    /// Seconds that this call took.
    pub cost: f64,
}

impl OperatingTime {
    /// Builds it from the fields of a response's `time`, in seconds: the operating time used, the
    /// reset time less the time of the response, and the call's duration. `None` if the portal does
    /// not report the budget.
    pub fn of(used: Option<f64>, resets_in: Option<f64>, cost: Option<f64>) -> Option<Self> {
        let resets_in = resets_in.and_then(|wait| Duration::try_from_secs_f64(wait).ok());
        Some(Self {
            used: used.filter(|used| used.is_finite())?.max(0.0),
            // Beyond that the portal's clock is wrong.
            resets_in: resets_in.filter(|wait| *wait <= UNKNOWN_RESET * 2),
            cost: cost
                .filter(|cost| (0.0..=3600.0).contains(cost))
                .unwrap_or_default(),
        })
    }
}

/// How a call was sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum SentAs {
    /// In a request of its own.
    Single,
    /// As a command of a batch.
    Batch,
}

/// The operating budgets of one portal.
#[derive(Debug, Default)]
pub(crate) struct OperatingBudgets {
    /// In boxes: a table has room for four, and a tenant mostly uses one.
    methods: HashMap<TenantKey, HashMap<Cow<'static, str>, Box<MethodBudget>>>,
    /// The portal charges the whole batch to the method `batch`.
    charges_batches: bool,
    /// The replicas that use the same budgets; 0 and 1: this one only.
    living: u32,
}

impl OperatingBudgets {
    /// Whether a call of the method stays within the limit.
    ///
    /// # Errors
    ///
    /// How long to wait, if the budget is used up.
    pub(crate) fn check(
        &self,
        tenant: &TenantKey,
        method: &str,
        limit: Option<Duration>,
        now: Instant,
    ) -> Result<(), Duration> {
        let Some(budget) = self.budget(tenant, method) else {
            return Ok(());
        };
        // The portal's own word counts, whatever limit is known.
        budget.check_blocked(now)?;
        limit.map_or(Ok(()), |limit| budget.check(limit, self.living, now))
    }

    /// Whether a call of the method was answered: only then it is known what one costs.
    pub(crate) fn is_answered(&self, tenant: &TenantKey, method: &str) -> bool {
        let budget = self.budget(tenant, method);
        budget.is_some_and(|budget| budget.is_answered)
    }

    /// When the first call of the method was sent, as long as none was answered.
    pub(crate) fn first_sent(&self, tenant: &TenantKey, method: &str) -> Option<Instant> {
        let budget = self.budget(tenant, method)?;
        budget.first_sent.filter(|_| budget.in_flight > 0)
    }

    /// What a batch's commands are charged to: their own method, or `batch`.
    pub(crate) fn charged(&self, method: &'static str) -> &'static str {
        if self.charges_batches { BATCH } else { method }
    }

    /// A call is sent.
    pub(crate) fn sent(&mut self, tenant: &TenantKey, method: &'static str, now: Instant) {
        let budget = self.budget_mut(tenant, method);
        budget.in_flight += 1;
        budget.first_sent.get_or_insert(now);
    }

    /// A call that was sent has completed.
    pub(crate) fn completed(&mut self, tenant: &TenantKey, method: &'static str, answered: bool) {
        let budget = self.budget_mut(tenant, method);
        budget.in_flight = budget.in_flight.saturating_sub(1);
        budget.is_answered |= answered;
        if budget.in_flight == 0 {
            budget.first_sent = None;
        }
    }

    /// Applies what the replicas reported to each other.
    pub(crate) fn apply(&mut self, update: &ReportUpdate, now: Instant) {
        self.living = update.living;
        let others = update.others.iter().map(|report| (report, false));
        let own = update.own.iter().map(|report| (report, true));
        for (report, is_own) in others.chain(own) {
            let resets_in = report.resets_in.unwrap_or(UNKNOWN_RESET);
            let usage = Some(Usage {
                seconds: report.used,
                resets: now + resets_in.saturating_sub(report.age),
            });
            let tenant = TenantKey::from(report.tenant.as_str());
            let budget = self.budget_mut(&tenant, report.method.clone());
            if is_own {
                budget.reported = usage;
            } else {
                budget.by_others = usage;
            }
        }
    }

    /// What to report to other replicas after a response to a call of this method: what the call is
    /// charged to, and how much of that is used.
    pub(crate) fn to_report(
        &self,
        tenant: &TenantKey,
        method: &'static str,
        now: Instant,
    ) -> impl Iterator<Item = (&'static str, Usage)> {
        let batch = self.charges_batches.then_some(BATCH);
        let charged = [Some(method), batch].into_iter().flatten();
        charged.filter_map(move |method| Some((method, self.budget(tenant, method)?.own(now)?)))
    }

    /// Applies what a response says.
    pub(crate) fn note(
        &mut self,
        tenant: &TenantKey,
        method: &'static str,
        sent_as: SentAs,
        time: OperatingTime,
        now: Instant,
    ) {
        if sent_as == SentAs::Single
            && let Some(in_batches) = self
                .budget(tenant, method)
                .and_then(|known| known.in_batches)
            && in_batches.resets > now
            && in_batches.seconds >= 1.0
            && time.used < in_batches.seconds / 2.0
        {
            // What its commands said was not the method's own.
            self.charges_batches = true;
            let budget = self.budget_mut(tenant, method);
            budget.in_batches = None;
            let growth = std::mem::take(&mut budget.growth);
            let batch = self.budget_mut(tenant, BATCH);
            batch.in_batches = Some(in_batches);
            batch.growth = growth;
        }
        let charged = match sent_as {
            SentAs::Single => method,
            SentAs::Batch => self.charged(method),
        };
        let budget = self.budget_mut(tenant, charged);
        let usage = Some(Usage {
            seconds: time.used,
            resets: now + time.resets_in.unwrap_or(UNKNOWN_RESET),
        });
        match sent_as {
            SentAs::Single => budget.singly = usage,
            SentAs::Batch => budget.in_batches = usage,
        }
        budget.blocked_until = None;
        budget.growth.note(time.used, budget.in_flight);
        let weight = if time.cost > budget.cost { 0.5 } else { 0.1 };
        budget.cost += (time.cost - budget.cost) * weight;
    }

    /// The portal rejected the method because its budget is used up. Returns how long that lasts.
    pub(crate) fn rejected(
        &mut self,
        tenant: &TenantKey,
        method: &'static str,
        now: Instant,
    ) -> Duration {
        if method == BATCH {
            self.charges_batches = true;
        }
        let budget = self.budget_mut(tenant, method);
        let wait = budget.newest_reset(now).unwrap_or(UNKNOWN_RESET);
        budget.blocked_until = Some(now + wait);
        wait
    }

    /// What is left of the limit, if the portal reported how much is used.
    pub(crate) fn remaining(
        &self,
        tenant: &TenantKey,
        method: &str,
        limit: Duration,
        now: Instant,
    ) -> Option<Duration> {
        let used = self.budget(tenant, method)?.used(now)?;
        let used = Duration::try_from_secs_f64(used).unwrap_or(Duration::MAX);
        Some(limit.saturating_sub(used))
    }

    fn budget(&self, tenant: &TenantKey, method: &str) -> Option<&MethodBudget> {
        self.methods
            .get(tenant)?
            .get(method)
            .map(|budget| &**budget)
    }

    fn budget_mut(
        &mut self,
        tenant: &TenantKey,
        method: impl Into<Cow<'static, str>>,
    ) -> &mut MethodBudget {
        let methods = self.methods.entry(tenant.clone()).or_default();
        methods.entry(method.into()).or_default()
    }
}

#[cfg(test)]
mod tests;

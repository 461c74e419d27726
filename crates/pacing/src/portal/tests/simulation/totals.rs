//! What became of all calls.

use std::collections::BTreeMap;
use std::time::Duration;

use super::traffic::Hangs;
use crate::{Priority, Rejection, SchedulingInfo};

/// The outcomes of all calls.
#[derive(Clone, Debug, Default)]
pub(super) struct Totals {
    pub(super) came: usize,
    pub(super) delivered: usize,
    /// Sent, and not answered before the deadline, or not at all.
    pub(super) unknown: usize,
    pub(super) rejected: usize,
    /// Those of the rejected ones for which the portal was taken to be away.
    pub(super) by_breaker: usize,
    pub(super) expired: usize,
    pub(super) bulk: usize,
    pub(super) by_tenant: BTreeMap<String, usize>,
    /// How long after the end of each hang the first call was delivered.
    pub(super) recoveries: Vec<Duration>,
    /// The end of the hang that the last of them belongs to.
    recovered: Duration,
}

impl Totals {
    pub(super) fn delivered(&mut self, info: &SchedulingInfo) {
        self.delivered += 1;
        self.bulk += usize::from(info.priority == Priority::Bulk);
        let tenant = info.tenant.to_string();
        *self.by_tenant.entry(tenant).or_default() += 1;
    }

    pub(super) fn rejected(&mut self, rejection: Rejection) {
        self.rejected += 1;
        let by_breaker = matches!(rejection, Rejection::BreakerOpen { .. });
        self.by_breaker += usize::from(by_breaker);
    }

    /// A request was answered.
    pub(super) fn answered(&mut self, hangs: Hangs, now: Duration) {
        let end = hangs.last_end(now);
        if end > self.recovered {
            self.recovered = end;
            self.recoveries.push(now - end);
        }
    }

    /// How many calls have ended.
    pub(super) fn ended(&self) -> usize {
        self.delivered + self.unknown + self.rejected + self.expired
    }
}

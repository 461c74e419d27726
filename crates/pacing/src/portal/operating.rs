//! The operating budgets of a portal.

use std::time::{Duration, Instant};

use super::state::Portal;
use crate::operating::BATCH;
use crate::sharing::OperatingReport;
use crate::{OperatingKey, OperatingTime, Rejection, SentAs, TenantKey};

impl<J> Portal<J> {
    pub(super) fn check_operating(
        &self,
        tenant: &TenantKey,
        method: &str,
        now: Instant,
    ) -> Result<(), Rejection> {
        let limit = self.limits.operating_time;
        let tenant = self.operating_key(tenant);
        let checked = self.operating.check(tenant, method, limit, now);
        checked.map_err(|retry_after| Rejection::OperatingLimit { retry_after })
    }

    /// Applies what other replicas reported of operating times.
    pub(super) fn apply_reports(&mut self, now: Instant) {
        let shared = self.budget.shared();
        let update = shared.and_then(|bucket| bucket.reports_since(self.reports_version, now));
        if let Some(update) = update {
            self.reports_version = update.version;
            self.operating.apply(&update, now);
        }
    }

    /// Whose budget a tenant's calls use.
    pub(super) fn operating_key<'a>(&'a self, tenant: &'a TenantKey) -> &'a TenantKey {
        match self.limits.operating_key {
            OperatingKey::Portal => &self.all_tenants,
            OperatingKey::Tenant => tenant,
        }
    }

    pub(super) fn complete_operating(
        &mut self,
        calls: &[(TenantKey, &'static str)],
        is_batch: bool,
        is_answered: bool,
    ) {
        for (tenant, method) in calls {
            let key = self.operating_key(tenant).clone();
            self.operating.completed(&key, method, is_answered);
            if is_batch {
                self.operating.completed(&key, BATCH, is_answered);
            }
        }
    }

    /// Applies what a response says of the operating budget. Returns what is left of it.
    pub fn note_operating_time(
        &mut self,
        tenant: &TenantKey,
        method: &'static str,
        sent_as: SentAs,
        time: OperatingTime,
        now: Instant,
    ) -> Option<Duration> {
        let limit = self.limits.operating_time?;
        let tenant = &self.operating_key(tenant).clone();
        self.operating.note(tenant, method, sent_as, time, now);
        if let Some(bucket) = self.budget.shared() {
            for (charged, usage) in self.operating.to_report(tenant, method, now) {
                let report = OperatingReport {
                    tenant: tenant.to_string(),
                    method: charged.to_owned(),
                    used: usage.seconds,
                    resets_in: Some(usage.resets.saturating_duration_since(now)),
                    age: Duration::ZERO,
                };
                bucket.report(now, report);
            }
        }
        self.operating.remaining(tenant, method, limit, now)
    }

    /// The portal rejected a method, or `batch`, because its operating budget is used up. Returns
    /// how long that lasts.
    pub fn operating_rejected(
        &mut self,
        tenant: &TenantKey,
        method: &'static str,
        now: Instant,
    ) -> Duration {
        let tenant = &self.operating_key(tenant).clone();
        self.operating.rejected(tenant, method, now)
    }
}

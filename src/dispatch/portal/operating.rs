//! The operating budgets of a portal: what limits them, and what is told of them.

use std::time::Duration;

use tokio::time::Instant;

use super::Portal;
use crate::dispatch::not_admitted::NotAdmitted;
use crate::dispatch::operating::{Report, Travelled};
use crate::dispatch::sharing;
use bitrix24::Method;
use bitrix24::TenantId;

impl<J> Portal<J> {
    pub(super) fn check_operating(
        &self,
        tenant: &TenantId,
        method: &'static str,
        now: Instant,
    ) -> Result<(), NotAdmitted> {
        let limit = self.operating_limit();
        let checked = self.operating.check(tenant, method, limit, now);
        checked.map_err(|retry_after| NotAdmitted::OperatingLimit { retry_after })
    }

    /// Takes over what other replicas have told of operating times.
    pub(super) fn hear(&mut self, now: Instant) {
        if let Some(heard) = self
            .budget
            .shared()
            .and_then(|bucket| bucket.heard(now, self.heard))
        {
            self.heard = heard.times;
            self.operating.hear(&heard, now);
        }
    }

    /// Self-hosted portals have their own limit, or none: nobody has told us.
    pub(super) fn operating_limit(&self) -> Option<Duration> {
        self.budget.intensity().and(self.options.operating_limit)
    }

    /// Takes over what an answer says of the operating budget. Gives what is left of it.
    pub(in crate::dispatch) fn report(
        &mut self,
        tenant: &TenantId,
        method: Method,
        travelled: Travelled,
        report: Report,
        now: Instant,
    ) -> Option<Duration> {
        let limit = self.operating_limit()?;
        self.operating
            .report(tenant, method.name(), travelled, report, now);
        if let Some(bucket) = self.budget.shared() {
            for (charged, used) in self.operating.to_be_told(tenant, method.name(), now) {
                let report = sharing::Report {
                    tenant: tenant.to_string(),
                    method: charged.to_owned(),
                    used: used.seconds,
                    resets_in: Some(used.resets.saturating_duration_since(now)),
                    age: Duration::ZERO,
                };
                bucket.report(now, report);
            }
        }
        self.operating
            .remaining(tenant, method.name(), Some(limit), now)
    }

    /// The portal has refused a method, or `batch`, because its operating budget is used up. Gives how long that lasts.
    pub(in crate::dispatch) fn operating_refused(
        &mut self,
        tenant: &TenantId,
        method: &'static str,
        now: Instant,
    ) -> Duration {
        self.operating.refused(tenant, method, now)
    }
}

//! Calls that are only checked (`validate_only`).

use super::operation::{Operation, SendResponse};
use super::service::{OpenLines, release};
use crate::api::openlines::v1::CallEstimate;
use crate::auth::Caller;
use crate::call::CallContext;
use crate::check::Check;
use crate::dispatch::Estimate;
use crate::error::{Error, NOT_SENT};
use bitrix24::TenantId;
use pacing::Forecast;

impl OpenLines {
    /// Checks a call as it would be before it is sent, in the same order. The call is not
    /// announced, so no other call waits for it, and has no lines in the audit log.
    pub(super) async fn estimate<O: Operation>(
        &self,
        caller: Option<Caller>,
        request: &O::Request,
        context: &CallContext,
        tenant_id: &mut Option<TenantId>,
    ) -> Result<O::Response, Error> {
        release(context);
        let caller = caller.ok_or(NOT_SENT)?;
        let mut check = Check::default();
        let granted =
            self.granted::<O, _>(&caller, request, context, tenant_id, &mut check, |_| ());
        let tenant = granted.await?.map(|(tenant, ())| tenant);
        let call = self.check::<O>(tenant, request, check)?;
        let conversations = O::conversations(request, &self.rules);
        let estimated = self
            .dispatcher
            .estimate(call, conversations, context)
            .await?;
        let (estimate, replayed) = match estimated {
            Estimate::Queued(forecast) => (told(&forecast), false),
            Estimate::Replayed => {
                context.note_replayed();
                (told(&Forecast::default()), true)
            }
        };
        Ok(O::Response::of_estimate(estimate, replayed))
    }
}

fn told(forecast: &Forecast) -> CallEstimate {
    CallEstimate {
        queue_duration: forecast.wait.try_into().ok(),
        queued_calls: i32::try_from(forecast.waiting).unwrap_or(i32::MAX),
        remaining_operating_duration: forecast
            .operating_left
            .and_then(|left| left.try_into().ok()),
    }
}

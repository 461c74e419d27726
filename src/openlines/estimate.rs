//! Calls that are only checked (`validate_only`).

use super::operation::{Operation, SendRequest, SendResponse};
use super::service::{OpenLines, release};
use crate::api::openlines::v1::CallEstimate;
use crate::auth::Caller;
use crate::call::CallContext;
use crate::check::{Check, Path};
use crate::dispatch::Estimate;
use crate::error::{Error, NOT_SENT};
use crate::tenant::ResolveError;
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
        let permitted = caller.permit(O::NAME).ok_or(Error::MethodNotPermitted)?;
        let mut check = Check::default();
        let tenant = match check.tenant_id(Path::root("tenant_id"), request.tenant_id()) {
            None => None,
            Some(id) => {
                let grant = permitted.grant(&id).ok_or(ResolveError::NotPermitted)?;
                Some(self.resolve(&grant, context, tenant_id).await?)
            }
        };
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

//! `GetSendStatus`: what the ledger knows of a call.

use std::time::Duration;

use bytes::Bytes;
use prost::Message;
use tonic::Status;

use super::json_struct;
use super::service::{OpenLines, SEND_STATUS, check_idempotency_key, release};
use super::timing;
use crate::api::openlines::v1::{
    GetSendStatusRequest, GetSendStatusResponse, SendAnswer, SendState,
};
use crate::auth::Caller;
use crate::call::{CallContext, CallIdentity};
use crate::check::{Check, Path};
use crate::dispatch::{Known, NotAdmitted};
use crate::error::{Error, NOT_SENT};
use crate::server::framed;
use crate::tenant::ResolveError;
use bitrix24::{Answer, TenantId};

impl OpenLines {
    /// Answers a call whose request was read.
    pub(super) async fn status(
        &self,
        message: Bytes,
        caller: Caller,
        context: &CallContext,
    ) -> Result<Bytes, Status> {
        let request = GetSendStatusRequest::decode(message).ok();
        let status = self.status_of(request, Some(caller), context).await;
        status.map(|status| framed(&status))
    }

    /// There is no request if it cannot be decoded.
    pub(super) async fn status_of(
        &self,
        request: Option<GetSendStatusRequest>,
        caller: Option<Caller>,
        context: &CallContext,
    ) -> Result<GetSendStatusResponse, Status> {
        release(context);
        let mut tenant_id = None;
        let found = match &request {
            Some(request) => self.find(caller, request, context, &mut tenant_id).await,
            None => Err(Error::not_decodable()),
        };
        found.map_err(|error| {
            let identity = CallIdentity {
                tenant_id,
                ..context.identity()
            };
            let failure = error.into_failure(&identity);
            failure.note(context);
            failure.into_status(&identity)
        })
    }

    /// `tenant_id` becomes the tenant's id when the caller may know of the tenant.
    async fn find(
        &self,
        caller: Option<Caller>,
        request: &GetSendStatusRequest,
        context: &CallContext,
        tenant_id: &mut Option<TenantId>,
    ) -> Result<GetSendStatusResponse, Error> {
        // Only if the layer around the calls is missing.
        let caller = caller.ok_or(NOT_SENT)?;
        let permitted = caller
            .permit(SEND_STATUS)
            .ok_or(Error::MethodNotPermitted)?;
        let mut check = Check::default();
        let mut operating_limit = None;
        let id = check.tenant_id(Path::root("tenant_id"), &request.tenant_id);
        if let Some(id) = &id {
            let grant = permitted.grant(id).ok_or(ResolveError::NotPermitted)?;
            match self.resolve(&grant, context, tenant_id).await {
                Ok(tenant) => {
                    let options = self.dispatcher.options();
                    operating_limit = options.operating_limit_of(tenant.portal());
                }
                // Nothing is sent, so it does not matter why nothing can be.
                Err(ResolveError::Unusable(_)) => context.note_tenant(id),
                Err(error) => return Err(error.into()),
            }
        }
        let path = Path::root("request_id");
        check.nonempty(path, &request.request_id);
        let key = check_idempotency_key(&request.request_id, &mut check);
        check.end().map_err(Error::InvalidRequest)?;
        let (Some(id), Some(key)) = (id, key) else {
            return Err(NOT_SENT);
        };
        let known = self.dispatcher.look_up(&id, key, None, context.deadline());
        let known = known.await.map_err(NotAdmitted::from)?;
        let state = match &known {
            Known::Nothing => SendState::NotKnown,
            Known::Running => SendState::Running,
            Known::Answered(_) => SendState::Answered,
            Known::Unknown => SendState::Unknown,
        };
        let answer = match known {
            Known::Answered(answer) => Some(told(&answer, operating_limit)),
            Known::Nothing | Known::Running | Known::Unknown => None,
        };
        Ok(GetSendStatusResponse {
            state: state.into(),
            answer,
        })
    }
}

fn told(answer: &Answer, operating_limit: Option<Duration>) -> SendAnswer {
    SendAnswer {
        result: Some(json_struct::from_json(&answer.result)),
        timing: Some(timing::timing(&answer.time)),
        operating_budget: timing::operating_budget(&answer.time, operating_limit),
    }
}

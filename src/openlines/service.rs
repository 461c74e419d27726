//! The gRPC service: every call's way through authentication, tenant, check and dispatch.

use std::sync::Arc;

use tonic::{Request, Response, Status};
use uuid::Uuid;

use super::check::{Check, Rules};
use super::connector_messages::SendConnectorMessages;
use super::crm_message::SendCrmMessage;
use super::network_message::SendNetworkMessage;
use super::operation::Operation;
use super::path::Path;
use super::{Call, CallParts};
use crate::api::openlines::v1::CallPriority;
use crate::api::openlines::v1::ErrorReason as Reason;
use crate::api::openlines::v1::open_lines_service_server::OpenLinesService;
use crate::api::openlines::v1::{
    SendConnectorMessagesRequest, SendConnectorMessagesResponse, SendCrmMessageRequest,
    SendCrmMessageResponse, SendNetworkMessageRequest, SendNetworkMessageResponse,
};
use crate::auth::{Caller, Callers};
use crate::dispatch::{Announced, Delivery, Dispatcher, Priority};
use crate::error::{CallIdentity, Error, Violations};
use crate::metrics::Metrics;
use crate::server::CallContext;
use crate::tenant::{Directory, ResolveError, Tenant};
use bitrix24::Outcome;
use bitrix24::{InvalidTenantId, TenantId};

/// The implementation of `openlines.v1.OpenLinesService`.
#[derive(Debug)]
pub struct OpenLines {
    /// Who may call.
    pub callers: Callers,
    /// For which portals.
    pub directory: Directory,
    /// What requests are checked against.
    pub rules: Rules,
    /// What sends.
    pub dispatcher: Dispatcher,
    /// What counts.
    pub metrics: Metrics,
}

#[tonic::async_trait]
impl OpenLinesService for OpenLines {
    async fn send_connector_messages(
        &self,
        request: Request<SendConnectorMessagesRequest>,
    ) -> Result<Response<SendConnectorMessagesResponse>, Status> {
        self.answer::<SendConnectorMessages>(request).await
    }

    async fn send_crm_message(
        &self,
        request: Request<SendCrmMessageRequest>,
    ) -> Result<Response<SendCrmMessageResponse>, Status> {
        self.answer::<SendCrmMessage>(request).await
    }

    async fn send_network_message(
        &self,
        request: Request<SendNetworkMessageRequest>,
    ) -> Result<Response<SendNetworkMessageResponse>, Status> {
        self.answer::<SendNetworkMessage>(request).await
    }
}

impl OpenLines {
    async fn answer<O: Operation>(
        &self,
        request: Request<O::Request>,
    ) -> Result<Response<O::Response>, Status> {
        let (metadata, extensions, request) = request.into_parts();
        let context = extensions.get::<CallContext>().cloned().unwrap_or_default();
        context.note_method(O::METHOD);
        let mut identity = CallIdentity {
            line: O::line(&request),
            ..context.identity()
        };
        let outcome = async {
            let authorization = metadata.get_all("authorization").iter();
            let caller = self
                .callers
                .authenticate(authorization.map(|value| value.as_encoded_bytes()))?;
            context.note_caller(&caller);
            let mut violations = Violations::default();
            // The tenant comes first, so that a caller learns nothing about requests to portals that are not its own.
            let tenant_id = O::tenant_id(&request);
            let announce = |id| {
                let conversations = O::conversations(&request);
                (self.dispatcher).announce(id, conversations, context.arrival().cloned())
            };
            let resolved = self
                .resolve(&caller, tenant_id, announce, &mut violations)
                .await;
            if matches!(&resolved, Err(Error::Tenant(error)) if *error != ResolveError::NotPermitted)
            {
                identity.tenant_id = Some(tenant_id.to_owned());
            }
            let resolved = resolved?;
            let tenant = resolved.as_ref().map(|(tenant, _)| tenant);
            if let Some(tenant) = tenant {
                identity.tenant_id = Some(tenant.id().to_string());
                context.note_tenant(tenant.id());
            }
            let operating_limit = tenant.and_then(|tenant| {
                self.dispatcher
                    .options()
                    .operating_limit_of(tenant.portal())
            });
            let call = self.check::<O>(resolved, &request, violations)?;
            let noting = context.clone();
            let delivery = Delivery {
                deadline: context.deadline(),
                note_sent: Arc::new(move |sent| noting.note_sending(sent)),
            };
            let (delivered, spent) = self.dispatcher.send(call, delivery).await;
            context.note_waits(spent.waiting, spent.portal);
            let delivered = delivered?;
            if delivered.is_replayed {
                context.note_replayed();
            }
            O::reply(delivered.answer, &request, &identity, operating_limit)
        };
        outcome.await.map(Response::new).map_err(|error| {
            let failure = error.into_failure(&identity);
            context.note_failure(&failure);
            if failure.reason() == Reason::UndocumentedCode {
                self.metrics.undocumented_code(O::METHOD.name());
            }
            failure.into_status(&identity)
        })
    }

    /// Lets a request through that breaks no rule.
    fn check<O: Operation>(
        &self,
        resolved: Option<(Tenant, Announced)>,
        request: &O::Request,
        mut violations: Violations,
    ) -> Result<Call, Error> {
        if let Some((tenant, _)) = &resolved
            && O::METHOD.needs_application()
            && !tenant.is_application()
        {
            return Err(Error::ApplicationRequired);
        }
        let request_id = check_request_id(O::request_id(request), &mut violations);
        let mut check = Check {
            rules: &self.rules,
            violations: &mut violations,
        };
        let parameters = O::prepare(request, &mut check).map_err(|_| Error::Internal {
            outcome: Outcome::NotExecuted,
        })?;
        check.known::<CallPriority>(Path::root("priority"), O::priority(request));
        match resolved {
            Some((tenant, announced)) if violations.is_empty() => Ok(Call {
                parts: CallParts {
                    tenant,
                    announced: Arc::new(announced),
                    method: O::METHOD,
                    parameters,
                    priority: priority(O::priority(request)),
                    may_be_batched: !O::disable_batching(request),
                    request_id,
                },
            }),
            Some(_) | None => Err(Error::InvalidRequest(violations)),
        }
    }

    /// Announces the call before anything is waited for, so that later calls find it there. `None`, and a violation, if the text cannot be a
    /// tenant's id.
    async fn resolve(
        &self,
        caller: &Caller,
        tenant_id: &str,
        announce: impl FnOnce(TenantId) -> Announced,
        violations: &mut Violations,
    ) -> Result<Option<(Tenant, Announced)>, Error> {
        match TenantId::parse(tenant_id) {
            Ok(id) => {
                let announced = announce(id.clone());
                let tenant = self.directory.resolve(caller, &id).await?;
                Ok(Some((tenant, announced)))
            }
            Err(InvalidTenantId::Empty) => {
                violations.add("tenant_id", "REQUIRED", "is required; it is empty");
                Ok(None)
            }
            Err(fault) => {
                violations.add("tenant_id", "TENANT_ID", fault.to_string());
                Ok(None)
            }
        }
    }
}

/// The idempotency key, if there is one.
fn check_request_id(request_id: &str, violations: &mut Violations) -> Option<Uuid> {
    if request_id.is_empty() {
        return None;
    }
    // The hyphenated form only, 36 characters: one spelling for one key.
    let parsed = Uuid::try_parse(request_id).ok();
    let key = parsed.filter(|_| request_id.len() == 36);
    if key.is_none() {
        let description = "is no UUID of 36 characters; draw one, or leave it empty";
        violations.add("request_id", "UUID", description);
    }
    key
}

fn priority(value: i32) -> Priority {
    match CallPriority::try_from(value) {
        Ok(CallPriority::Bulk) => Priority::Bulk,
        Ok(CallPriority::Unspecified | CallPriority::Interactive) | Err(_) => Priority::Interactive,
    }
}

//! The gRPC service: every call's way through authentication, tenant, check and dispatch.

mod library;

use bytes::Bytes;
use prost::Message;
use tonic::Status;
use uuid::Uuid;

use self::library::error_reasons;
use super::connector_messages::SendConnectorMessages;
use super::crm_message::SendCrmMessage;
use super::network_message::SendNetworkMessage;
use super::operation::{Operation, SendRequest, SendResponse};
use super::settings::Rules;
use super::streaming::{self, ItemCall};
use crate::api::openlines::v1::open_lines_service_server::SERVICE_NAME;
use crate::api::openlines::v1::streaming_send_messages_request::Operation as Given;
use crate::api::openlines::v1::streaming_send_messages_response::Result as Answer;
use crate::api::openlines::v1::{CallPriority, ErrorReason as Reason};
use crate::auth::{Caller, Grant};
use crate::call::{CallContext, CallIdentity, Priority};
use crate::check::{Call, CallParts, Check, Path};
use crate::dispatch::{AuditedCall, Delivery, Dispatcher, Trail};
use crate::error::{Error, NOT_SENT};
use crate::metrics::{MessageResults, Metrics};
use crate::server::{Item, Unary, framed};
use crate::tenant::{Directory, ResolveError, Tenant};
use bitrix24::{NotAnObject, Parameters, TenantId};

/// The name of the RPC that tells the status of a call.
pub(super) const SEND_STATUS: &str = "GetSendStatus";

/// The name of the RPC that lists the errors.
const ERROR_REASONS: &str = "ListErrorReasons";

/// The implementation of `openlines.v1.OpenLinesService`.
#[derive(Debug)]
pub struct OpenLines {
    /// For which portals.
    pub directory: Directory,
    /// What requests are checked against.
    pub rules: Rules,
    /// What sends.
    pub dispatcher: Dispatcher,
    /// What counts.
    pub metrics: Metrics,
    /// Whether each send has its lines in the audit log.
    pub audits_sends: bool,
}

/// A method of the service.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Method {
    ConnectorMessages,
    CrmMessage,
    NetworkMessage,
    SendStatus,
    ErrorReasons,
}

/// As the server calls it.
impl Unary for OpenLines {
    type Method = Method;
    type Call = ItemCall;

    fn method(&self, path: &str) -> Option<Method> {
        let name = path.strip_prefix('/')?.strip_prefix(SERVICE_NAME)?;
        match name.strip_prefix('/')? {
            SendConnectorMessages::NAME => Some(Method::ConnectorMessages),
            SendCrmMessage::NAME => Some(Method::CrmMessage),
            SendNetworkMessage::NAME => Some(Method::NetworkMessage),
            SEND_STATUS => Some(Method::SendStatus),
            ERROR_REASONS => Some(Method::ErrorReasons),
            _ => None,
        }
    }

    fn is_stream(&self, path: &str) -> bool {
        let name = path
            .strip_prefix('/')
            .and_then(|path| path.strip_prefix(SERVICE_NAME));
        name.and_then(|name| name.strip_prefix('/')) == Some(streaming::NAME)
    }

    fn item(&self, message: Bytes) -> Option<Item<ItemCall>> {
        streaming::item(message)
    }

    fn path(call: &ItemCall) -> String {
        format!("/{SERVICE_NAME}/{}", call.name())
    }

    async fn answer_item(
        &self,
        key: &str,
        call: ItemCall,
        caller: Caller,
        context: &CallContext,
    ) -> Result<Bytes, Status> {
        let caller = Some(caller);
        let answer = match call.0 {
            Given::ConnectorMessages(request) => {
                let sent = self.send::<SendConnectorMessages>(caller, &request, context);
                Answer::ConnectorMessages(sent.await?)
            }
            Given::CrmMessage(request) => {
                let sent = self.send::<SendCrmMessage>(caller, &request, context);
                Answer::CrmMessage(sent.await?)
            }
            Given::NetworkMessage(request) => {
                let sent = self.send::<SendNetworkMessage>(caller, &request, context);
                Answer::NetworkMessage(sent.await?)
            }
        };
        Ok(streaming::answered(key, answer))
    }

    fn item_failed(key: &str, status: &Status) -> Bytes {
        streaming::failed(key, status)
    }

    async fn answer(
        &self,
        method: Method,
        message: Bytes,
        caller: Caller,
        context: &CallContext,
    ) -> Result<Bytes, Status> {
        match method {
            Method::ConnectorMessages => {
                let answered = self.decoded::<SendConnectorMessages>(message, caller, context);
                answered.await
            }
            Method::CrmMessage => {
                let answered = self.decoded::<SendCrmMessage>(message, caller, context);
                answered.await
            }
            Method::NetworkMessage => {
                let answered = self.decoded::<SendNetworkMessage>(message, caller, context);
                answered.await
            }
            Method::SendStatus => Box::pin(self.status(message, caller, context)).await,
            Method::ErrorReasons => {
                release(context);
                Ok(framed(&error_reasons()))
            }
        }
    }
}

impl OpenLines {
    async fn decoded<O: Operation>(
        &self,
        message: Bytes,
        caller: Caller,
        context: &CallContext,
    ) -> Result<Bytes, Status> {
        match O::Request::decode(message) {
            Ok(request) => {
                let sent = self.send::<O>(Some(caller), &request, context).await;
                sent.map(|response| framed(&response))
            }
            Err(_) => Err(self.failed::<O>(Error::not_decodable(), context, context.identity())),
        }
    }

    pub(super) async fn send<O: Operation>(
        &self,
        caller: Option<Caller>,
        request: &O::Request,
        context: &CallContext,
    ) -> Result<O::Response, Status> {
        context.note_method(O::METHOD);
        let mut tenant_id = None;
        let sent = if request.validate_only() {
            let estimated = self.estimate::<O>(caller, request, context, &mut tenant_id);
            Box::pin(estimated).await
        } else {
            let sent = self.try_to_send::<O>(caller, request, context, &mut tenant_id);
            sent.await
        };
        if let Some(results) = sent.as_ref().ok().and_then(O::results) {
            self.note_results(results, context);
        }
        sent.map_err(|error| {
            let identity = identity::<O>(request, context, tenant_id);
            self.failed::<O>(error, context, identity)
        })
    }

    /// Notes what became of each message. Those of a replayed response were counted before.
    fn note_results(&self, results: MessageResults, context: &CallContext) {
        if !context.is_replayed() {
            self.metrics.messages_judged(results);
        }
        context.note_messages(results.refused, results.unknown);
    }

    fn failed<O: Operation>(
        &self,
        error: Error,
        context: &CallContext,
        identity: CallIdentity,
    ) -> Status {
        let failure = error.into_failure(&identity);
        failure.note(context);
        if failure.reason() == Reason::UndocumentedCode {
            self.metrics.undocumented_code(O::METHOD.name());
        }
        failure.into_status(&identity)
    }

    /// `tenant_id` becomes the tenant's id when the caller may know of the tenant.
    async fn try_to_send<O: Operation>(
        &self,
        caller: Option<Caller>,
        request: &O::Request,
        context: &CallContext,
        tenant_id: &mut Option<TenantId>,
    ) -> Result<O::Response, Error> {
        // Only if the layer around the calls is missing.
        let caller = caller.ok_or(NOT_SENT)?;
        let mut check = Check::default();
        // Announced before anything is awaited, so that later calls wait for this one.
        let announce = |grant: &Grant| {
            let conversations = O::conversations(request, &self.rules);
            let arrival = context.arrival().cloned();
            self.dispatcher.announce(grant, conversations, arrival)
        };
        let granted =
            self.granted::<O, _>(&caller, request, context, tenant_id, &mut check, announce);
        let resolved = granted.await?;
        let (tenant, announced) = resolved.unzip();
        let operating_limit = tenant.as_ref().and_then(|tenant| {
            let options = self.dispatcher.options();
            options.operating_limit_of(tenant.portal())
        });
        let call = self.check::<O>(tenant, request, check)?;
        let Some(announced) = announced else {
            // A call has a tenant, and a tenant was announced.
            return Err(NOT_SENT);
        };
        let trail = self.audits_sends.then(|| {
            Trail::new(AuditedCall {
                context: context.clone(),
                caller,
                tenant: call.tenant().clone(),
                method: O::METHOD,
                request_id: call.idempotency_key(),
                messages: O::messages(request),
                accepted: O::accepted,
            })
        });
        let delivery = Delivery {
            context: context.clone(),
            trail,
        };
        let (delivered, spent) = self.dispatcher.send(call, announced, delivery).await;
        context.note_durations(spent.waiting, spent.portal);
        let delivered = delivered?;
        if delivered.is_replayed {
            context.note_replayed();
        }
        let identity = identity::<O>(request, context, tenant_id.clone());
        let mut response = O::reply(
            delivered.answer,
            request,
            &self.rules,
            &identity,
            operating_limit,
        )?;
        if delivered.is_replayed {
            response.set_replayed();
        }
        Ok(response)
    }

    /// Finds the tenant of a request, if its field is valid and the caller may act for it. This
    /// comes first, so that a caller learns nothing about requests to the portals of other callers.
    /// What `granted` returns comes with it: it is called before anything is awaited.
    pub(super) async fn granted<O: Operation, T>(
        &self,
        caller: &Caller,
        request: &O::Request,
        context: &CallContext,
        tenant_id: &mut Option<TenantId>,
        check: &mut Check,
        granted: impl FnOnce(&Grant) -> T,
    ) -> Result<Option<(Tenant, T)>, Error> {
        let permitted = caller.permit(O::NAME).ok_or(Error::MethodNotPermitted)?;
        let Some(id) = check.tenant_id(Path::root("tenant_id"), request.tenant_id()) else {
            return Ok(None);
        };
        let grant = permitted.grant(&id).ok_or(ResolveError::NotPermitted)?;
        let with = granted(&grant);
        let tenant = self.resolve(&grant, context, tenant_id).await?;
        Ok(Some((tenant, with)))
    }

    /// Finds the tenant of a grant. `tenant_id` becomes its id when the caller may know of it.
    pub(super) async fn resolve(
        &self,
        grant: &Grant,
        context: &CallContext,
        tenant_id: &mut Option<TenantId>,
    ) -> Result<Tenant, ResolveError> {
        let resolved = self.directory.resolve(grant).await;
        if !matches!(resolved, Err(ResolveError::NotPermitted)) {
            *tenant_id = Some(grant.tenant().clone());
        }
        let tenant = resolved?;
        context.note_tenant(grant.tenant());
        Ok(tenant)
    }

    /// Lets a request through that breaks no rule.
    pub(super) fn check<O: Operation>(
        &self,
        tenant: Option<Tenant>,
        request: &O::Request,
        mut check: Check,
    ) -> Result<Call, Error> {
        if let Some(tenant) = &tenant
            && O::METHOD.needs_application()
            && !tenant.is_application()
        {
            return Err(Error::ApplicationRequired);
        }
        let (parameters, idempotency_key) =
            check_fields::<O>(request, &self.rules, &mut check).map_err(|_| NOT_SENT)?;
        let recipient = (self.dispatcher.guards_weeks())
            .then(|| O::recipient(request).map(Box::new))
            .flatten();
        let parts = tenant.map(|tenant| CallParts {
            tenant,
            method: O::METHOD,
            parameters,
            priority: priority(request.priority()),
            may_be_batched: !request.disable_batching(),
            idempotency_key,
            recipient,
        });
        check.pass(parts).map_err(Error::InvalidRequest)
    }
}

/// Checks all fields but `tenant_id`.
pub(super) fn check_fields<O: Operation>(
    request: &O::Request,
    rules: &Rules,
    check: &mut Check,
) -> Result<(Parameters, Option<Uuid>), NotAnObject> {
    let idempotency_key = check_idempotency_key(request.idempotency_key(), check);
    let parameters = O::prepare(request, rules, check)?;
    check.known::<CallPriority>(Path::root("priority"), request.priority());
    Ok((parameters, idempotency_key))
}

/// Lets later calls of the connection go on: none has to wait for a call that sends nothing.
pub(super) fn release(context: &CallContext) {
    if let Some(arrival) = context.arrival() {
        arrival.note_read();
    }
}

pub(super) fn check_idempotency_key(text: &str, check: &mut Check) -> Option<Uuid> {
    if text.is_empty() {
        return None;
    }
    // The hyphenated form only, 36 characters: one spelling for one key.
    let key = Uuid::try_parse(text).ok().filter(|_| text.len() == 36);
    if key.is_none() {
        let description = "is not a UUID of 36 characters; generate one, or leave it empty";
        check.wrong(Path::root("request_id"), "UUID", description);
    }
    key
}

fn identity<O: Operation>(
    request: &O::Request,
    context: &CallContext,
    tenant_id: Option<TenantId>,
) -> CallIdentity {
    CallIdentity {
        line: O::line(request),
        tenant_id,
        ..context.identity()
    }
}

fn priority(value: i32) -> Priority {
    match CallPriority::try_from(value) {
        Ok(CallPriority::Bulk) => Priority::Bulk,
        Ok(CallPriority::Unspecified | CallPriority::Interactive) | Err(_) => Priority::Interactive,
    }
}

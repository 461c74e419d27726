//! The table of reasons: for each, its status, who must act, whether a retry is safe, and what to
//! do.
//!
//! error_reason.proto says what a reason means. docs/errors.md is generated from both, and a test
//! keeps the three consistent.

use tonic::Code;

use crate::api::openlines::v1::ErrorReason as Reason;

/// Who can remove the cause of a failure.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Responsible {
    /// The developer of the program that made the call.
    CallerDeveloper,
    /// The operator of this service.
    Operator,
    /// An administrator of the tenant's portal.
    PortalAdministrator,
    /// Bitrix24's support.
    Bitrix24Support,
    /// The cause passes with time.
    Time,
    ServiceDeveloper,
}

/// Whether the call may be retried.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Retry {
    /// Safe immediately or after a short wait, and may succeed.
    Safe,
    /// Safe after the time in `RetryInfo`.
    AfterWait,
    /// Safe, but fails until the cause is removed.
    AfterFix,
    /// Safe only if the outcome in the metadata is `not_executed`.
    SeeOutcome,
    /// May deliver the message twice without the same `request_id`.
    MayDuplicate,
}

#[derive(Clone, Copy, Debug)]
pub(crate) struct ReasonRow {
    pub(crate) reason: Reason,
    /// The status of a call that fails for it.
    pub(crate) code: Code,
    /// Who must act.
    pub(crate) actor: Responsible,
    /// Whether a retry is safe.
    pub(crate) retry: Retry,
    /// What to do, one sentence.
    pub(crate) remedy: &'static str,
    /// A helpful page of Bitrix24's documentation.
    pub(crate) help: Option<&'static str>,
}

pub(crate) fn row(reason: Reason) -> &'static ReasonRow {
    const UNSPECIFIED: &ReasonRow = &ReasonRow {
        reason: Reason::Unspecified,
        code: Code::Internal,
        actor: Responsible::ServiceDeveloper,
        retry: Retry::SeeOutcome,
        remedy: "Report the failure with its call id.",
        help: None,
    };
    REASONS
        .iter()
        .find(|row| row.reason == reason)
        .unwrap_or(UNSPECIFIED)
}

const AUTHORIZATION: Option<&str> =
    Some("https://apidocs.bitrix24.com/settings/how-to-call-rest-api/authorization.html");
const CONNECTORS: Option<&str> =
    Some("https://apidocs.bitrix24.com/api-reference/imopenlines/imconnector/index.html");
const LIMITS: Option<&str> = Some("https://apidocs.bitrix24.com/limits.html");
const OAUTH: Option<&str> = Some("https://apidocs.bitrix24.com/settings/oauth/index.html");
const SCOPES: Option<&str> =
    Some("https://apidocs.bitrix24.com/api-reference/scopes/permissions.html");

macro_rules! reasons {
    ($($reason:ident $code:ident $actor:ident $retry:ident $help:expr, $remedy:literal;)*) => {
        &[$(ReasonRow {
            reason: Reason::$reason,
            code: Code::$code,
            actor: Responsible::$actor,
            retry: Retry::$retry,
            remedy: $remedy,
            help: $help,
        }),*]
    };
}

/// Every reason, in the order of error_reason.proto.
pub(crate) const REASONS: &[ReasonRow] = reasons! {
    InvalidRequest InvalidArgument CallerDeveloper AfterFix None,
        "Correct the fields that BadRequest names.";
    CredentialsMissing Unauthenticated CallerDeveloper AfterFix None,
        "Send the metadata `authorization: Bearer <API key or JWT>`, or use a client certificate.";
    CredentialsInvalid Unauthenticated CallerDeveloper AfterFix None,
        "Send one credential that the operator of this service has configured. A JWT must be current: read its file anew for each call, or every minute.";
    TenantNotPermitted PermissionDenied Operator AfterFix None,
        "Check the tenant's id, or grant the caller this tenant in the service's settings.";
    WrongAuthorizationType FailedPrecondition Operator AfterFix AUTHORIZATION,
        "Give the tenant application (OAuth) credentials.";
    DeadlineBeforeSend DeadlineExceeded CallerDeveloper Safe None,
        "Retry with a later deadline.";
    Overloaded Unavailable Operator AfterWait None,
        "Retry after the time in RetryInfo. If it lasts, add replicas or raise server.maximum_concurrent_calls.";
    ShuttingDown Unavailable Time Safe None,
        "Retry: another instance will take the call.";
    Internal Internal ServiceDeveloper SeeOutcome None,
        "Report the failure with its call id. Check the outcome before you retry.";
    OperationNotServed Unimplemented CallerDeveloper AfterFix None,
        "Call an operation of openlines.v1.OpenLinesService.";
    PortalUnreachable Unavailable Operator Safe None,
        "Retry after a moment. If it lasts, check the portal's address and the network.";
    PortalAddressForbidden FailedPrecondition Operator AfterFix None,
        "Correct the tenant's portal or its DNS. Only for a portal on your own server: list it in portals.self_hosted, which opens private addresses.";
    PortalMoved FailedPrecondition Operator AfterFix None,
        "Set the tenant's portal to the new address, if it is the same portal.";
    PortalNotFound FailedPrecondition Operator AfterFix None,
        "Check the tenant's portal address.";
    OutcomeUnknown Unknown CallerDeveloper MayDuplicate None,
        "Retry with the same request_id: you get the response if the service has it by then, otherwise OUTCOME_UNKNOWN again. Nothing is delivered twice. Without a request_id a retry may deliver the message twice: look into the portal's chat first.";
    AnswerNotUnderstood Unknown ServiceDeveloper MayDuplicate None,
        "Do not retry: Bitrix24 accepted the message. Report the failure with its call id.";
    UndocumentedCode Unknown ServiceDeveloper SeeOutcome None,
        "See the code in Bitrix24Error, and report it so that it gets a meaning.";
    PortalRateLimited ResourceExhausted Time AfterWait LIMITS,
        "Retry after the time in RetryInfo.";
    OperatingLimit ResourceExhausted Time AfterWait LIMITS,
        "Retry after the time in RetryInfo. Other methods of the portal still work.";
    RecipientWeeklyLimit ResourceExhausted Time AfterFix None,
        "Send this user no other network message this week.";
    PortalBlocked FailedPrecondition Bitrix24Support AfterFix LIMITS,
        "Ask Bitrix24's support to lift the block.";
    ReauthorizationRequired FailedPrecondition PortalAdministrator AfterFix OAUTH,
        "Install the application again or create a new webhook, and enter the new credentials.";
    MissingScope PermissionDenied PortalAdministrator AfterFix SCOPES,
        "Give the application or webhook the scopes imopenlines and imconnector.";
    PortalAccessDenied PermissionDenied PortalAdministrator AfterFix None,
        "Give the user the rights, or the portal the plan, that Bitrix24's description names.";
    MethodNotConfirmed PermissionDenied PortalAdministrator AfterFix None,
        "Allow the method for the application on the portal.";
    PortalNotOperational FailedPrecondition PortalAdministrator AfterFix None,
        "Check whether the portal is open, and its licence and payment. The tenant stays as it is: its calls work again once the portal does.";
    PortalRequiresHttps FailedPrecondition Operator AfterFix None,
        "Enter the portal by its host name: it is then called over HTTPS.";
    PortalModuleMissing FailedPrecondition PortalAdministrator AfterFix None,
        "Install the module that Bitrix24's description names.";
    MethodNotAvailable Unimplemented PortalAdministrator AfterFix None,
        "Install or update the open channels module of the portal.";
    RejectedArgument InvalidArgument CallerDeveloper AfterFix None,
        "Correct the request as Bitrix24's description says.";
    LineNotFound NotFound PortalAdministrator AfterFix None,
        "Join the open channel on the portal with imopenlines.network.join, or correct line_code.";
    LineNotActive FailedPrecondition PortalAdministrator AfterFix None,
        "Activate the open channel on the portal, or correct the line in the request.";
    ConnectorNotAvailable FailedPrecondition PortalAdministrator AfterFix CONNECTORS,
        "Register the connector with the tenant's application and activate it on the line.";
    ExternalUserNotCreated FailedPrecondition PortalAdministrator AfterFix None,
        "Check the external user's id, and whether the portal may create connector users.";
    ChatNotLinked FailedPrecondition CallerDeveloper AfterFix None,
        "Name a chat that is linked to the CRM item.";
    SenderNotInChat FailedPrecondition PortalAdministrator AfterFix None,
        "Add the sender to the chat, or name another sender.";
    PortalObjectNotFound NotFound CallerDeveloper AfterFix None,
        "Check the ids in the request.";
    MessageNotAdded FailedPrecondition PortalAdministrator AfterFix None,
        "Check the chat, the recipient and the portal's settings. Bitrix24's description may say more.";
    MessageRejected FailedPrecondition CallerDeveloper AfterFix None,
        "Correct the message as Bitrix24's texts say.";
    TenantDisabled FailedPrecondition Operator AfterFix None,
        "Enable the tenant with the tenant service.";
    StoreUnavailable Unavailable Operator Safe None,
        "Retry after a moment. If it lasts, check the service's database.";
    AuthorizationServerUnavailable Unavailable Time Safe OAUTH,
        "Retry after a moment. If it lasts, check the network to Bitrix24's authorization server.";
    TenantSealed FailedPrecondition Operator AfterFix None,
        "Put the key that sealed the tenant's secrets back into the keyring, or enter the secrets again.";
    AdministrationNotPermitted PermissionDenied Operator AfterFix None,
        "Set manages_tenants for the caller in the service's settings.";
    TenantNotFound NotFound CallerDeveloper AfterFix None,
        "Check the tenant's name.";
    TenantAlreadyExists AlreadyExists CallerDeveloper AfterFix None,
        "Choose another id, or update the existing tenant.";
    TenantChanged Aborted CallerDeveloper AfterFix None,
        "Read the tenant again, and retry the change with the new etag.";
    QueueFull ResourceExhausted Operator AfterWait LIMITS,
        "Retry after the time in RetryInfo. If it lasts, send less, or raise dispatch.maximum_waiting_calls and its neighbours.";
    WaitExceedsDeadline ResourceExhausted CallerDeveloper AfterWait LIMITS,
        "Retry after the time in RetryInfo, or use a longer deadline. Send background traffic as CALL_PRIORITY_BULK.";
    PortalNotAnswering Unavailable PortalAdministrator AfterWait None,
        "Retry after the time in RetryInfo. If it lasts, check whether the portal works.";
    RequestIdReused FailedPrecondition CallerDeveloper AfterFix None,
        "Generate a new request_id for each call, and reuse it only for retries of that call.";
    ConversationHeld Unavailable PortalAdministrator AfterWait None,
        "Retry after the time in RetryInfo. Other conversations still work. If it lasts, check whether the portal works.";
    CallerShareExceeded ResourceExhausted CallerDeveloper AfterWait None,
        "Retry after the time in RetryInfo, and have fewer calls in progress. If the caller needs more, raise server.shares.maximum_percent or the limits that it is a share of.";
    MethodNotPermitted PermissionDenied Operator AfterFix None,
        "Grant the caller this method in the service's settings (`methods`), or use another caller.";
    CredentialsNotVerifiable Unavailable Operator AfterWait None,
        "Retry after the time in RetryInfo. If it lasts, check the issuer's key set (auth.issuers); the log has the cause.";
    EncodingNotSupported Unimplemented CallerDeveloper AfterFix None,
        "Send requests uncompressed: set no compression in the client.";
    RefusedInFrontOfPortal FailedPrecondition PortalAdministrator AfterFix None,
        "Let requests of this service to /rest/ through in front of the portal: its firewall, its list of addresses, its login. After HTTP 407 the operator of this service checks the proxy (portals.proxy).";
    TooLargeForPortal InvalidArgument CallerDeveloper AfterFix None,
        "Send fewer messages in one call, or shorter ones, or have the limit in front of the portal raised.";
    StreamIdle Unavailable CallerDeveloper Safe None,
        "Open a new stream when there is something to send again, and close your side of one that has nothing more to send.";
};

//! The table of reasons: for each, the status, who has to act, whether a repeat is safe, and what to do.
//!
//! What a reason means stands in error_reason.proto. docs/errors.md is made from both, and a test keeps the three equal.

use tonic::Code;

use crate::api::openlines::v1::ErrorReason as Reason;

/// Who can remove the cause of a failure.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Actor {
    /// Whoever writes the program that made the call.
    CallerDeveloper,
    /// Whoever runs this service.
    Operator,
    /// An administrator of the tenant's portal.
    PortalAdministrator,
    /// The support of Bitrix24.
    Bitrix24Support,
    /// Nobody: it passes with time.
    Nobody,
    /// The developers of this service.
    ServiceDeveloper,
}

impl Actor {
    /// The words for it in docs/errors.md.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::CallerDeveloper => "developer of the caller",
            Self::Operator => "operator of this service",
            Self::PortalAdministrator => "administrator of the portal",
            Self::Bitrix24Support => "Bitrix24's support",
            Self::Nobody => "nobody, it passes",
            Self::ServiceDeveloper => "developers of this service",
        }
    }
}

/// Whether the same call may be made again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Repeat {
    /// Safe at once or after a short wait; it may well succeed.
    Safe,
    /// Safe after the time that `RetryInfo` names.
    AfterWait,
    /// Safe, and useless until the cause is removed.
    AfterFix,
    /// Safe if the outcome in the metadata is `not_executed`, and only then.
    SeeOutcome,
    /// It may deliver the message a second time.
    MayDuplicate,
}

impl Repeat {
    /// The words for it in docs/errors.md.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Safe => "yes",
            Self::AfterWait => "yes, after the time in RetryInfo",
            Self::AfterFix => "yes, but useless until the cause is removed",
            Self::SeeOutcome => "only if `outcome` is `not_executed`",
            Self::MayDuplicate => "no: the message may arrive twice",
        }
    }
}

/// One reason.
#[derive(Clone, Copy, Debug)]
pub struct ReasonRow {
    /// The reason.
    pub reason: Reason,
    /// The status of a call that fails for it.
    pub code: Code,
    /// Who has to act.
    pub actor: Actor,
    /// Whether a repeat is safe.
    pub repeat: Repeat,
    /// What to do, one sentence.
    pub remedy: &'static str,
    /// The page of Bitrix24's documentation that helps.
    pub help: Option<&'static str>,
}

/// The row of a reason.
pub fn row(reason: Reason) -> &'static ReasonRow {
    const UNSPECIFIED: &ReasonRow = &ReasonRow {
        reason: Reason::Unspecified,
        code: Code::Internal,
        actor: Actor::ServiceDeveloper,
        repeat: Repeat::SeeOutcome,
        remedy: "Report the failure with its request id.",
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
    ($($reason:ident $code:ident $actor:ident $repeat:ident $help:expr, $remedy:literal;)*) => {
        &[$(ReasonRow {
            reason: Reason::$reason,
            code: Code::$code,
            actor: Actor::$actor,
            repeat: Repeat::$repeat,
            remedy: $remedy,
            help: $help,
        }),*]
    };
}

/// Every reason, in the order of error_reason.proto.
pub const REASONS: &[ReasonRow] = reasons! {
    InvalidRequest InvalidArgument CallerDeveloper AfterFix None,
        "Correct the fields that BadRequest names.";
    CredentialsMissing Unauthenticated CallerDeveloper AfterFix None,
        "Send the metadata `authorization: Bearer <API key>`.";
    CredentialsInvalid Unauthenticated CallerDeveloper AfterFix None,
        "Send one API key that the operator of this service has entered in its settings.";
    TenantNotPermitted PermissionDenied Operator AfterFix None,
        "Check the tenant's name, or grant the caller this tenant in the service's settings.";
    WrongAuthorizationType FailedPrecondition Operator AfterFix AUTHORIZATION,
        "Give the tenant application (OAuth) credentials.";
    DeadlineBeforeSend DeadlineExceeded CallerDeveloper Safe None,
        "Repeat with a later deadline.";
    Overloaded Unavailable Operator AfterWait None,
        "Repeat after a moment; if it lasts, add replicas or raise server.maximum_concurrent_calls.";
    ShuttingDown Unavailable Nobody Safe None,
        "Repeat: another instance will take the call.";
    Internal Internal ServiceDeveloper SeeOutcome None,
        "Report the failure with its request id; see the outcome before you repeat.";
    OperationNotServed Unimplemented CallerDeveloper AfterFix None,
        "Call an operation of openlines.v1.OpenLinesService.";
    PortalUnreachable Unavailable Operator Safe None,
        "Repeat after a moment; if it lasts, check the portal's address and the network.";
    PortalAddressForbidden FailedPrecondition Operator AfterFix None,
        "Correct the tenant's portal, or add its host to portals.self_hosted.";
    PortalMoved FailedPrecondition Operator AfterFix None,
        "Enter the portal's new address, if it is the same portal's.";
    PortalNotFound FailedPrecondition Operator AfterFix None,
        "Check the tenant's portal address.";
    OutcomeUnknown Unknown CallerDeveloper MayDuplicate None,
        "Do not repeat blindly: look into the portal's chat, or accept a possible second message. A repeat with the same request_id delivers nothing twice, and says the same.";
    AnswerNotUnderstood Unknown ServiceDeveloper MayDuplicate None,
        "Do not repeat: Bitrix24 took the message. Report the failure with its request id.";
    UndocumentedCode Unknown ServiceDeveloper SeeOutcome None,
        "See Bitrix24Error for the code; report it, so that it can be given a meaning.";
    PortalRateLimited ResourceExhausted Nobody AfterWait LIMITS,
        "Wait as long as RetryInfo says.";
    OperatingLimit ResourceExhausted Nobody AfterWait LIMITS,
        "Wait as long as RetryInfo says; other methods of the portal still work.";
    RecipientWeeklyLimit ResourceExhausted Nobody AfterFix None,
        "Send this user no further network message in this week.";
    PortalBlocked FailedPrecondition Bitrix24Support AfterFix LIMITS,
        "Ask Bitrix24's support to lift the block.";
    ReauthorizationRequired FailedPrecondition PortalAdministrator AfterFix OAUTH,
        "Install the application again, or make a new webhook, and enter the new credentials.";
    MissingScope PermissionDenied PortalAdministrator AfterFix SCOPES,
        "Give the application or webhook the scopes imopenlines and imconnector.";
    PortalAccessDenied PermissionDenied PortalAdministrator AfterFix None,
        "Give the user concerned the rights, or the portal the plan, that Bitrix24's description names.";
    MethodNotConfirmed PermissionDenied PortalAdministrator AfterFix None,
        "Allow the method for the application on the portal.";
    PortalNotOperational FailedPrecondition PortalAdministrator AfterFix None,
        "Bring the portal's licence and payment in order.";
    PortalRequiresHttps FailedPrecondition Operator AfterFix None,
        "Enter the portal by its host name, so that it is called through HTTPS.";
    PortalModuleMissing FailedPrecondition PortalAdministrator AfterFix None,
        "Install the module that Bitrix24's description names.";
    MethodNotAvailable Unimplemented PortalAdministrator AfterFix None,
        "Install or update the open channels module of the portal.";
    RejectedArgument InvalidArgument CallerDeveloper AfterFix None,
        "Correct the request as Bitrix24's description says.";
    LineNotFound NotFound PortalAdministrator AfterFix None,
        "Join the open channel on the portal with imopenlines.network.join, or correct line_code.";
    LineNotActive FailedPrecondition PortalAdministrator AfterFix None,
        "Activate the open channel on the portal, or correct the request's line.";
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
        "Check the chat, the recipient and the portal's settings; Bitrix24's description may say more.";
    MessageRejected FailedPrecondition CallerDeveloper AfterFix None,
        "Correct the message as Bitrix24's texts say.";
    TenantDisabled FailedPrecondition Operator AfterFix None,
        "Enable the tenant with the tenant service.";
    StoreUnavailable Unavailable Operator Safe None,
        "Repeat after a moment; if it lasts, check the service's database.";
    AuthorizationServerUnavailable Unavailable Nobody Safe OAUTH,
        "Repeat after a moment; if it lasts, check the way to Bitrix24's authorization server.";
    TenantSealed FailedPrecondition Operator AfterFix None,
        "Put the key that sealed the tenant's secrets back into the keyring, or enter the secrets anew.";
    AdministrationNotPermitted PermissionDenied Operator AfterFix None,
        "Set manages_tenants for the caller in the service's settings.";
    TenantNotFound NotFound CallerDeveloper AfterFix None,
        "Check the tenant's name.";
    TenantAlreadyExists AlreadyExists CallerDeveloper AfterFix None,
        "Choose another id, or update the tenant that exists.";
    TenantChanged Aborted CallerDeveloper AfterFix None,
        "Read the tenant again, and repeat the change with its new etag.";
    QueueFull ResourceExhausted Operator AfterWait LIMITS,
        "Wait as long as RetryInfo says; if it lasts, send less, or raise dispatch.maximum_waiting_calls and its neighbours.";
    WaitExceedsDeadline ResourceExhausted CallerDeveloper AfterWait LIMITS,
        "Wait as long as RetryInfo says, or give the call more time; give what nobody waits for CALL_PRIORITY_BULK.";
    PortalNotAnswering Unavailable PortalAdministrator AfterWait None,
        "Wait as long as RetryInfo says; if it lasts, see whether the portal works.";
    RequestIdReused AlreadyExists CallerDeveloper AfterFix None,
        "Draw a new request_id for each call, and keep it for the attempts at this call only.";
};

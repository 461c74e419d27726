//! Every failure that a caller can get, and the only place that makes a `tonic::Status`.
//!
//! Each part of the service has its own error type. [`Error`] collects them, and
//! [`Error::into_failure`] gives each a reason from the [table of reasons](reason); Bitrix24's
//! codes have theirs in the [table of codes](code). A [`Failure`] becomes the status of a call with
//! all details, or that of one message of a call.

mod administration;
mod catalogue;
mod code;
mod failure;
mod from_authorization;
mod from_call;
mod from_dispatch;
mod from_tenant;
mod interrupted;
#[cfg(test)]
mod page;
pub(crate) mod reason;
mod retry;
mod source;
mod watched;

use std::time::Duration;

use prost::Message;
use tonic::Status;

pub(crate) use self::administration::Administration;
pub(crate) use self::catalogue::catalogue;
pub(crate) use self::failure::Failure;
pub(crate) use self::interrupted::Interruption;
pub(crate) use self::source::error_source;
pub(crate) use self::watched::watched_ends;
use crate::api::openlines::v1::ErrorReason as Reason;
use crate::auth::Rejected;
use crate::call::CallIdentity;
use crate::check::Violations;
use crate::dispatch::{DispatchError, NotAdmitted, SendError};
use crate::tenant::{AccessError, ResolveError};
use bitrix24::{CallError, OAuthError, Outcome};

/// Why a call, or one message of a call, fails.
#[derive(Clone, Debug, thiserror::Error)]
pub(crate) enum Error {
    /// The request breaks rules.
    #[error("the request breaks {} rules", .0.found())]
    InvalidRequest(Violations),
    /// The caller's own credentials are not accepted.
    #[error(transparent)]
    Caller(#[from] Rejected),
    /// The caller may not call the method.
    #[error("the caller may not call the method")]
    MethodNotPermitted,
    /// The tenant does not exist, is not the caller's, or cannot be used.
    #[error(transparent)]
    Tenant(#[from] ResolveError),
    /// The tenant's portal cannot be opened.
    #[error(transparent)]
    Access(#[from] AccessError),
    /// The operation needs application credentials and the tenant has a webhook.
    #[error("the tenant has a webhook, and the operation needs an application")]
    ApplicationRequired,
    /// The call may not be sent now.
    #[error(transparent)]
    NotAdmitted(#[from] NotAdmitted),
    /// The call to the portal failed.
    #[error(transparent)]
    Call(#[from] CallError),
    /// Bitrix24 refused the call, and the time of a useful retry is known.
    #[error("{refusal}")]
    Later {
        refusal: CallError,
        /// How long to wait.
        retry_after: Duration,
    },
    /// Bitrix24 refused one message of the call.
    #[error("Bitrix24 refused the message")]
    MessageRejected {
        /// The HTTP status of the response.
        http_status: u16,
        /// Bitrix24's texts.
        texts: Vec<String>,
    },
    /// Bitrix24's response has no result for one message of the call.
    #[error("Bitrix24's response has no result for the message")]
    ResultMissing,
    /// Bitrix24 reported success without the documented result.
    #[error("Bitrix24 reported success without the documented result")]
    AnswerNotUnderstood,
    /// The service itself failed.
    #[error("the service failed")]
    Internal {
        /// What is known of the call's outcome.
        outcome: Outcome,
    },
    /// Too many calls are in progress, or their requests are too large together.
    #[error("too many calls in progress")]
    Overloaded,
    /// The caller has its share of calls in progress, or of the memory for requests.
    #[error("the caller has its share of the calls in progress")]
    ShareExceeded,
    /// The request is compressed.
    #[error("the request is compressed")]
    EncodingNotSupported,
    /// The service is stopping.
    #[error("the service is stopping")]
    ShuttingDown,
    /// A stream has brought nothing for a while.
    #[error("the stream is idle")]
    StreamIdle,
    /// There is no such operation.
    #[error("there is no such operation")]
    OperationNotServed,
    /// Managing tenants failed.
    #[error(transparent)]
    Administration(#[from] Administration),
    /// The authorization server did not describe an access token.
    #[error(transparent)]
    Authorization(#[from] OAuthError),
}

/// The service failed before anything was sent.
pub(crate) const NOT_SENT: Error = Error::Internal {
    outcome: Outcome::NotExecuted,
};

impl Error {
    /// The request has more than so many bytes.
    pub(crate) fn too_large(maximum_bytes: usize) -> Self {
        let description = format!("the request is larger than {maximum_bytes} bytes; split it");
        Self::of_the_request("REQUEST_TOO_LARGE", description)
    }

    /// The request is not the message that it should be.
    pub(crate) fn not_decodable() -> Self {
        let description = "cannot decode the request as this operation's message type; check that your stubs are current";
        Self::of_the_request("REQUEST_NOT_DECODABLE", description)
    }

    fn of_the_request(rule: &'static str, description: impl Into<String>) -> Self {
        let mut violations = Violations::default();
        violations.add("", rule, description);
        Self::InvalidRequest(violations)
    }

    /// The failure as reported to the caller.
    pub(crate) fn into_failure(self, call: &CallIdentity) -> Failure {
        match self {
            Self::InvalidRequest(violations) => invalid_request(violations),
            Self::Caller(rejected) => {
                let reason = match rejected {
                    Rejected::Missing | Rejected::OtherHeader => Reason::CredentialsMissing,
                    Rejected::KeySetUnavailable => Reason::CredentialsNotVerifiable,
                    Rejected::Malformed(_)
                    | Rejected::Unknown
                    | Rejected::KeyExpired
                    | Rejected::DuplicateHeader
                    | Rejected::TokenNotAccepted
                    | Rejected::SigningKeyUnknown
                    | Rejected::TokenExpired
                    | Rejected::TokenNotYetValid
                    | Rejected::WrongAudience
                    | Rejected::ClaimMissing
                    | Rejected::SubjectUnknown
                    | Rejected::CertificateUnknown
                    | Rejected::CertificateExpired => Reason::CredentialsInvalid,
                };
                Failure::of_facade(reason, rejected.to_string())
            }
            Self::MethodNotPermitted => Failure::of_facade(
                Reason::MethodNotPermitted,
                "the caller may not call this method; nothing was sent",
            ),
            Self::Tenant(error) => from_tenant::unresolved(error),
            Self::Access(error) => from_tenant::not_opened(error),
            Self::NotAdmitted(why) => from_dispatch::not_admitted(why),
            Self::ApplicationRequired => Failure::of_facade(
                Reason::WrongAuthorizationType,
                "the operation needs application (OAuth) credentials, and the tenant has a webhook; nothing was sent",
            ),
            Self::Call(error) => from_call::failure(error, call.method),
            Self::Later {
                refusal,
                retry_after,
            } => Failure {
                retry_delay: Some(retry_after),
                ..from_call::failure(refusal, call.method)
            },
            Self::MessageRejected { http_status, texts } => {
                from_call::message_rejected(http_status, &texts, call.method)
            }
            Self::ResultMissing => {
                from_call::outcome_unknown("Bitrix24's response has no result for it")
            }
            Self::AnswerNotUnderstood => from_call::answer_not_understood(),
            Self::Internal { outcome } => Failure {
                outcome,
                ..Failure::of_facade(
                    Reason::Internal,
                    "the service failed; its log has the cause",
                )
            },
            Self::Overloaded => Failure::of_facade(
                Reason::Overloaded,
                "too many calls in progress, or their requests are too large together; nothing was sent",
            ),
            Self::ShareExceeded => Failure::of_facade(
                Reason::CallerShareExceeded,
                "the caller has too many calls in progress, or their requests are too large together; nothing was sent",
            ),
            Self::EncodingNotSupported => Failure::of_facade(
                Reason::EncodingNotSupported,
                "compressed requests are not accepted; send the request uncompressed",
            ),
            Self::ShuttingDown => Failure::of_facade(
                Reason::ShuttingDown,
                "this instance is shutting down; nothing was sent",
            ),
            Self::StreamIdle => Failure::of_facade(
                Reason::StreamIdle,
                "the stream had no items for as long as it may be idle; all that was read is answered",
            ),
            Self::OperationNotServed => {
                Failure::of_facade(Reason::OperationNotServed, "there is no such operation")
            }
            Self::Administration(error) => administration::failure(error),
            Self::Authorization(error) => from_authorization::failure(&error, "app.info"),
        }
    }
}

impl From<SendError> for Error {
    fn from(error: SendError) -> Self {
        match error {
            SendError::Call(error) => Self::Call(error),
            SendError::Access(error) => Self::Access(error),
            SendError::Later {
                refusal,
                retry_after,
            } => Self::Later {
                refusal,
                retry_after,
            },
            SendError::Crashed { outcome } => Self::Internal { outcome },
        }
    }
}

impl From<DispatchError> for Error {
    fn from(error: DispatchError) -> Self {
        match error {
            DispatchError::NotAdmitted(why) => Self::NotAdmitted(why),
            DispatchError::Send(error) => error.into(),
        }
    }
}

fn invalid_request(violations: Violations) -> Failure {
    let found = violations.found();
    let first = violations.kept().first().map_or_else(String::new, |first| {
        let place = if first.field.is_empty() {
            String::new()
        } else {
            format!("{}: ", first.field)
        };
        format!("{place}{}", first.description)
    });
    let message = if found > 1 {
        format!("invalid request: {found} violations; the first: {first}")
    } else {
        format!("invalid request: {first}")
    };
    Failure {
        violations,
        ..Failure::of_facade(Reason::InvalidRequest, message)
    }
}

/// The error behind a status that the gRPC library made, if it is one of these kinds.
///
/// The library reports messages that are too large as `OUT_OF_RANGE` or `RESOURCE_EXHAUSTED` and
/// messages that it cannot decode as `INTERNAL`; the caller must fix all three.
pub(crate) fn translate(status: &Status, maximum_request_bytes: usize) -> Option<Error> {
    use tonic::Code;
    let code = status.code();
    if matches!(code, Code::OutOfRange | Code::ResourceExhausted) {
        return Some(Error::too_large(maximum_request_bytes));
    }
    if matches!(code, Code::Internal | Code::InvalidArgument) {
        return Some(Error::not_decodable());
    }
    (code == Code::Unimplemented).then_some(Error::OperationNotServed)
}

/// Whether a message of a call failed because nobody knows what became of it.
pub(crate) fn is_unknown(message: &tonic_types::pb::Status) -> bool {
    message.code == i32::from(tonic::Code::Unknown)
}

/// A status as a message, with the same details.
pub(crate) fn rpc_status(status: &Status) -> tonic_types::pb::Status {
    let details = tonic_types::pb::Status::decode(status.details());
    details
        .ok()
        .filter(|details| details.code == i32::from(status.code()))
        .unwrap_or_else(|| tonic_types::pb::Status {
            code: status.code().into(),
            message: status.message().to_owned(),
            details: Vec::new(),
        })
}

/// Reads a status that the gRPC library has already put into response headers.
pub(crate) fn status_in_headers(headers: &http::HeaderMap) -> Option<Status> {
    Status::from_header_map(headers).filter(|status| status.code() != tonic::Code::Ok)
}

/// The name of a failure's status code in response headers; `None` without a failure.
pub(crate) fn code_in_headers(headers: &http::HeaderMap) -> Option<&'static str> {
    let code = tonic::Code::from_bytes(headers.get("grpc-status")?.as_bytes());
    (code != tonic::Code::Ok).then(|| code_name(code))
}

/// The name of a status code in logs, in UPPER_SNAKE_CASE.
pub fn code_name(code: tonic::Code) -> &'static str {
    use tonic::Code;
    match code {
        Code::Ok => "OK",
        Code::Cancelled => "CANCELLED",
        Code::Unknown => "UNKNOWN",
        Code::InvalidArgument => "INVALID_ARGUMENT",
        Code::DeadlineExceeded => "DEADLINE_EXCEEDED",
        Code::NotFound => "NOT_FOUND",
        Code::AlreadyExists => "ALREADY_EXISTS",
        Code::PermissionDenied => "PERMISSION_DENIED",
        Code::ResourceExhausted => "RESOURCE_EXHAUSTED",
        Code::FailedPrecondition => "FAILED_PRECONDITION",
        Code::Aborted => "ABORTED",
        Code::OutOfRange => "OUT_OF_RANGE",
        Code::Unimplemented => "UNIMPLEMENTED",
        Code::Internal => "INTERNAL",
        Code::Unavailable => "UNAVAILABLE",
        Code::DataLoss => "DATA_LOSS",
        Code::Unauthenticated => "UNAUTHENTICATED",
    }
}

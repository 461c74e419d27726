//! A failure with everything reported to the caller, and its form on the wire.

use std::time::Duration;

use jiff::Timestamp;
use prost::Message;
use prost_types::Any;
use tonic::metadata::{MetadataMap, MetadataValue};
use tonic::{Code, Status};
use tonic_types::pb;

use super::reason::{ReasonRow, row};
use super::retry;
use crate::api::openlines::v1::{Bitrix24Error, ErrorReason as Reason};
use crate::call::{CallContext, CallIdentity};
use crate::check::Violations;
use crate::dispatch::WeeklyLimit;
use bitrix24::{Outcome, TenantId};

/// The domain of every `ErrorInfo` of this service.
const DOMAIN: &str = "openlines.bitrix24";

/// The metadata that tells gRPC clients how long to wait before a retry (gRFC A6), in milliseconds.
const RETRY_PUSHBACK: &str = "grpc-retry-pushback-ms";

/// Who decided that the call fails.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Source {
    Facade,
    Bitrix24,
}

/// A failure, ready to be reported.
#[derive(Clone, Debug)]
pub(crate) struct Failure {
    pub(super) reason: Reason,
    pub(super) source: Source,
    pub(super) outcome: Outcome,
    pub(super) message: String,
    pub(super) timed_out: bool,
    pub(super) bitrix24: Option<Bitrix24Error>,
    pub(super) violations: Violations,
    /// How long to wait before a retry, if known better than for the reason in general.
    pub(super) retry_delay: Option<Duration>,
    /// The service's own record of the recipient's week.
    pub(super) weekly_limit: Option<WeeklyLimit>,
}

impl Failure {
    pub(super) fn of_facade(reason: Reason, message: impl Into<String>) -> Self {
        Self {
            reason,
            source: Source::Facade,
            outcome: Outcome::NotExecuted,
            message: message.into(),
            timed_out: false,
            bitrix24: None,
            violations: Violations::default(),
            retry_delay: None,
            weekly_limit: None,
        }
    }

    /// Why the call failed.
    pub(crate) fn reason(&self) -> Reason {
        self.reason
    }

    /// What happened, in a sentence.
    pub(crate) fn message(&self) -> &str {
        &self.message
    }

    /// The same failure of a trial, which has no effect whatever became of it.
    pub(crate) fn of_a_trial(self, message: String) -> Self {
        Self {
            outcome: Outcome::NotExecuted,
            message,
            ..self
        }
    }

    /// Bitrix24's code as received, if it refused.
    pub(crate) fn bitrix24_code(&self) -> Option<&str> {
        self.bitrix24.as_ref().map(|error| error.code.as_str())
    }

    /// Notes the failure for the call's log line.
    pub(crate) fn note(&self, context: &CallContext) {
        context.note_failure(
            self.reason.as_str_name(),
            self.outcome,
            self.bitrix24_code(),
        );
    }

    /// How long to wait before a retry, if the cause passes with time.
    fn retry_delay(&self) -> Option<Duration> {
        self.retry_delay.or_else(|| retry::delay(self.reason))
    }

    /// The name of its status code.
    pub(crate) fn code_name(&self) -> &'static str {
        super::code_name(self.code())
    }

    fn code(&self) -> Code {
        if self.timed_out {
            Code::DeadlineExceeded
        } else {
            row(self.reason).code
        }
    }

    /// The status of a call that failed.
    pub(crate) fn into_status(self, call: &CallIdentity) -> Status {
        let code = self.code();
        let pushback = matches!(code, Code::ResourceExhausted | Code::Unavailable)
            .then(|| self.retry_delay())
            .flatten();
        let details = self.to_rpc_status(call).encode_to_vec();
        let mut metadata = MetadataMap::new();
        if let Some(delay) = pushback {
            let delay = u64::try_from(delay.as_millis()).unwrap_or(u64::MAX);
            metadata.insert(RETRY_PUSHBACK, MetadataValue::from(delay));
        }
        Status::with_details_and_metadata(code, self.message, details.into(), metadata)
    }

    /// The status of one message of a call.
    pub(crate) fn to_rpc_status(&self, call: &CallIdentity) -> pb::Status {
        pb::Status {
            code: self.code().into(),
            message: self.message.clone(),
            details: self.details(call),
        }
    }

    fn details(&self, call: &CallIdentity) -> Vec<Any> {
        let row = row(self.reason);
        let mut details = vec![
            any(&self.error_info(call)),
            any(&pb::RequestInfo {
                request_id: call.call_id.to_string(),
                serving_data: String::new(),
            }),
        ];
        if let Some(error) = &self.bitrix24 {
            details.push(any(error));
        }
        if !self.violations.is_empty() {
            details.push(any(&self.bad_request()));
        }
        if let Some(delay) = self.retry_delay() {
            let retry_delay = prost_types::Duration::try_from(delay).ok();
            details.push(any(&pb::RetryInfo { retry_delay }));
        }
        if matches!(self.reason, Reason::LineNotFound | Reason::LineNotActive) {
            details.push(any(&pb::ResourceInfo {
                resource_type: "openlines.bitrix24/Line".to_owned(),
                resource_name: call.line.clone().unwrap_or_default(),
                owner: tenant_name(call),
                description: row.remedy.to_owned(),
            }));
        }
        if matches!(
            self.reason,
            Reason::TenantNotFound | Reason::TenantAlreadyExists
        ) {
            details.push(any(&pb::ResourceInfo {
                resource_type: "openlines.bitrix24/Tenant".to_owned(),
                resource_name: tenant_name(call),
                owner: String::new(),
                description: row.remedy.to_owned(),
            }));
        }
        details.extend(self.by_status(row, call));
        if let Some(url) = row.help {
            let link = pb::help::Link {
                description: "Bitrix24's documentation".to_owned(),
                url: url.to_owned(),
            };
            details.push(any(&pb::Help { links: vec![link] }));
        }
        details
    }

    fn error_info(&self, call: &CallIdentity) -> pb::ErrorInfo {
        let source = match self.source {
            Source::Facade => "facade",
            Source::Bitrix24 => "bitrix24",
        };
        let mut metadata = vec![
            ("errorSource".to_owned(), source.to_owned()),
            ("outcome".to_owned(), self.outcome.as_str().to_owned()),
        ];
        let limit = self.weekly_limit;
        let known = [
            ("tenantId", call.tenant_id.as_ref().map(TenantId::to_string)),
            (
                "bitrix24Method",
                call.method.map(|method| method.name().to_owned()),
            ),
            ("bitrix24Code", self.bitrix24_code().map(str::to_owned)),
            ("acceptedTime", limit.map(|limit| time(limit.accepted_at))),
            ("guardedUntil", limit.map(|limit| time(limit.until))),
        ];
        metadata.extend(
            known
                .into_iter()
                .filter_map(|(k, v)| Some((k.to_owned(), v?))),
        );
        pb::ErrorInfo {
            reason: self.reason.as_str_name().to_owned(),
            domain: DOMAIN.to_owned(),
            metadata: metadata.into_iter().collect(),
        }
    }

    fn bad_request(&self) -> pb::BadRequest {
        let field_violations =
            self.violations
                .kept()
                .iter()
                .map(|violation| pb::bad_request::FieldViolation {
                    field: violation.field.clone(),
                    description: violation.description.clone(),
                    reason: violation.rule.to_owned(),
                    localized_message: None,
                });
        pb::BadRequest {
            field_violations: field_violations.collect(),
        }
    }

    /// The detail that follows from the status: the violated precondition, or the exceeded quota.
    fn by_status(&self, row: &ReasonRow, call: &CallIdentity) -> Option<Any> {
        let tenant = tenant_name(call);
        let kind = self
            .reason
            .as_str_name()
            .trim_start_matches("ERROR_REASON_")
            .to_owned();
        if row.code == Code::FailedPrecondition {
            let violation = pb::precondition_failure::Violation {
                r#type: kind,
                subject: tenant,
                description: row.remedy.to_owned(),
            };
            return Some(any(&pb::PreconditionFailure {
                violations: vec![violation],
            }));
        }
        if row.code == Code::ResourceExhausted {
            let violation = pb::quota_failure::Violation {
                subject: tenant,
                description: row.remedy.to_owned(),
                ..Default::default()
            };
            return Some(any(&pb::QuotaFailure {
                violations: vec![violation],
            }));
        }
        None
    }
}

/// A time in UTC, to the second.
pub(super) fn time(at: Timestamp) -> String {
    format!("{at:.0}")
}

/// The tenant as the subject of a detail.
fn tenant_name(call: &CallIdentity) -> String {
    format!(
        "tenants/{}",
        call.tenant_id.as_ref().map_or("-", TenantId::as_str)
    )
}

fn any<M: Message + TypeName>(message: &M) -> Any {
    Any {
        type_url: format!("type.googleapis.com/{}", M::TYPE_NAME),
        value: message.encode_to_vec(),
    }
}

/// The full name of a detail's type: the generated types of google.rpc lack it.
trait TypeName {
    const TYPE_NAME: &'static str;
}

macro_rules! type_names {
    ($($message:ty => $name:literal;)*) => {
        $(impl TypeName for $message { const TYPE_NAME: &'static str = $name; })*
    };
}

type_names! {
    Bitrix24Error => "openlines.v1.Bitrix24Error";
    pb::BadRequest => "google.rpc.BadRequest";
    pb::ErrorInfo => "google.rpc.ErrorInfo";
    pb::Help => "google.rpc.Help";
    pb::PreconditionFailure => "google.rpc.PreconditionFailure";
    pb::QuotaFailure => "google.rpc.QuotaFailure";
    pb::RequestInfo => "google.rpc.RequestInfo";
    pb::ResourceInfo => "google.rpc.ResourceInfo";
    pb::RetryInfo => "google.rpc.RetryInfo";
}

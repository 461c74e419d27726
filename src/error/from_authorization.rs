//! The failure of a request to an authorization server, as reported to the caller.

use super::code::{self, Scope};
use super::failure::Failure;
use super::from_call::{self, DESCRIPTION_BYTES, QUOTED_BYTES, cut};
use crate::api::openlines::v1::{Bitrix24Error, ErrorReason as Reason};
use bitrix24::{Consequence, OAuthError, OAuthRefusal, Outcome};

/// The failure of a request for `method`, which may be a path.
pub(super) fn failure(error: &OAuthError, method: &str) -> Failure {
    match error {
        OAuthError::NotSent(_)
        | OAuthError::Unanswered(_)
        | OAuthError::Limited { .. }
        | OAuthError::RefusedInFront(_) => Failure {
            retry_delay: error.pause(),
            ..from_call::of_bitrix24(
                Reason::AuthorizationServerUnavailable,
                Outcome::NotExecuted,
                format!("{error}; nothing was sent to the portal"),
            )
        },
        OAuthError::Refused(refusal) => refused(refusal, method),
    }
}

fn refused(refusal: &OAuthRefusal, method: &str) -> Failure {
    let reason = match refusal.consequence() {
        Consequence::RetryLater => Reason::AuthorizationServerUnavailable,
        Consequence::GrantInvalid | Consequence::NeedsReauthorization => {
            Reason::ReauthorizationRequired
        }
    };
    let code = &refusal.code;
    let message = match cut(&refusal.description, QUOTED_BYTES) {
        "" => format!("the authorization server refused {method} with {code}"),
        quoted => format!("the authorization server refused {method} with {code}: {quoted}"),
    };
    let meaning = refusal
        .documented
        .and_then(|code| code::in_scope(Scope::System, code));
    Failure {
        retry_delay: refusal
            .retry_after
            .filter(|_| reason == Reason::AuthorizationServerUnavailable),
        bitrix24: Some(Bitrix24Error {
            method: method.to_owned(),
            http_status: refusal.http_status.into(),
            code: code.clone(),
            description: cut(&refusal.description, DESCRIPTION_BYTES).to_owned(),
            documented_code: meaning.map(|meaning| meaning.documented),
        }),
        ..from_call::of_bitrix24(reason, Outcome::NotExecuted, message)
    }
}

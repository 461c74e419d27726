//! From a refused or unanswered request to an authorization server to what the caller is told.

use super::code;
use super::failure::Failure;
use super::from_call::{self, DESCRIPTION_BYTES, QUOTED_BYTES, cut};
use crate::api::openlines::v1::{Bitrix24Error, ErrorReason as Reason};
use bitrix24::{Consequence, OAuthError, OAuthRefusal, Outcome};

/// Why the question `asked`, a method or a path, was not answered.
pub(super) fn failure(error: &OAuthError, asked: &str) -> Failure {
    match error {
        OAuthError::NotSent(_) | OAuthError::Unanswered(_) => from_call::of_bitrix24(
            Reason::AuthorizationServerUnavailable,
            Outcome::NotExecuted,
            format!("{error}; nothing was sent to the portal"),
        ),
        OAuthError::Refused(refusal) => refused(refusal, asked),
    }
}

fn refused(refusal: &OAuthRefusal, asked: &str) -> Failure {
    let reason = match refusal.consequence() {
        Consequence::RetryLater => Reason::AuthorizationServerUnavailable,
        Consequence::GrantInvalid | Consequence::NeedsReauthorization => {
            Reason::ReauthorizationRequired
        }
    };
    let code = &refusal.code;
    let message = match cut(&refusal.description, QUOTED_BYTES) {
        "" => format!("the authorization server refused {asked} with {code}"),
        quoted => format!("the authorization server refused {asked} with {code}: {quoted}"),
    };
    let documented = code::SYSTEM.iter().find(|row| refusal.is(row.code));
    Failure {
        bitrix24: Some(Bitrix24Error {
            method: asked.to_owned(),
            http_status: refusal.http_status.into(),
            code: code.clone(),
            description: cut(&refusal.description, DESCRIPTION_BYTES).to_owned(),
            documented_code: documented.map(|row| row.documented),
        }),
        ..from_call::of_bitrix24(reason, Outcome::NotExecuted, message)
    }
}

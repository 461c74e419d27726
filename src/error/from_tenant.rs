//! The failure of a call whose tenant or portal access cannot be used, as reported to the caller.

use super::code::{self, Scope};
use super::failure::{Failure, Source};
use super::from_call;
use crate::api::openlines::v1::{Bitrix24Error, ErrorReason as Reason};
use crate::tenant::{AccessError, OUR_CAUSES, ResolveError, Unusable};
use bitrix24::{ErrorCode, Outcome};

/// The method in `Bitrix24Error` if the authorization server refused.
const TOKEN_REQUEST: &str = "oauth/token";

pub(super) fn unresolved(error: ResolveError) -> Failure {
    match error {
        ResolveError::NotPermitted => Failure::of_facade(
            Reason::TenantNotPermitted,
            "the tenant does not exist, or the caller may not act for it",
        ),
        ResolveError::Unusable(unusable) => unusable_tenant(unusable),
        ResolveError::StoreUnavailable => store_unavailable(),
    }
}

pub(super) fn not_opened(error: AccessError) -> Failure {
    match error {
        AccessError::ReauthorizationRequired { cause } => reauthorization_required(&cause),
        AccessError::NotRefreshable => Failure::of_facade(
            Reason::ReauthorizationRequired,
            "the tenant's access token has expired, and there is no refresh token or application to \
             refresh it with; nothing was sent",
        ),
        AccessError::AuthorizationServerUnavailable {
            failure,
            retry_after,
        } => Failure {
            source: Source::Bitrix24,
            retry_delay: retry_after,
            ..Failure::of_facade(
                Reason::AuthorizationServerUnavailable,
                format!(
                    "could not refresh or confirm the portal access: {failure}; nothing was executed"
                ),
            )
        },
        AccessError::StoreUnavailable => store_unavailable(),
        AccessError::Gone => unresolved(ResolveError::NotPermitted),
        AccessError::Unusable(unusable) => unusable_tenant(unusable),
        AccessError::DeadlinePassed => Failure::of_facade(
            Reason::DeadlineBeforeSend,
            "the deadline passed before the tenant's portal access was ready; nothing was executed",
        ),
        AccessError::Crashed => Failure {
            outcome: Outcome::NotExecuted,
            ..Failure::of_facade(
                Reason::Internal,
                "the service failed to refresh the tenant's access token; its log has the cause",
            )
        },
        error @ AccessError::MoveRefused { .. } => Failure {
            source: Source::Bitrix24,
            ..Failure::of_facade(
                Reason::PortalMoved,
                format!("{error}; nothing was executed"),
            )
        },
    }
}

fn reauthorization_required(cause: &str) -> Failure {
    // INVALID_REQUEST is another code at a portal: there it asks for HTTPS.
    let documented = ErrorCode::parse(cause)
        .filter(|code| *code != ErrorCode::InvalidRequest)
        .and_then(|code| code::in_scope(Scope::System, code))
        .map(|meaning| meaning.documented);
    let message = format!(
        "could not refresh the tenant's access token ({cause}); someone must reauthorize the service; \
         nothing was sent"
    );
    let is_our_own_word = documented.is_none() && OUR_CAUSES.contains(&cause);
    let bitrix24 = (!is_our_own_word).then(|| Bitrix24Error {
        method: TOKEN_REQUEST.to_owned(),
        http_status: 0,
        code: from_call::cut(cause, from_call::CODE_BYTES).to_owned(),
        description: String::new(),
        documented_code: documented,
    });
    Failure {
        source: Source::Bitrix24,
        bitrix24,
        ..Failure::of_facade(Reason::ReauthorizationRequired, message)
    }
}

fn unusable_tenant(unusable: Unusable) -> Failure {
    let reason = match unusable {
        Unusable::Disabled => Reason::TenantDisabled,
        Unusable::Portal(_) | Unusable::AuthorizationServer(_) => Reason::PortalAddressForbidden,
        Unusable::Sealed => Reason::TenantSealed,
        Unusable::Unreadable => Reason::Internal,
    };
    Failure::of_facade(reason, format!("{unusable}; nothing was sent"))
}

pub(super) fn store_unavailable() -> Failure {
    Failure::of_facade(
        Reason::StoreUnavailable,
        "the service's database did not respond; nothing was sent",
    )
}

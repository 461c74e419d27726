//! Why a tenant has no usable credential.

use std::time::Duration;

use thiserror::Error;

use super::singleflight::NoOutcome;
use crate::tenant::record::Unusable;
use bitrix24::InvalidPortal;

/// Why a tenant has no usable credential. Nothing was sent to its portal.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum AccessError {
    /// Someone must reauthorize the service.
    #[error(
        "could not refresh the tenant's access token ({cause}); someone must reauthorize the service"
    )]
    ReauthorizationRequired {
        /// The authorization server's code or our own.
        cause: String,
    },
    /// The token has expired and cannot be refreshed.
    #[error(
        "the tenant's access token has expired, and it has no refresh token or application to refresh it"
    )]
    NotRefreshable,
    /// The authorization server was unreachable or sent an invalid response.
    #[error("the authorization server did not refresh the tenant's access token: {failure}")]
    AuthorizationServerUnavailable {
        /// The failure.
        failure: String,
        /// How long it asks to wait.
        retry_after: Option<Duration>,
    },
    #[error("the store is unavailable")]
    StoreUnavailable,
    #[error("the tenant was deleted")]
    Gone,
    #[error(transparent)]
    Unusable(#[from] Unusable),
    #[error("the deadline passed while waiting for the tenant's new access token")]
    DeadlinePassed,
    /// A bug.
    #[error("the refresh crashed")]
    Crashed,
    /// The portal's redirect was not followed.
    #[error("did not follow the portal's redirect to {new_address}: {reason}")]
    MoveRefused {
        /// The address without path or query, or words if it cannot be parsed.
        new_address: String,
        reason: MoveRefused,
    },
}

/// Why a portal's redirect was not followed.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum MoveRefused {
    #[error("the redirect has no valid address")]
    Unreadable,
    /// The operator's settings do not allow it.
    #[error("the new address {0}")]
    NotAllowed(#[from] InvalidPortal),
    /// Only an application's token lets the authorization server confirm the address.
    #[error("a webhook has no authorization server that could confirm it")]
    Webhook,
    #[error("the authorization server returned another address for the portal")]
    OtherAddress,
    #[error("the authorization server returned another portal (member_id)")]
    OtherPortal,
    #[error("the authorization server did not confirm it because the token has expired")]
    TokenExpired,
    #[error("the authorization server did not confirm it ({0})")]
    Unconfirmed(String),
}

impl MoveRefused {
    pub(super) fn of(self, new_address: &str) -> AccessError {
        AccessError::MoveRefused {
            new_address: new_address.to_owned(),
            reason: self,
        }
    }
}

impl AccessError {
    /// Whether a retry may succeed soon.
    pub(super) fn is_transient(&self) -> bool {
        match self {
            Self::AuthorizationServerUnavailable { .. }
            | Self::StoreUnavailable
            | Self::Crashed => true,
            Self::ReauthorizationRequired { .. }
            | Self::NotRefreshable
            | Self::Gone
            | Self::Unusable(_)
            | Self::DeadlinePassed
            | Self::MoveRefused { .. } => false,
        }
    }
}

impl From<NoOutcome> for AccessError {
    fn from(error: NoOutcome) -> Self {
        match error {
            NoOutcome::DeadlinePassed => Self::DeadlinePassed,
            NoOutcome::Crashed => Self::Crashed,
        }
    }
}

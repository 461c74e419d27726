//! Why a portal cannot be opened.

use thiserror::Error;

use super::singleflight::NoOutcome;
use crate::tenant::record::Unusable;
use bitrix24::InvalidPortal;

/// Why a tenant has no credential that can be used now. Nothing was sent to its portal.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum AccessError {
    /// A person has to authorize the service anew.
    #[error(
        "the tenant's access was not refreshed ({cause}); a person has to authorize the service anew"
    )]
    ReauthorizationRequired {
        /// The authorization server's code, or our own word.
        cause: String,
    },
    /// The token has expired, and there is nothing to refresh it with.
    #[error(
        "the tenant's access token has expired, and there is no refresh token and application to refresh it with"
    )]
    NotRefreshable,
    /// The authorization server did not answer, or not in a way that can be understood.
    #[error(
        "the tenant's access token has to be refreshed, and the authorization server did not help: {failure}"
    )]
    AuthorizationServerUnavailable {
        /// What happened.
        failure: String,
    },
    /// The store did not answer.
    #[error("the store does not answer")]
    StoreUnavailable,
    /// The tenant was deleted meanwhile.
    #[error("the tenant was deleted")]
    Gone,
    /// The tenant was changed meanwhile so that it cannot be used.
    #[error(transparent)]
    Unusable(#[from] Unusable),
    /// The deadline passed while waiting for the new token.
    #[error("the deadline passed while the tenant's access token was being refreshed")]
    DeadlinePassed,
    /// A fault of the program.
    #[error("the refresh crashed")]
    Crashed,
    /// The portal has redirected to an address that is not followed.
    #[error("the portal answers under {new_address}, which is not followed: {reason}")]
    MoveRefused {
        /// The address, without path or query; or words if it cannot be read.
        new_address: String,
        /// Why.
        reason: MoveRefused,
    },
}

/// Why the new address of a portal is not followed.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum MoveRefused {
    /// The redirect names no address that can be read.
    #[error("the redirect names no address that can be read")]
    Unreadable,
    /// The operator's settings do not allow it.
    #[error("the new address {0}")]
    NotAllowed(#[from] InvalidPortal),
    /// Only an application can ask the authorization server about its portal.
    #[error("a webhook has no authorization server that could confirm it")]
    Webhook,
    /// The authorization server names another address for the tenant's portal.
    #[error("the authorization server names another address for the portal")]
    OtherAddress,
    /// The authorization server says that the token belongs to another portal.
    #[error("the authorization server names another portal (member_id)")]
    OtherPortal,
    /// The authorization server tells nothing to a token that has expired.
    #[error("the authorization server did not confirm it, because the token has expired")]
    TokenExpired,
    /// The authorization server refused to tell.
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
    /// Whether the same may succeed in a moment.
    pub(super) fn passes(&self) -> bool {
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
    fn from(not_landed: NoOutcome) -> Self {
        match not_landed {
            NoOutcome::DeadlinePassed => Self::DeadlinePassed,
            NoOutcome::Crashed => Self::Crashed,
        }
    }
}

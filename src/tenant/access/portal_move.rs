//! Follows a portal to a new address after Bitrix24 responded with a redirect.
//!
//! A redirect alone proves nothing: an attacker in the portal's place could redirect our token to
//! itself. So we ask the authorization server, which is known, for the address of the token's
//! portal.

use std::sync::Arc;

use secrecy::SecretString;
use tokio::time::Instant;

use super::error::{AccessError, MoveRefused};
use super::{Opened, Parts};
use crate::audit::{self, Action, Actor};
use crate::metrics::PortalMoveEnd;
use crate::tenant::record::Record;
use bitrix24::TenantId;
use bitrix24::{
    ApplicationInfo, AuthorizationServer, Consequence, Credential, ErrorCode, MemberId, OAuthError,
    PortalAddress,
};
use store::ModifyError;

/// A move, to be run in its own task.
#[derive(Debug)]
pub(super) struct PortalMove {
    parts: Arc<Parts>,
    id: TenantId,
    old: PortalAddress,
    new: String,
    member_id: Option<MemberId>,
    token: Option<(AuthorizationServer, SecretString)>,
}

/// The stored address is not the portal's old one.
struct MovedMeanwhile;

impl PortalMove {
    pub(super) fn new(parts: &Arc<Parts>, opened: &Opened, new: String) -> Self {
        let token = match (opened.credential(), opened.tenant.tokens()) {
            (Credential::Application { access_token }, Some(tokens)) => {
                Some((tokens.server.clone(), access_token.clone()))
            }
            (Credential::Application { .. } | Credential::Webhook { .. }, _) => None,
        };
        Self {
            parts: Arc::clone(parts),
            id: opened.tenant.id().clone(),
            old: opened.portal().clone(),
            new,
            member_id: opened.tenant.record().member_id.clone(),
            token,
        }
    }

    /// Verifies and stores the new address.
    pub(super) async fn run(self) -> Result<Arc<Record>, AccessError> {
        // Another move may have ended since the caller looked.
        if let Some(newest) = self.parts.directory.newest(&self.id).await
            && newest.portal != self.old
        {
            return Ok(newest);
        }
        let moved = self.verify_and_store().await;
        let end = match &moved {
            Ok(_) => PortalMoveEnd::Followed,
            // The next attempt may have a valid token.
            Err(AccessError::MoveRefused {
                reason: MoveRefused::TokenExpired,
                ..
            }) => PortalMoveEnd::Failed,
            Err(AccessError::MoveRefused { .. }) => PortalMoveEnd::Refused,
            Err(_) => PortalMoveEnd::Failed,
        };
        self.parts.metrics.portal_moved(end);
        if let Err(error) = &moved {
            let error = error.to_string();
            tracing::warn!(tenant = %self.id, portal = %self.old, error, "did not follow the portal's redirect");
        }
        moved
    }

    async fn verify_and_store(&self) -> Result<Arc<Record>, AccessError> {
        let policy = &self.parts.directory.judgement().policy;
        let refuse = |reason: MoveRefused| reason.of(&self.new);
        let new = PortalAddress::parse(&self.new, policy)
            .map_err(MoveRefused::from)
            .map_err(refuse)?;
        let token = self.token.as_ref();
        let (server, token) = token.ok_or_else(|| refuse(MoveRefused::Webhook))?;
        self.parts.pauses.are_over(server)?;
        let deadline = Instant::now() + self.parts.timeout;
        let info = self
            .parts
            .client
            .application_info(server, token, deadline)
            .await;
        let info = info.map_err(|error| match error {
            OAuthError::Refused(refusal)
                if matches!(
                    refusal.documented,
                    Some(ErrorCode::ExpiredToken | ErrorCode::InvalidToken)
                ) =>
            {
                refuse(MoveRefused::TokenExpired)
            }
            OAuthError::Refused(refusal) if refusal.consequence() != Consequence::RetryLater => {
                refuse(MoveRefused::Unconfirmed(refusal.code))
            }
            passing @ (OAuthError::NotSent(_)
            | OAuthError::Unanswered(_)
            | OAuthError::Refused(_)
            | OAuthError::Limited { .. }
            | OAuthError::RefusedInFront(_)) => self.parts.pauses.after(server, &passing),
        })?;
        self.confirm(&new, &info).map_err(refuse)?;
        self.store(&new, info.member_id).await
    }

    fn confirm(&self, new: &PortalAddress, info: &ApplicationInfo) -> Result<(), MoveRefused> {
        let policy = &self.parts.directory.judgement().policy;
        let named = info
            .portal
            .as_deref()
            .map(|text| PortalAddress::parse(text, policy));
        if !matches!(&named, Some(Ok(named)) if named == new) {
            return Err(MoveRefused::OtherAddress);
        }
        match (&self.member_id, &info.member_id) {
            (Some(known), Some(told)) if known == told => Ok(()),
            // No known id to compare: the token itself is bound to the portal at the new address.
            (None, Some(_)) => Ok(()),
            (Some(_) | None, _) => Err(MoveRefused::OtherPortal),
        }
    }

    async fn store(
        &self,
        new: &PortalAddress,
        member_id: Option<MemberId>,
    ) -> Result<Arc<Record>, AccessError> {
        let address = address(new);
        let moved = self.parts.store.modify(&self.id, |tenant| {
            if tenant.portal != self::address(&self.old) {
                return Err(MovedMeanwhile);
            }
            tenant.portal.clone_from(&address);
            if tenant.member_id.is_none() {
                tenant.member_id.clone_from(&member_id);
            }
            Ok(())
        });
        let stored = match moved.await {
            Ok(stored) => {
                let facts = format!("from {} to {}", self.old, new);
                audit::record(Actor::Service, Action::PortalMoved, &self.id, &facts);
                stored
            }
            Err(ModifyError::Refused(MovedMeanwhile)) => {
                let stored = self.parts.store.tenant(&self.id).await;
                stored
                    .map_err(|_| AccessError::StoreUnavailable)?
                    .ok_or(AccessError::Gone)?
            }
            Err(ModifyError::NotFound) => return Err(AccessError::Gone),
            Err(ModifyError::Store(_)) => return Err(AccessError::StoreUnavailable),
        };
        Ok(self.parts.directory.put(&stored).await?)
    }
}

/// The address as the store keeps it.
fn address(portal: &PortalAddress) -> String {
    if portal.is_loopback() {
        portal.base_url()
    } else {
        portal.authority().to_owned()
    }
}

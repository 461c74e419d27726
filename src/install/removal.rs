//! Verifies a removal by its only proof, the application token of the installation.

use jiff::Timestamp;

use super::comparison::{in_order, same};
use super::event_result::EventResult;
use super::notice::Removed;
use super::work::{Retry, Work};
use crate::audit::{self, Action, Actor};
use crate::tenant::{Application, UNINSTALLED};
use store::{ModifyError, Reauthorization, StoredCredentials, StoredTenant};

impl Work {
    /// The tenant needs reauthorization until the application is installed again. It is not
    /// deleted.
    pub(super) async fn removal(
        &self,
        application: &Application,
        removed: &Removed,
    ) -> Result<EventResult, Retry> {
        let (client_id, member_id) = (&application.client_id, &removed.member_id);
        let known = self.endpoint.store.of_member(client_id, member_id).await?;
        let Some(known) = known else {
            return Ok(EventResult::UnknownPortal);
        };
        let mut outcome = EventResult::Uninstalled;
        let modified = self.endpoint.store.modify(&known.id, |tenant| {
            removed.is_proven_to(tenant)?;
            removed.is_in_order(tenant)?;
            outcome = removed.apply(tenant)?;
            tenant.last_event = Some(removed.sent_at);
            Ok(())
        });
        match modified.await {
            Ok(_) if outcome == EventResult::AlreadyKnown => Ok(outcome),
            Ok(tenant) => {
                let facts = if removed.clean {
                    "tokens removed"
                } else {
                    "tokens kept"
                };
                let actor = Actor::Portal(application.name.as_str());
                audit::record(actor, Action::Uninstalled, &tenant.id, facts);
                Ok(EventResult::Uninstalled)
            }
            Err(ModifyError::Refused(outcome)) => Ok(outcome),
            Err(ModifyError::NotFound) => Ok(EventResult::UnknownPortal),
            Err(ModifyError::Store(error)) => Err(error.into()),
        }
    }
}

impl Removed {
    pub(super) fn is_proven_to(&self, tenant: &StoredTenant) -> Result<(), EventResult> {
        let application = tenant.application().ok_or(EventResult::UnknownPortal)?;
        same(
            application.application_token.as_ref(),
            &self.application_token,
        )
        .then_some(())
        .ok_or(EventResult::WrongApplicationToken)
    }

    /// Whether no newer event of the tenant was applied, here or by another replica.
    pub(super) fn is_in_order(&self, tenant: &StoredTenant) -> Result<(), EventResult> {
        in_order(self.sent_at, tenant)
    }

    fn apply(&self, tenant: &mut StoredTenant) -> Result<EventResult, EventResult> {
        let StoredCredentials::Application(application) = &mut tenant.credentials else {
            return Err(EventResult::UnknownPortal);
        };
        let is_known = tenant
            .reauthorization
            .as_ref()
            .is_some_and(|known| known.cause == UNINSTALLED);
        let has_tokens = application.access_token.is_some() || application.refresh_token.is_some();
        if is_known && !(self.clean && has_tokens) {
            return Ok(EventResult::AlreadyKnown);
        }
        if !is_known {
            tenant.reauthorization = Some(Reauthorization {
                cause: UNINSTALLED.to_owned(),
                since: Timestamp::now(),
            });
        }
        if self.clean {
            application.access_token = None;
            application.access_token_expires_at = None;
            application.refresh_token = None;
        }
        Ok(EventResult::Uninstalled)
    }
}

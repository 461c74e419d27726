//! Compares an event with what is known, before it costs a question or a place in the queue.

use jiff::Timestamp;
use secrecy::{ExposeSecret, SecretString};
use subtle::ConstantTimeEq;

use super::event_result::EventResult;
use super::notice::Notice;
use super::queue::Standing;
use super::work::{Retry, Work};
use crate::tenant::Application;
use store::{StoreError, StoredTenant};

impl Work {
    /// What is known of an event. The error is its outcome, if nothing else is needed to know it.
    pub(super) async fn compare(
        &self,
        application: &Application,
        notice: &Notice,
    ) -> Result<Standing, EventResult> {
        if let Notice::Installed(installed) = notice {
            installed.allowed_server(&self.endpoint.policy)?;
        }
        let Some(member_id) = notice.member_id() else {
            return Err(EventResult::Ignored);
        };
        let (store, client_id) = (&self.endpoint.store, &application.client_id);
        let known = store.of_member(client_id, member_id).await;
        standing(notice, known)
    }
}

fn standing(
    notice: &Notice,
    known: Result<Option<StoredTenant>, StoreError>,
) -> Result<Standing, EventResult> {
    let known = match known {
        Ok(known) => known,
        Err(error) => {
            // It is compared again when it is its turn.
            let Retry(_) = error.into();
            return Ok(Standing::Unproven);
        }
    };
    match (notice, known) {
        (Notice::Removed(removed), Some(tenant)) => {
            removed.is_proven_to(&tenant)?;
            removed.is_in_order(&tenant)?;
            Ok(Standing::Proven)
        }
        (Notice::Removed(_), None) => Err(EventResult::UnknownPortal),
        (Notice::Installed(installed), Some(tenant)) => {
            installed.is_in_order(&tenant)?;
            installed.is_news_to(&tenant)?;
            let known = tenant.application();
            let known = known.and_then(|known| known.application_token.as_ref());
            // A new installation may have a new one.
            Ok(if same(known, &installed.application_token) {
                Standing::Proven
            } else {
                Standing::Unproven
            })
        }
        (Notice::Installed(_), None) => Ok(Standing::Unproven),
        (Notice::Other, _) => Err(EventResult::Ignored),
    }
}

/// An event that is older than the newest one of its tenant must not undo it. Bitrix24 counts
/// seconds, so of two events in one second the later one counts.
pub(super) fn in_order(sent_at: Timestamp, tenant: &StoredTenant) -> Result<(), EventResult> {
    let is_late = tenant.last_event.is_some_and(|newest| newest > sent_at);
    if is_late {
        Err(EventResult::OutOfTime)
    } else {
        Ok(())
    }
}

/// Compares secrets in constant time.
pub(super) fn same(stored: Option<&SecretString>, given: &SecretString) -> bool {
    stored.is_some_and(|stored| {
        let (stored, given) = (stored.expose_secret(), given.expose_secret());
        stored.as_bytes().ct_eq(given.as_bytes()).into()
    })
}

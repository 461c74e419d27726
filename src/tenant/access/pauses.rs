//! Authorization servers that asked to be left alone for a while.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use tokio::time::Instant;

use super::error::AccessError;
use bitrix24::{AuthorizationServer, OAuthError};

/// Until when no request is sent to a server: it limits all its clients' requests, whatever their
/// tenant. The operator lists the servers, so there are few.
#[derive(Debug, Default)]
pub(super) struct Pauses(Mutex<HashMap<AuthorizationServer, Instant>>);

impl Pauses {
    /// # Errors
    ///
    /// [`AccessError::AuthorizationServerUnavailable`], with the rest of the pause.
    pub(super) fn are_over(&self, server: &AuthorizationServer) -> Result<(), AccessError> {
        let now = Instant::now();
        let mut pauses = self.pauses();
        pauses.retain(|_, until| now < *until);
        pauses.get(server).map_or(Ok(()), |until| {
            Err(AccessError::AuthorizationServerUnavailable {
                failure: "it asked to wait before the next request".to_owned(),
                retry_after: Some(*until - now),
            })
        })
    }

    /// Notes how long the server asks to wait, and makes a failure of it that passes.
    pub(super) fn after(&self, server: &AuthorizationServer, error: &OAuthError) -> AccessError {
        let retry_after = error.pause();
        if let Some(pause) = retry_after {
            self.pauses().insert(server.clone(), Instant::now() + pause);
        }
        AccessError::AuthorizationServerUnavailable {
            failure: match error {
                OAuthError::NotSent(not_sent) => not_sent.to_string(),
                OAuthError::Unanswered(unanswered) => unanswered.to_string(),
                OAuthError::Refused(refusal) => refusal.code.clone(),
                OAuthError::Limited { .. } | OAuthError::RefusedInFront(_) => error.to_string(),
            },
            retry_after,
        }
    }

    fn pauses(&self) -> MutexGuard<'_, HashMap<AuthorizationServer, Instant>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

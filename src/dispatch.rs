//! When and how often a call is sent.
//!
//! A valid [`Call`] asks for a [`Permit`]; only a permit can send. It is given when the deadline has not passed and the tenant's
//! portal can be opened; the portal's budgets, queues and order belong here too.
//!
//! A call is sent a second time only where the portal has said that it did not execute the first.

mod conversation;
mod priority;
pub mod sharing;
mod taken;

use std::time::Duration;

use tokio::time::Instant;

pub use self::conversation::Conversation;
pub use self::priority::Priority;
pub use self::taken::Taken;
use crate::bitrix24::{Answer, CallError, Client, Method, Outcome, Parameters};
use crate::metrics::Metrics;
use crate::openlines::{Call, CallParts};
use crate::tenant::{AccessError, Opened, PortalAccess};

/// How often a call is sent anew with another token, at most. The first covers a token that has expired, the others those that
/// were replaced, by this replica or another one, while the call was on its way.
const NEW_TOKENS: usize = 3;

/// How often a call follows a portal to a new address, at most.
const MOVES: usize = 1;

/// Why a call may not be sent now. Nothing was sent.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NotAdmitted {
    /// The deadline has passed.
    #[error("the deadline passed before the request could be sent")]
    DeadlinePassed,
    /// The tenant's portal cannot be opened.
    #[error(transparent)]
    Access(#[from] AccessError),
}

/// Why a call that was sent has no good answer.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SendError {
    /// The portal, or the way to it.
    #[error(transparent)]
    Call(#[from] CallError),
    /// The portal refused to execute the call with the credential it had, and there is no other.
    #[error(transparent)]
    Access(#[from] AccessError),
}

/// Decides when calls are sent. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Dispatcher {
    client: Client,
    access: PortalAccess,
    metrics: Metrics,
}

/// Proof that a call may be sent now. Only [`Dispatcher::admit`] makes it, and sending consumes it.
#[derive(Debug)]
pub struct Permit<'a> {
    dispatcher: &'a Dispatcher,
    opened: Opened,
    method: Method,
    parameters: Parameters,
    deadline: Instant,
}

impl Dispatcher {
    /// Makes a dispatcher that sends through `client` with what `access` gives.
    pub fn new(client: Client, access: PortalAccess, metrics: Metrics) -> Self {
        Self {
            client,
            access,
            metrics,
        }
    }

    /// Lets a call through that can be sent before `deadline`.
    ///
    /// # Errors
    ///
    /// [`NotAdmitted`]; nothing was sent.
    pub async fn admit(&self, call: Call, deadline: Instant) -> Result<Permit<'_>, NotAdmitted> {
        if Instant::now() >= deadline {
            return Err(NotAdmitted::DeadlinePassed);
        }
        let CallParts {
            tenant,
            method,
            parameters,
            ..
        } = call.into_parts();
        let opened = self.access.open(tenant, deadline).await?;
        Ok(Permit {
            dispatcher: self,
            opened,
            method,
            parameters,
            deadline,
        })
    }
}

impl Permit<'_> {
    /// Sends the call, and says how long the portal took in all. It is sent anew with a new token, or to the portal's new
    /// address, after an answer that says it was not executed.
    ///
    /// # Errors
    ///
    /// See [`CallError`], which knows whether the call was executed; after a [`SendError::Access`] it was not.
    /// `note_sent` is told whether the portal may be executing the call from now on.
    pub async fn send(mut self, note_sent: impl Fn(bool)) -> (Result<Answer, SendError>, Duration) {
        let mut waited = Duration::ZERO;
        let (mut new_tokens, mut moves) = (0, 0);
        loop {
            let sent = Instant::now();
            note_sent(true);
            let answer = self.request().await;
            let duration = sent.elapsed();
            waited += duration;
            self.count(&answer, duration);
            let error = match answer {
                Ok(answer) => return (Ok(answer), waited),
                Err(error) => error,
            };
            note_sent(error.outcome() != Outcome::NotExecuted);
            let reopened = match &error {
                CallError::Refused(refusal)
                    if new_tokens < NEW_TOKENS && refusal.is_expired_token() =>
                {
                    new_tokens += 1;
                    self.access().reopen(&self.opened, self.deadline).await
                }
                CallError::Refused(refusal)
                    if new_tokens < NEW_TOKENS && refusal.is_invalid_token() =>
                {
                    new_tokens += 1;
                    let newer = self.access().newer(&self.opened, self.deadline).await;
                    newer.ok_or(AccessError::NotRenewable)
                }
                CallError::Moved { new_address } if moves < MOVES => {
                    moves += 1;
                    let new_address = new_address.as_deref();
                    self.access()
                        .follow(&self.opened, new_address, self.deadline)
                        .await
                }
                CallError::NotSent(_)
                | CallError::Moved { .. }
                | CallError::NoPortal { .. }
                | CallError::Refused(_)
                | CallError::Unanswered(_) => return (Err(error.into()), waited),
            };
            match reopened {
                Ok(opened) => self.opened = opened,
                // The portal's own answer says more.
                Err(AccessError::NotRenewable) => return (Err(error.into()), waited),
                Err(error) => return (Err(error.into()), waited),
            }
        }
    }

    async fn request(&self) -> Result<Answer, CallError> {
        let Self {
            dispatcher,
            opened,
            method,
            parameters,
            deadline,
        } = self;
        dispatcher
            .client
            .call(
                opened.portal(),
                opened.credential(),
                *method,
                parameters,
                *deadline,
            )
            .await
    }

    fn access(&self) -> &PortalAccess {
        &self.dispatcher.access
    }

    fn count(&self, answer: &Result<Answer, CallError>, duration: Duration) {
        let (http_status, error_type) = match answer {
            Ok(answer) => (Some(answer.http_status), ""),
            Err(error) => (error.http_status(), error.kind()),
        };
        let method = self.method.name();
        self.dispatcher
            .metrics
            .portal_request_ended(method, http_status, error_type, duration);
    }
}

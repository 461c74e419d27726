//! The context of a call while it runs: set by the layer around all calls, added to by the steps.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

use super::identity::CallIdentity;
use super::order::Arrival;
use crate::auth::Caller;
use bitrix24::{Method, Outcome, TenantId};
use pacing::{Exhausted, Queued};

/// A call's id, its deadline, and the notes for its log line. Cheap to clone.
#[derive(Clone, Debug)]
pub(crate) struct CallContext {
    call_id: Arc<str>,
    deadline: Instant,
    arrival: Option<Arrival>,
    queued: Arc<Queued>,
    notes: Arc<Mutex<Notes>>,
}

/// The contents of a call's log line beyond its status.
#[derive(Clone, Debug, Default)]
pub(crate) struct Notes {
    pub(crate) caller: Option<Caller>,
    pub(crate) tenant: Option<String>,
    pub(crate) method: Option<Method>,
    pub(crate) reason: Option<&'static str>,
    pub(crate) outcome: Option<Outcome>,
    pub(crate) bitrix24_code: Option<String>,
    /// The time in the queue.
    pub(crate) waited: Duration,
    /// The portal's time, if the call was sent.
    pub(crate) portal_duration: Option<Duration>,
    pub(crate) progress: Progress,
    /// Whether the response comes from the ledger.
    pub(crate) is_replayed: bool,
    /// Why the request was not read to its end, if the memory for requests is why.
    pub(crate) request_cut: Option<Exhausted>,
}

/// Whether a call may have changed something outside of the process.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Progress {
    #[default]
    NotStarted,
    /// The portal may be executing it.
    Sent,
    /// The store may have begun to change a tenant.
    Changing,
}

impl Progress {
    /// What is known of a call that ends here without a response.
    pub(crate) fn outcome(self) -> Outcome {
        match self {
            Self::NotStarted => Outcome::NotExecuted,
            Self::Sent | Self::Changing => Outcome::Unknown,
        }
    }
}

impl Notes {
    /// The word for the outcome of a call that ended with this status code. The caller of a
    /// cancelled call did not wait for a failure to be noted.
    pub(crate) fn outcome_of(&self, code: &str) -> Option<&'static str> {
        match self.outcome {
            None if code == "CANCELLED" => Some(self.progress.outcome().as_str()),
            noted => noted.map(Outcome::as_str),
        }
    }
}

impl CallContext {
    /// A call of a caller that has so much in the queues.
    pub(crate) fn new(
        call_id: String,
        deadline: Instant,
        arrival: Option<Arrival>,
        queued: Arc<Queued>,
    ) -> Self {
        Self {
            call_id: call_id.into(),
            deadline,
            arrival,
            queued,
            notes: Arc::default(),
        }
    }

    /// The id that the log, the response's `x-request-id` and `RequestInfo` carry.
    pub(crate) fn call_id(&self) -> &str {
        &self.call_id
    }

    /// When the call has to be answered.
    pub(crate) fn deadline(&self) -> Instant {
        self.deadline
    }

    /// Its place among the calls of its connection, if their order matters.
    pub(crate) fn arrival(&self) -> Option<&Arrival> {
        self.arrival.as_ref()
    }

    /// What its caller has in the queues.
    pub(crate) fn queued(&self) -> Arc<Queued> {
        Arc::clone(&self.queued)
    }

    pub(crate) fn identity(&self) -> CallIdentity {
        let notes = self.notes();
        CallIdentity {
            call_id: self.call_id().to_owned(),
            tenant_id: notes.tenant,
            method: notes.method,
            line: None,
        }
    }

    pub(crate) fn note_method(&self, method: Method) {
        self.note(|notes| notes.method = Some(method));
    }

    pub(crate) fn note_caller(&self, caller: &Caller) {
        self.note(|notes| notes.caller = Some(caller.clone()));
    }

    pub(crate) fn note_tenant(&self, tenant: &TenantId) {
        self.note(|notes| notes.tenant = Some(tenant.to_string()));
    }

    /// Notes how far the call has come. A call that was sent and certainly not executed is back at
    /// [`Progress::NotStarted`].
    pub(crate) fn note_progress(&self, progress: Progress) {
        self.note(|notes| notes.progress = progress);
    }

    /// Notes the times in the queue and at the portal.
    pub(crate) fn note_durations(&self, waited: Duration, portal: Duration) {
        self.note(|notes| {
            notes.waited = waited;
            notes.portal_duration = Some(portal).filter(|portal| !portal.is_zero());
        });
    }

    /// Notes that the response comes from the ledger. The caller sees it in a header.
    pub(crate) fn note_replayed(&self) {
        self.note(|notes| notes.is_replayed = true);
    }

    /// Notes that the request was not read to its end, because there is no memory for it.
    pub(crate) fn note_request_cut(&self, why: Exhausted) {
        self.note(|notes| notes.request_cut = Some(why));
    }

    pub(crate) fn note_failure(
        &self,
        reason: &'static str,
        outcome: Outcome,
        bitrix24_code: Option<&str>,
    ) {
        self.note(|notes| {
            notes.reason = Some(reason);
            notes.outcome = Some(outcome);
            notes.bitrix24_code = bitrix24_code.map(str::to_owned);
        });
    }

    pub(crate) fn notes(&self) -> Notes {
        self.notes
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    fn note(&self, write: impl FnOnce(&mut Notes)) {
        write(&mut self.notes.lock().unwrap_or_else(PoisonError::into_inner));
    }
}

/// For calls that did not come through the layer, as in a test of a service by itself.
impl Default for CallContext {
    fn default() -> Self {
        let deadline = Instant::now() + Duration::from_secs(30);
        Self::new("-".to_owned(), deadline, None, Arc::default())
    }
}

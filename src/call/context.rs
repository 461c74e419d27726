//! The context of a call while it runs: set by the layer around all calls, added to by the steps.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

use super::identity::CallIdentity;
use super::order::Arrival;
use crate::auth::Caller;
use bitrix24::{Method, Outcome, TenantId};
use pacing::{Exhausted, Queued};

/// A call's id, its deadline, and the notes for its log line. Cheap to clone.
#[derive(Clone, Debug)]
pub(crate) struct CallContext(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    call_id: Arc<str>,
    deadline: Instant,
    arrival: Option<Arrival>,
    queued: Arc<Queued>,
    notes: Mutex<Notes>,
}

/// The contents of a call's log line beyond its status.
#[derive(Debug, Default)]
pub(crate) struct Notes {
    pub(crate) caller: Option<Caller>,
    pub(crate) tenant: Option<TenantId>,
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
    /// Messages of the call that the portal refused, though it answered.
    pub(crate) messages_refused: usize,
    /// Messages of the call for which the answer has no result.
    pub(crate) messages_unknown: usize,
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
        call_id: Arc<str>,
        deadline: Instant,
        arrival: Option<Arrival>,
        queued: Arc<Queued>,
    ) -> Self {
        Self(Arc::new(Shared {
            call_id,
            deadline,
            arrival,
            queued,
            notes: Mutex::default(),
        }))
    }

    /// The id that the log, the response's `x-request-id` and `RequestInfo` carry.
    pub(crate) fn call_id(&self) -> &str {
        &self.0.call_id
    }

    /// The same, to be shared.
    pub(crate) fn id(&self) -> &Arc<str> {
        &self.0.call_id
    }

    /// When the call has to be answered.
    pub(crate) fn deadline(&self) -> Instant {
        self.0.deadline
    }

    /// Its place among the calls of its connection, if their order matters.
    pub(crate) fn arrival(&self) -> Option<&Arrival> {
        self.0.arrival.as_ref()
    }

    /// What its caller has in the queues.
    pub(crate) fn queued(&self) -> &Arc<Queued> {
        &self.0.queued
    }

    pub(crate) fn identity(&self) -> CallIdentity {
        let notes = self.notes();
        CallIdentity {
            call_id: Arc::clone(&self.0.call_id),
            tenant_id: notes.tenant.clone(),
            method: notes.method,
            line: None,
        }
    }

    pub(crate) fn note_method(&self, method: Method) {
        self.notes().method = Some(method);
    }

    pub(crate) fn note_caller(&self, caller: &Caller) {
        self.notes().caller = Some(caller.clone());
    }

    pub(crate) fn note_tenant(&self, tenant: &TenantId) {
        self.notes().tenant = Some(tenant.clone());
    }

    /// Notes how far the call has come. A call that was sent and certainly not executed is back at
    /// [`Progress::NotStarted`].
    pub(crate) fn note_progress(&self, progress: Progress) {
        self.notes().progress = progress;
    }

    /// Notes the times in the queue and at the portal.
    pub(crate) fn note_durations(&self, waited: Duration, portal: Duration) {
        let mut notes = self.notes();
        notes.waited = waited;
        notes.portal_duration = Some(portal).filter(|portal| !portal.is_zero());
    }

    /// Notes that the response comes from the ledger. The caller sees it in a header.
    pub(crate) fn note_replayed(&self) {
        self.notes().is_replayed = true;
    }

    /// Notes how many messages of an answered call were not accepted.
    pub(crate) fn note_messages(&self, refused: usize, unknown: usize) {
        let mut notes = self.notes();
        notes.messages_refused = refused;
        notes.messages_unknown = unknown;
    }

    /// Notes that the request was not read to its end, because there is no memory for it.
    pub(crate) fn note_request_cut(&self, why: Exhausted) {
        self.notes().request_cut = Some(why);
    }

    pub(crate) fn note_failure(
        &self,
        reason: &'static str,
        outcome: Outcome,
        bitrix24_code: Option<&str>,
    ) {
        let mut notes = self.notes();
        notes.reason = Some(reason);
        notes.outcome = Some(outcome);
        notes.bitrix24_code = bitrix24_code.map(str::to_owned);
    }

    /// Whether the call may have changed something.
    pub(crate) fn progress(&self) -> Progress {
        self.notes().progress
    }

    /// Whether the response comes from the ledger.
    pub(crate) fn is_replayed(&self) -> bool {
        self.notes().is_replayed
    }

    /// Why the request was not read to its end, if the memory for requests is why.
    pub(crate) fn request_cut(&self) -> Option<Exhausted> {
        self.notes().request_cut
    }

    /// All notes, at the end of the call.
    pub(crate) fn take_notes(&self) -> Notes {
        std::mem::take(&mut *self.notes())
    }

    fn notes(&self) -> MutexGuard<'_, Notes> {
        self.0.notes.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// For calls that did not come through the layer, as in a test of a service by itself.
impl Default for CallContext {
    fn default() -> Self {
        let deadline = Instant::now() + Duration::from_secs(30);
        Self::new("-".into(), deadline, None, Arc::default())
    }
}

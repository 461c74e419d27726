//! What is known of a call while it runs: set by the layer around all calls, added to by the operation.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

use crate::auth::Caller;
use crate::error::{CallIdentity, Failure};
use crate::order::Arrival;
use bitrix24::Method;
use bitrix24::TenantId;

/// A call's request id, its deadline, and the notes for its log line. Cheap to clone.
#[derive(Clone, Debug)]
pub struct CallContext {
    request_id: Arc<str>,
    deadline: Instant,
    arrival: Option<Arrival>,
    notes: Arc<Mutex<Notes>>,
}

/// What the log line of a call says beyond its status.
#[derive(Clone, Debug, Default)]
pub(super) struct Notes {
    pub(super) caller: Option<String>,
    pub(super) tenant: Option<String>,
    pub(super) method: Option<Method>,
    pub(super) reason: Option<&'static str>,
    pub(super) outcome: Option<&'static str>,
    pub(super) bitrix24_code: Option<String>,
    /// How long it waited for its turn.
    pub(super) waited: Duration,
    /// How long the portal took, if it was sent.
    pub(super) portal_duration: Option<Duration>,
    /// Whether the call was handed to the client of the portal.
    pub(super) sending: bool,
    /// Whether the store may have begun to change a tenant.
    pub(super) changing: bool,
    /// Whether the answer comes from the ledger.
    pub(super) replayed: bool,
    /// Whether the request was not read, because the requests in hand take as much memory as they may.
    pub(super) too_heavy: bool,
}

impl CallContext {
    pub(super) fn new(request_id: String, deadline: Instant, arrival: Option<Arrival>) -> Self {
        Self {
            request_id: request_id.into(),
            deadline,
            arrival,
            notes: Arc::default(),
        }
    }

    /// The id that the log, the answer's `x-request-id` and `RequestInfo` carry.
    pub fn request_id(&self) -> &str {
        &self.request_id
    }

    /// When the call has to be answered.
    pub fn deadline(&self) -> Instant {
        self.deadline
    }

    /// Its place among the calls of its connection, if their order matters.
    pub(crate) fn arrival(&self) -> Option<&Arrival> {
        self.arrival.as_ref()
    }

    /// What a failure says of the call, as far as it is known.
    pub fn identity(&self) -> CallIdentity {
        let notes = self.notes();
        CallIdentity {
            request_id: self.request_id().to_owned(),
            tenant_id: notes.tenant,
            method: notes.method,
            line: None,
        }
    }

    /// Notes which method the call is for.
    pub fn note_method(&self, method: Method) {
        self.note(|notes| notes.method = Some(method));
    }

    /// Notes who calls.
    pub fn note_caller(&self, caller: &Caller) {
        self.note(|notes| notes.caller = Some(caller.name().to_string()));
    }

    /// Notes for whom the call is made.
    pub fn note_tenant(&self, tenant: &TenantId) {
        self.note(|notes| notes.tenant = Some(tenant.to_string()));
    }

    /// Notes whether from now on the portal may be executing the call.
    pub fn note_sending(&self, sending: bool) {
        self.note(|notes| notes.sending = sending);
    }

    /// Notes that from now on a tenant may have been changed.
    pub fn note_changing(&self) {
        self.note(|notes| notes.changing = true);
    }

    /// Notes how long the call waited for its turn, and how long the portal took.
    pub fn note_waits(&self, turn: Duration, portal: Duration) {
        self.note(|notes| {
            notes.waited = turn;
            notes.portal_duration = Some(portal).filter(|portal| !portal.is_zero());
        });
    }

    /// Notes that the answer comes from the ledger and not from a new attempt. The caller sees it in a header.
    pub fn note_replayed(&self) {
        self.note(|notes| notes.replayed = true);
    }

    /// Notes that the request was not read to its end.
    pub(super) fn note_too_heavy(&self) {
        self.note(|notes| notes.too_heavy = true);
    }

    /// Notes why the call fails.
    pub fn note_failure(&self, failure: &Failure) {
        self.note(|notes| {
            notes.reason = Some(failure.reason().as_str_name());
            notes.outcome = Some(failure.outcome().as_str());
            notes.bitrix24_code = failure.bitrix24_code().map(str::to_owned);
        });
    }

    pub(super) fn notes(&self) -> Notes {
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
        Self::new(
            "-".to_owned(),
            Instant::now() + Duration::from_secs(30),
            None,
        )
    }
}

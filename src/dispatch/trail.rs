//! The audit of a call: a line before it can be sent, and one when its outcome is known.
//!
//! It holds ids, counts and documented codes only: nothing that a message, a person or a portal's
//! text could be part of.

use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::time::Instant;
use uuid::Uuid;

use super::send_error::SendError;
use super::spent::Spent;
use crate::auth::Caller;
use crate::call::CallContext;
use crate::telemetry::AUDIT_SENDS;
use bitrix24::{Answer, CallError, Method, Outcome, Refusal, TenantId};

/// Who sends what.
#[derive(Debug)]
pub(crate) struct AuditedCall {
    pub(crate) context: CallContext,
    pub(crate) caller: Caller,
    pub(crate) tenant: TenantId,
    pub(crate) method: Method,
    /// The caller's idempotency key.
    pub(crate) request_id: Option<Uuid>,
    pub(crate) messages: usize,
    /// How many of so many messages Bitrix24 has accepted.
    pub(crate) accepted: fn(&Answer, usize) -> usize,
}

/// The two lines of a call. Clones share them. If the last one is dropped while the outcome is
/// open, it says what is known.
#[derive(Clone)]
pub(crate) struct Trail(Arc<Entry>);

struct Entry {
    /// Names the two lines: a caller may use the same call id twice.
    id: Uuid,
    call: AuditedCall,
    progress: Mutex<Progress>,
}

#[derive(Clone, Copy, Debug, Default)]
struct Progress {
    /// When the first line was written.
    opened: Option<Instant>,
    /// How often the call may have been sent.
    attempts: u32,
    /// Whether the portal may be executing it, or may have.
    may_be_executed: bool,
    is_closed: bool,
}

/// What a line says of the outcome.
#[derive(Default)]
struct Closing<'a> {
    outcome: &'static str,
    failure: Option<&'static str>,
    code: Option<&'a str>,
    http_status: Option<u16>,
    accepted: Option<usize>,
    portal: Option<Duration>,
}

impl Trail {
    /// Of a call that was not sent yet: nothing is written.
    pub(crate) fn new(call: AuditedCall) -> Self {
        Self(Arc::new(Entry {
            id: Uuid::now_v7(),
            call,
            progress: Mutex::default(),
        }))
    }

    /// The portal may be executing the call from now on, or it is not after all. Writes the first
    /// line when it hears that for the first time.
    pub(crate) fn note_sent(&self, is_sent: bool) {
        let mut progress = self.0.progress();
        progress.may_be_executed = is_sent;
        if is_sent {
            progress.attempts += 1;
        }
        if is_sent && progress.opened.is_none() {
            progress.opened = Some(Instant::now());
            self.0.open();
        }
    }

    /// The outcome of the call is known.
    pub(super) fn close(&self, result: Result<&Answer, &SendError>, spent: Spent) {
        let closing = match result {
            Ok(answer) => Closing {
                http_status: Some(answer.http_status),
                ..self.0.executed(answer)
            },
            Err(error) => failed(error),
        };
        self.0.close(&Closing {
            portal: Some(spent.portal),
            ..closing
        });
    }

    /// The call is not sent: the ledger has the answer to an earlier one, or `None` if it knows
    /// only that there was one.
    pub(super) fn replayed(&self, answer: Option<&Answer>) {
        let closing = match answer {
            Some(answer) => self.0.executed(answer),
            None => Closing {
                outcome: Outcome::Unknown.as_str(),
                ..Closing::default()
            },
        };
        self.0.write("replayed", &closing, Progress::default());
    }
}

impl Entry {
    fn progress(&self) -> MutexGuard<'_, Progress> {
        self.progress.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn executed(&self, answer: &Answer) -> Closing<'static> {
        Closing {
            outcome: Outcome::Executed.as_str(),
            accepted: Some((self.call.accepted)(answer, self.call.messages)),
            ..Closing::default()
        }
    }

    fn open(&self) {
        // Until another line says more.
        let unknown = Closing {
            outcome: Outcome::Unknown.as_str(),
            ..Closing::default()
        };
        self.write("opened", &unknown, Progress::default());
    }

    /// Writes the last line, if there was a first one.
    fn close(&self, closing: &Closing<'_>) {
        let mut progress = self.progress();
        if progress.opened.is_some() && !progress.is_closed {
            progress.is_closed = true;
            self.write("closed", closing, *progress);
        }
    }

    fn write(&self, event: &'static str, closing: &Closing<'_>, progress: Progress) {
        let call = &self.call;
        tracing::info!(
            target: AUDIT_SENDS,
            event,
            audit_id = %self.id,
            call_id = call.context.call_id(),
            caller = call.caller.name(),
            credential = %call.caller.credential(),
            tenant = call.tenant.as_str(),
            method = call.method.name(),
            request_id = call.request_id.map(tracing::field::display),
            messages = call.messages,
            accepted = closing.accepted,
            outcome = closing.outcome,
            failure = closing.failure,
            bitrix24_code = closing.code,
            http_status = closing.http_status,
            attempts = (progress.attempts > 0).then_some(progress.attempts),
            duration_ms = progress.opened.map(|opened| milliseconds(opened.elapsed())),
            portal_ms = closing.portal.map(milliseconds),
            "audit"
        );
    }
}

impl Drop for Entry {
    fn drop(&mut self) {
        let outcome = if self.progress().may_be_executed {
            Outcome::Unknown
        } else {
            Outcome::NotExecuted
        };
        self.close(&Closing {
            outcome: outcome.as_str(),
            ..Closing::default()
        });
    }
}

impl fmt::Debug for Trail {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Trail").field(&self.0.id).finish()
    }
}

fn failed(error: &SendError) -> Closing<'_> {
    let (failure, call) = match error {
        SendError::Call(call) | SendError::Later { refusal: call, .. } => (call.kind(), Some(call)),
        SendError::Access(_) => ("no_access", None),
        SendError::Crashed { .. } => ("crashed", None),
    };
    let code = call.and_then(|call| match call {
        CallError::Refused(refusal) => Some(documented(refusal)),
        CallError::NotSent(_)
        | CallError::Moved { .. }
        | CallError::NoPortal { .. }
        | CallError::Limited { .. }
        | CallError::RefusedInFront(_)
        | CallError::Unanswered(_) => None,
    });
    Closing {
        outcome: error.outcome().as_str(),
        failure: Some(failure),
        code,
        http_status: call.and_then(CallError::http_status),
        ..Closing::default()
    }
}

/// Bitrix24's own code only: what else a portal sends as one may be any text.
fn documented(refusal: &Refusal) -> &'static str {
    refusal
        .documented
        .map_or("undocumented", |code| code.as_str())
}

fn milliseconds(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

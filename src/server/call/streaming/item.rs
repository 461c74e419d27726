//! One item of a stream: a call with its own id, deadline, log line, metrics and trace.

use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures_util::FutureExt;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use tracing::{Instrument, Span};

use super::reader::Held;
use crate::auth::Caller;
use crate::call::margins::GRACE;
use crate::call::{Arrival, CallContext};
use crate::check::{Check, Path, Violations};
use crate::error::{Error, Interruption, code_name};
use crate::server::call::backend::Backend;
use crate::server::call::{CallService, span};
use crate::server::call_id;
use crate::server::ending::Ending;
use crate::server::peer::OpenItem;
use crate::server::settings::StreamSettings;
use crate::server::unary::{self, Unary};
use crate::telemetry::Linked;

/// The longest key, in characters.
const KEY_CHARACTERS: usize = 128;

/// An item that has its answer.
pub(super) struct Answered {
    pub(super) key: Arc<str>,
    /// What is sent.
    pub(super) frame: Bytes,
    pub(super) _held: (Held, OpenItem),
}

/// An item that may run.
pub(super) struct Item<O: Unary> {
    key: Arc<str>,
    call: Option<O::Call>,
    caller: Caller,
    context: CallContext,
    ending: Ending,
    span: Span,
    backend: Arc<Backend<O>>,
    terminated: CancellationToken,
}

/// The stream of an item.
#[derive(Clone, Copy)]
pub(super) struct OfStream<'a> {
    pub(super) path: &'a str,
    pub(super) context: &'a CallContext,
    /// Its span, if it is traced.
    pub(super) traced: Option<&'a Linked>,
}

/// What an item breaks beside the rules of its call, and how long it may take.
pub(super) fn check<C>(
    item: &unary::Item<C>,
    settings: StreamSettings,
    is_unique: bool,
) -> (Duration, Violations) {
    let mut check = Check::default();
    let key = Path::root("item_key");
    check.required_text(key, &item.key, KEY_CHARACTERS);
    if !is_unique {
        let description = "is the key of an item of this stream that is in progress; \
                           give each item a key of its own";
        check.wrong(key, "DUPLICATE", description);
    }
    check.required(Path::root("operation"), item.call.as_ref());
    let timeout = timeout(item.timeout.as_ref(), settings, &mut check);
    let violations = check.pass(None).err().unwrap_or_default();
    (timeout, violations)
}

fn timeout(
    given: Option<&prost_types::Duration>,
    settings: StreamSettings,
    check: &mut Check,
) -> Duration {
    let Some(given) = given else {
        return settings.default_timeout;
    };
    let path = Path::root("timeout");
    match Duration::try_from(*given) {
        Ok(given) if given > settings.maximum_timeout => {
            let maximum = settings.maximum_timeout.as_secs();
            let description = format!("is longer than {maximum} seconds; shorten it");
            check.wrong(path, "TOO_LONG", description);
        }
        Ok(given) if !given.is_zero() => return given,
        Ok(_) | Err(_) => {
            let description = "is not above 0; give a longer one, or leave it out";
            check.wrong(path, "NOT_POSITIVE", description);
        }
    }
    settings.default_timeout
}

impl<O: Unary> CallService<O> {
    /// An item of this stream.
    pub(super) fn item(
        &self,
        item: unary::Item<O::Call>,
        caller: Caller,
        (begun, deadline): (Instant, Instant),
        arrival: Option<Arrival>,
        stream: OfStream<'_>,
    ) -> Item<O> {
        let gate = &self.gate;
        let queued = Arc::clone(stream.context.queued());
        let context = CallContext::new(call_id::new(), deadline, arrival, queued);
        context.note_caller(&caller);
        let path = item.call.as_ref().map(O::path);
        let path = path.unwrap_or_else(|| stream.path.to_owned());
        let operation = gate.operations.of(&path);
        // Not traced because its stream is: that would be one trace of all items.
        let span = || span(operation.name(), context.call_id());
        let trace = gate.sampling.begin_item(stream.traced, span);
        let span = trace.span.clone();
        let ending = Ending::new(&path, operation, &context, &gate.metrics, trace, begun);
        Item {
            key: shortened(&item.key).into(),
            call: item.call,
            caller,
            ending: ending.of_stream(stream.context.id()),
            context,
            span,
            backend: Arc::clone(&self.backend),
            terminated: self.terminated.clone(),
        }
    }
}

impl<O: Unary> Item<O> {
    pub(super) fn key(&self) -> &Arc<str> {
        &self.key
    }

    /// The answer to an item that is not to run.
    pub(super) fn refuse(self, error: Error, held: (Held, OpenItem)) -> Answered {
        let (code, frame) = failed::<O>(error, &self.key, &self.context);
        self.ending.end(code);
        Answered {
            key: self.key,
            frame,
            _held: held,
        }
    }

    /// Runs the item until it is answered, its deadline has passed, or the service ends. Whatever
    /// it does, it gets an answer.
    pub(super) async fn answer(self, held: (Held, OpenItem)) -> Answered {
        let Self {
            key,
            call,
            caller,
            context,
            ending,
            span,
            backend,
            terminated,
        } = self;
        let answering = async {
            match call {
                Some(call) => {
                    let operations = &backend.operations;
                    operations.answer_item(&key, call, caller, &context).await
                }
                // Checked before.
                None => Ok(Bytes::new()),
            }
        };
        let answering = AssertUnwindSafe(answering.instrument(span)).catch_unwind();
        let answered = tokio::time::timeout_at(context.deadline() + GRACE, answering);
        let interrupted = |why| {
            let error = Error::interrupted(why, context.progress());
            failed::<O>(error, &key, &context)
        };
        let (code, frame) = tokio::select! {
            biased;
            answered = answered => match answered {
                Ok(Ok(Ok(frame))) => ("OK", frame),
                Ok(Ok(Err(status))) => {
                    (code_name(status.code()), O::item_failed(&key, &status))
                }
                Ok(Err(_panic)) => interrupted(Interruption::Panicked),
                Err(_elapsed) => interrupted(Interruption::TimedOut),
            },
            () = terminated.cancelled() => {
                ending.note_terminated();
                interrupted(Interruption::Terminated)
            }
        };
        ending.end(code);
        Answered {
            key,
            frame,
            _held: held,
        }
    }
}

/// The key as answers carry it. One that is too long is refused, and must not make them long.
fn shortened(key: &str) -> &str {
    let end = key.char_indices().nth(KEY_CHARACTERS);
    end.and_then(|(end, _)| key.get(..end)).unwrap_or(key)
}

/// The code and the answer of an item that fails beside its operation.
fn failed<O: Unary>(error: Error, key: &str, context: &CallContext) -> (&'static str, Bytes) {
    let identity = context.identity();
    let failure = error.into_failure(&identity);
    failure.note(context);
    let code = failure.code_name();
    let status = failure.into_status(&identity);
    (code, O::item_failed(key, &status))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answers_carry_no_more_of_a_key_than_a_key_may_have() {
        let longest = "\u{1f600}".repeat(KEY_CHARACTERS);
        assert_eq!(shortened(&longest), longest);
        assert_eq!(shortened(&format!("{longest}a")), longest);
        assert_eq!(shortened(""), "");
    }
}

//! The response to a call in place of its operation's, and what every response has.

use http::{HeaderName, HeaderValue, Response};
use pacing::Exhausted;
use tonic::body::Body;

use super::call_id::CALL_ID;
use super::ending::Ending;
use super::memory::BodyEvent;
use super::protocol::{ACCEPT_ENCODING, IDENTITY};
use super::reply::{Reply, failure};
use crate::call::{CallContext, Progress};
use crate::error::{self, Error, Interruption};

/// The header of a response that comes from the ledger.
const REPLAYED: HeaderName = HeaderName::from_static("openlines-replayed");

/// Why a call, or the rest of its request, finds no place.
pub(super) fn out_of_places(exhausted: Exhausted) -> Error {
    match exhausted {
        Exhausted::Pool => Error::Overloaded,
        Exhausted::Share => Error::ShareExceeded,
    }
}
pub(super) fn note(context: &CallContext, event: BodyEvent) {
    match (event, context.arrival()) {
        (BodyEvent::Cut(why), _) => context.note_request_cut(why),
        (BodyEvent::Starved, Some(arrival)) => arrival.note_starved(true),
        (BodyEvent::Fed, Some(arrival)) => arrival.note_starved(false),
        (BodyEvent::Starved | BodyEvent::Fed, None) => {}
    }
}

pub(super) fn interrupt(why: Interruption, context: &CallContext) -> Response<Reply> {
    fail(Error::interrupted(why, context.progress()), context)
}

/// Refuses a call that got no place.
pub(super) fn refuse(error: Error, context: &CallContext, ending: Ending) -> Response<Reply> {
    let is_compressed = matches!(error, Error::EncodingNotSupported);
    let mut response = finish(fail(error, context), context, ending);
    if is_compressed {
        response.headers_mut().insert(ACCEPT_ENCODING, IDENTITY);
    }
    response
}

pub(super) fn fail(error: Error, context: &CallContext) -> Response<Reply> {
    let identity = context.identity();
    let failed = error.into_failure(&identity);
    failed.note(context);
    failure(failed.into_status(&identity))
}

/// Adds our details to a status that the gRPC library made itself.
pub(super) fn translate(
    response: Response<Body>,
    context: &CallContext,
    maximum_request_bytes: usize,
) -> Response<Reply> {
    let status = error::status_in_headers(response.headers());
    let error = status
        .filter(|status| status.details().is_empty())
        .and_then(|status| {
            // After the request was read, the library's own failures concern the response.
            let progress = context.progress();
            if progress != Progress::NotStarted {
                Some(Error::interrupted(Interruption::Panicked, progress))
            } else if let Some(why) = context.request_cut() {
                Some(out_of_places(why))
            } else {
                error::translate(&status, maximum_request_bytes)
            }
        });
    match error {
        Some(error) => fail(error, context),
        None => response.map(Reply::Library),
    }
}

pub(super) fn finish(
    mut response: Response<Reply>,
    context: &CallContext,
    ending: Ending,
) -> Response<Reply> {
    if let Ok(call_id) = HeaderValue::from_str(context.call_id()) {
        response.headers_mut().insert(CALL_ID, call_id);
    }
    if context.is_replayed() {
        let yes = HeaderValue::from_static("true");
        response.headers_mut().insert(REPLAYED, yes);
    }
    // A unary call fails in the headers; without a status there, it has succeeded.
    ending.end(error::code_in_headers(response.headers()).unwrap_or("OK"));
    response
}

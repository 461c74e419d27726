//! A call that has a place, until its response.

use std::panic::AssertUnwindSafe;
use std::sync::Arc;

use futures_util::FutureExt;
use http::Response;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use tracing::{Instrument, Span};

use super::CallFuture;
use crate::call::CallContext;
use crate::call::margins::GRACE;
use crate::error::Interruption;
use crate::server::ending::Ending;
use crate::server::reply::Reply;
use crate::server::response::{finish, interrupt};
use crate::server::shares::Place;

/// A call that may run.
pub(super) struct Admitted {
    pub(super) terminated: CancellationToken,
    pub(super) context: CallContext,
    pub(super) place: Arc<Place>,
    pub(super) ending: Ending,
    pub(super) span: Span,
}

impl Admitted {
    /// Runs the call until it is answered, its deadline has passed, or the service ends. Whatever
    /// it does, it gets a response.
    pub(super) fn run<F>(self, answer: impl FnOnce(CallContext, Arc<Place>) -> F) -> CallFuture
    where
        F: Future<Output = Response<Reply>> + Send + 'static,
    {
        let Self {
            terminated,
            context,
            place,
            ending,
            span,
        } = self;
        let answering = answer(context.clone(), Arc::clone(&place)).instrument(span);
        let answering = AssertUnwindSafe(answering).catch_unwind();
        let latest: Instant = context.deadline() + GRACE;
        async move {
            let _held = place;
            let answered = tokio::time::timeout_at(latest, answering);
            let response = tokio::select! {
                biased;
                answered = answered => match answered {
                    Ok(Ok(response)) => response,
                    Ok(Err(_panic)) => interrupt(Interruption::Panicked, &context),
                    Err(_elapsed) => interrupt(Interruption::TimedOut, &context),
                },
                () = terminated.cancelled() => {
                    ending.note_terminated();
                    interrupt(Interruption::Terminated, &context)
                }
            };
            finish(response, &context, ending)
        }
        .boxed()
    }
}

//! What answers the calls.

use std::convert::Infallible;
use std::sync::Arc;

use bytes::Bytes;
use http::{Request, Response};
use tonic::body::Body;
use tower::ServiceExt;
use tower::util::BoxCloneSyncService;

use crate::auth::Caller;
use crate::call::CallContext;
use crate::server::memory::CountedBody;
use crate::server::reply::{self, Reply};
use crate::server::response::{fail, note, translate};
use crate::server::shares::Place;
use crate::server::unary::{self, Unary};

/// What the gRPC library serves.
pub(in crate::server) type LibraryRoutes =
    BoxCloneSyncService<Request<Body>, Response<Body>, Infallible>;

/// The operations, and for all other calls the routes.
#[derive(Debug)]
pub(super) struct Backend<O> {
    pub(super) operations: O,
    pub(super) routes: LibraryRoutes,
    pub(super) maximum_request_bytes: usize,
}

impl<O: Unary> Backend<O> {
    /// Reads the message of a call, and answers it.
    pub(super) async fn operate<B>(
        self: Arc<Self>,
        method: O::Method,
        body: B,
        caller: Caller,
        context: CallContext,
        place: Arc<Place>,
    ) -> Response<Reply>
    where
        B: http_body::Body<Data = Bytes> + Unpin,
    {
        let read = unary::read(body, &place, &context, self.maximum_request_bytes);
        let message = match read.await {
            Ok(message) => message,
            Err(error) => return fail(error, &context),
        };
        let answer = self.operations.answer(method, message, caller, &context);
        answer.await.map_or_else(reply::failure, reply::success)
    }

    /// Lets the gRPC library find who answers a call.
    pub(super) async fn route<B>(
        self: Arc<Self>,
        request: Request<B>,
        caller: Caller,
        context: CallContext,
        place: Arc<Place>,
    ) -> Response<Reply>
    where
        B: http_body::Body<Data = Bytes> + Send + 'static,
        B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
    {
        let noted = context.clone();
        let mut request = request
            .map(|body| CountedBody::of(Body::new(body), place, move |event| note(&noted, event)));
        request.extensions_mut().insert(context.clone());
        request.extensions_mut().insert(caller);
        let Ok(response) = self.routes.clone().oneshot(request).await;
        translate(response, &context, self.maximum_request_bytes)
    }
}

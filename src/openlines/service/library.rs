//! The service as the gRPC library calls it.

use futures_util::stream::Empty;
use tonic::{Request, Response, Status, Streaming};

use super::OpenLines;
use crate::api::openlines::v1::open_lines_service_server::OpenLinesService;
use crate::api::openlines::v1::{
    GetSendStatusRequest, GetSendStatusResponse, ListErrorReasonsRequest, ListErrorReasonsResponse,
    SendConnectorMessagesRequest, SendConnectorMessagesResponse, SendCrmMessageRequest,
    SendCrmMessageResponse, SendNetworkMessageRequest, SendNetworkMessageResponse,
    StreamingSendMessagesRequest, StreamingSendMessagesResponse,
};
use crate::auth::Caller;
use crate::call::{CallContext, CallIdentity};
use crate::error::{Error, catalogue};
use crate::openlines::connector_messages::SendConnectorMessages;
use crate::openlines::crm_message::SendCrmMessage;
use crate::openlines::network_message::SendNetworkMessage;
use crate::openlines::operation::Operation;

/// With the caller and the context in the request's extensions.
#[tonic::async_trait]
impl OpenLinesService for OpenLines {
    type StreamingSendMessagesStream = Empty<Result<StreamingSendMessagesResponse, Status>>;

    async fn send_connector_messages(
        &self,
        request: Request<SendConnectorMessagesRequest>,
    ) -> Result<Response<SendConnectorMessagesResponse>, Status> {
        self.extended::<SendConnectorMessages>(request).await
    }

    async fn send_crm_message(
        &self,
        request: Request<SendCrmMessageRequest>,
    ) -> Result<Response<SendCrmMessageResponse>, Status> {
        self.extended::<SendCrmMessage>(request).await
    }

    async fn send_network_message(
        &self,
        request: Request<SendNetworkMessageRequest>,
    ) -> Result<Response<SendNetworkMessageResponse>, Status> {
        self.extended::<SendNetworkMessage>(request).await
    }

    async fn get_send_status(
        &self,
        request: Request<GetSendStatusRequest>,
    ) -> Result<Response<GetSendStatusResponse>, Status> {
        let (caller, context, request) = extended(request);
        let status = self.status_of(Some(request), caller, &context).await;
        status.map(Response::new)
    }

    async fn list_error_reasons(
        &self,
        _request: Request<ListErrorReasonsRequest>,
    ) -> Result<Response<ListErrorReasonsResponse>, Status> {
        Ok(Response::new(error_reasons()))
    }

    /// Streams do not come this way: the server reads them itself, item by item.
    async fn streaming_send_messages(
        &self,
        _request: Request<Streaming<StreamingSendMessagesRequest>>,
    ) -> Result<Response<Self::StreamingSendMessagesStream>, Status> {
        let identity = CallIdentity::default();
        Err(Error::OperationNotServed
            .into_failure(&identity)
            .into_status(&identity))
    }
}

impl OpenLines {
    async fn extended<O: Operation>(
        &self,
        request: Request<O::Request>,
    ) -> Result<Response<O::Response>, Status> {
        let (caller, context, request) = extended(request);
        let sent = self.send::<O>(caller, &request, &context).await;
        sent.map(Response::new)
    }
}

/// The caller and the context of a call that the gRPC library has routed, and its request.
fn extended<M>(request: Request<M>) -> (Option<Caller>, CallContext, M) {
    let (_, mut extensions, request) = request.into_parts();
    let context = extensions.remove::<CallContext>().unwrap_or_default();
    (extensions.remove::<Caller>(), context, request)
}

/// The catalogue of errors, which is the same for all callers.
pub(super) fn error_reasons() -> ListErrorReasonsResponse {
    let error_reasons = catalogue().to_vec();
    ListErrorReasonsResponse { error_reasons }
}

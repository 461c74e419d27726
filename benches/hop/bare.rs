//! The bare hop: the same operation with tonic and reqwest and nothing else. No keys, no checks, no
//! limits, no logs.

use bitrix24_openlines::api::openlines::v1::open_lines_service_server::{
    OpenLinesService, OpenLinesServiceServer,
};
use bitrix24_openlines::api::openlines::v1::{
    GetSendStatusRequest, GetSendStatusResponse, ListErrorReasonsRequest, ListErrorReasonsResponse,
    SendConnectorMessagesRequest, SendConnectorMessagesResponse, SendCrmMessageRequest,
    SendCrmMessageResponse, SendNetworkMessageRequest, SendNetworkMessageResponse,
    StreamingSendMessagesRequest, StreamingSendMessagesResponse,
};
use futures_util::stream::Empty;
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tonic::transport::server::TcpIncoming;
use tonic::{Request, Response, Status, Streaming};

struct Bare {
    client: reqwest::Client,
    url: String,
}

#[tonic::async_trait]
impl OpenLinesService for Bare {
    type StreamingSendMessagesStream = Empty<Result<StreamingSendMessagesResponse, Status>>;

    async fn streaming_send_messages(
        &self,
        _request: Request<Streaming<StreamingSendMessagesRequest>>,
    ) -> Result<Response<Self::StreamingSendMessagesStream>, Status> {
        Err(Status::unimplemented("not measured"))
    }

    async fn send_crm_message(
        &self,
        request: Request<SendCrmMessageRequest>,
    ) -> Result<Response<SendCrmMessageResponse>, Status> {
        let request = request.into_inner();
        let body = json!({
            "CRM_ENTITY_TYPE": "lead",
            "CRM_ENTITY": request.crm_entity_id,
            "USER_ID": request.user_id,
            "CHAT_ID": request.portal_chat_id,
            "MESSAGE": request.text,
        });
        let answer = self
            .client
            .post(&self.url)
            .body(body.to_string())
            .send()
            .await;
        let answer = answer.map_err(|error| Status::unknown(error.to_string()))?;
        let answer = answer
            .bytes()
            .await
            .map_err(|error| Status::unknown(error.to_string()))?;
        let answer: Value =
            serde_json::from_slice(&answer).map_err(|error| Status::unknown(error.to_string()))?;
        let portal_message_id = answer["result"].as_i64().unwrap_or_default();
        Ok(Response::new(SendCrmMessageResponse {
            portal_message_id,
            ..Default::default()
        }))
    }

    async fn send_connector_messages(
        &self,
        _request: Request<SendConnectorMessagesRequest>,
    ) -> Result<Response<SendConnectorMessagesResponse>, Status> {
        Err(Status::unimplemented("not measured"))
    }

    async fn send_network_message(
        &self,
        _request: Request<SendNetworkMessageRequest>,
    ) -> Result<Response<SendNetworkMessageResponse>, Status> {
        Err(Status::unimplemented("not measured"))
    }

    async fn get_send_status(
        &self,
        _request: Request<GetSendStatusRequest>,
    ) -> Result<Response<GetSendStatusResponse>, Status> {
        Err(Status::unimplemented("not measured"))
    }

    async fn list_error_reasons(
        &self,
        _request: Request<ListErrorReasonsRequest>,
    ) -> Result<Response<ListErrorReasonsResponse>, Status> {
        Err(Status::unimplemented("not measured"))
    }
}

pub(crate) fn run(portal: &str) {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    runtime.block_on(async {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        println!("{}", listener.local_addr().unwrap());
        let bare = Bare {
            client: reqwest::Client::builder().no_proxy().build().unwrap(),
            url: format!("http://{portal}/rest/1/secret/imopenlines.crm.message.add"),
        };
        tonic::transport::Server::builder()
            .add_service(OpenLinesServiceServer::new(bare))
            .serve_with_incoming(TcpIncoming::from(listener).with_nodelay(Some(true)))
            .await
            .unwrap();
    });
}

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
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tonic::transport::server::TcpIncoming;
use tonic::{Request, Response, Status, Streaming};

struct Bare {
    client: reqwest::Client,
    url: String,
    /// Whether it has a type for what it sends and receives, in place of any JSON.
    is_typed: bool,
}

#[derive(Serialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
struct Message<'a> {
    crm_entity_type: &'a str,
    crm_entity: i64,
    user_id: i64,
    chat_id: i64,
    message: &'a str,
}

#[derive(Deserialize)]
struct Answer {
    result: i64,
}

impl Bare {
    fn body(&self, request: &SendCrmMessageRequest) -> String {
        if self.is_typed {
            let message = Message {
                crm_entity_type: "lead",
                crm_entity: request.crm_entity_id,
                user_id: request.user_id,
                chat_id: request.portal_chat_id,
                message: &request.text,
            };
            return serde_json::to_string(&message).unwrap();
        }
        let body = json!({
            "CRM_ENTITY_TYPE": "lead",
            "CRM_ENTITY": request.crm_entity_id,
            "USER_ID": request.user_id,
            "CHAT_ID": request.portal_chat_id,
            "MESSAGE": request.text,
        });
        body.to_string()
    }

    fn result(&self, answer: &[u8]) -> serde_json::Result<i64> {
        if self.is_typed {
            return Ok(serde_json::from_slice::<Answer>(answer)?.result);
        }
        let answer: Value = serde_json::from_slice(answer)?;
        Ok(answer["result"].as_i64().unwrap_or_default())
    }
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
        let answer = self
            .client
            .post(&self.url)
            .body(self.body(&request))
            .send()
            .await;
        let answer = answer.map_err(|error| Status::unknown(error.to_string()))?;
        let answer = answer
            .bytes()
            .await
            .map_err(|error| Status::unknown(error.to_string()))?;
        let portal_message_id = self
            .result(&answer)
            .map_err(|error| Status::unknown(error.to_string()))?;
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

/// Runs it until the process is killed, with any JSON or with types.
pub(crate) fn run(portal: &str, is_typed: bool) {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    runtime.block_on(async {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        println!("{}", listener.local_addr().unwrap());
        let bare = Bare {
            client: reqwest::Client::builder().no_proxy().build().unwrap(),
            url: format!("http://{portal}/rest/1/secret/imopenlines.crm.message.add"),
            is_typed,
        };
        tonic::transport::Server::builder()
            .add_service(OpenLinesServiceServer::new(bare))
            .serve_with_incoming(TcpIncoming::from(listener).with_nodelay(Some(true)))
            .await
            .unwrap();
    });
}

//! Requests that break no rule and that the demonstration portal accepts.

use bitrix24_openlines::api::openlines::v1 as api;
use bitrix24_openlines::api::openlines::v1::open_lines_service_client::OpenLinesServiceClient;
use prost_types::value::Kind;
use prost_types::{ListValue, Struct, Value};
use sandbox::demo;
use tonic::transport::Channel;
use tonic::{Request, Response, Status};

use super::{APPLICATION, Service, WEBHOOK, World};

/// The request of one of the three operations.
pub(crate) trait Message: Sized {
    type Response;

    async fn send(
        client: OpenLinesServiceClient<Channel>,
        request: Request<Self>,
    ) -> Result<Response<Self::Response>, Status>;
}

macro_rules! messages {
    ($($request:ident => $response:ident, $method:ident;)*) => {
        $(impl Message for api::$request {
            type Response = api::$response;

            async fn send(
                mut client: OpenLinesServiceClient<Channel>,
                request: Request<Self>,
            ) -> Result<Response<Self::Response>, Status> {
                client.$method(request).await
            }
        })*
    };
}

messages! {
    SendConnectorMessagesRequest => SendConnectorMessagesResponse, send_connector_messages;
    SendCrmMessageRequest => SendCrmMessageResponse, send_crm_message;
    SendNetworkMessageRequest => SendNetworkMessageResponse, send_network_message;
}

impl World {
    /// Sends a message over a new connection, with the API key that may act for every tenant.
    pub(crate) async fn send<M: Message>(&self, message: M) -> Result<M::Response, Status> {
        self.service.send(message).await
    }
}

impl Service {
    pub(crate) async fn send<M: Message>(&self, message: M) -> Result<M::Response, Status> {
        let response = M::send(self.client().await, self.request(message)).await;
        response.map(Response::into_inner)
    }
}

pub(crate) fn crm_message(text: &str) -> api::SendCrmMessageRequest {
    api::SendCrmMessageRequest {
        tenant_id: WEBHOOK.to_owned(),
        crm_entity_type: api::CrmEntityType::Lead.into(),
        crm_entity_id: demo::LEAD,
        user_id: demo::MEMBER,
        portal_chat_id: demo::CHAT,
        text: text.to_owned(),
        ..Default::default()
    }
}

pub(crate) fn network_message(text: &str) -> api::SendNetworkMessageRequest {
    api::SendNetworkMessageRequest {
        tenant_id: WEBHOOK.to_owned(),
        line_code: demo::NETWORK_CODE.to_owned(),
        user_id: demo::OUTSIDER,
        text: text.to_owned(),
        ..Default::default()
    }
}

pub(crate) fn connector_messages(
    messages: Vec<api::ConnectorMessage>,
) -> api::SendConnectorMessagesRequest {
    api::SendConnectorMessagesRequest {
        tenant_id: APPLICATION.to_owned(),
        connector_id: demo::CONNECTOR.to_owned(),
        line_id: demo::LINE,
        messages,
        ..Default::default()
    }
}

pub(crate) fn connector_message(id: &str, text: &str) -> api::ConnectorMessage {
    api::ConnectorMessage {
        user: Some(api::ExternalUser {
            id: "u1".to_owned(),
            ..Default::default()
        }),
        message: Some(api::ExternalMessage {
            id: id.to_owned(),
            text: text.to_owned(),
            ..Default::default()
        }),
        chat: Some(api::ExternalChat {
            id: "c1".to_owned(),
            ..Default::default()
        }),
    }
}

/// A JSON object as `google.protobuf.Struct`, in which all numbers are doubles.
pub(crate) fn struct_of(json: &serde_json::Value) -> Struct {
    let object = json.as_object().unwrap();
    let fields = object
        .iter()
        .map(|(key, value)| (key.clone(), value_of(value)));
    Struct {
        fields: fields.collect(),
    }
}

fn value_of(json: &serde_json::Value) -> Value {
    use serde_json::Value as Json;
    let kind = match json {
        Json::Null => Kind::NullValue(0),
        Json::Bool(on) => Kind::BoolValue(*on),
        Json::Number(number) => Kind::NumberValue(number.as_f64().unwrap()),
        Json::String(text) => Kind::StringValue(text.clone()),
        Json::Array(items) => Kind::ListValue(ListValue {
            values: items.iter().map(value_of).collect(),
        }),
        Json::Object(_) => Kind::StructValue(struct_of(json)),
    };
    Value { kind: Some(kind) }
}

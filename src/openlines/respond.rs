//! What a caller gets for any result of a portal, for the fuzz targets.

use std::time::Duration;

use prost::Message;
use tonic::Status;

use super::connector_messages::SendConnectorMessages;
use super::crm_message::SendCrmMessage;
use super::names::NameRule;
use super::network_message::SendNetworkMessage;
use super::operation::Operation;
use super::settings::Rules;
use crate::api::openlines::v1::{
    ConnectorMessage, ExternalMessage, SendConnectorMessagesRequest, SendCrmMessageRequest,
    SendNetworkMessageRequest,
};
use crate::call::CallIdentity;
use crate::error::Error;
use bitrix24::{Answer, CallError, TenantId};

/// Documented operating time of a method in ten minutes.
const OPERATING_LIMIT: Duration = Duration::from_secs(480);

/// Rules that responses depend on.
const RULES: Rules = Rules {
    names: NameRule::Clean,
    maximum_messages: 100,
    maximum_text_characters: 20_000,
    maximum_attachment_bytes: 30_720,
    maximum_keyboard_bytes: 30_720,
};

/// The encoded response or the status of each operation; the first is of so many messages.
pub fn respond(
    result: &Result<Answer, CallError>,
    messages: usize,
) -> [Result<Vec<u8>, Status>; 3] {
    let message = |number: usize| ConnectorMessage {
        message: Some(ExternalMessage {
            id: format!("m{number}"),
            ..Default::default()
        }),
        ..Default::default()
    };
    let connector = SendConnectorMessagesRequest {
        messages: (0..messages).map(message).collect(),
        ..Default::default()
    };
    [
        of::<SendConnectorMessages>(result, &connector),
        of::<SendCrmMessage>(result, &SendCrmMessageRequest::default()),
        of::<SendNetworkMessage>(result, &SendNetworkMessageRequest::default()),
    ]
}

fn of<O: Operation<Response: Message>>(
    result: &Result<Answer, CallError>,
    request: &O::Request,
) -> Result<Vec<u8>, Status> {
    let call = CallIdentity {
        call_id: "call".into(),
        tenant_id: TenantId::parse("tenant").ok(),
        method: Some(O::METHOD),
        line: None,
    };
    let reply = match result {
        Ok(answer) => O::reply(
            answer.clone(),
            request,
            &RULES,
            &call,
            Some(OPERATING_LIMIT),
        ),
        Err(error) => Err(Error::Call(error.clone())),
    };
    reply
        .map(|response| response.encode_to_vec())
        .map_err(|error| error.into_failure(&call).into_status(&call))
}

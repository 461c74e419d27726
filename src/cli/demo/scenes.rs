//! The calls of the demo: one of each operation, a partial failure, a refused request.

use std::net::SocketAddr;

use prost::{Message, Name};
use tonic::metadata::MetadataValue;
use tonic::transport::Endpoint;
use tonic::{Request, Response, Status};

use super::display::Display;
use super::settings::{APPLICATION, WEBHOOK};
use crate::api::openlines::v1 as api;
use crate::api::openlines::v1::attachment_block::Block;
use crate::api::openlines::v1::keyboard_button::Action;
use crate::api::openlines::v1::keyboard_item::Item;
use crate::api::openlines::v1::open_lines_service_client::OpenLinesServiceClient;
use crate::api::openlines::v1::send_network_message_request::{AttachmentForm, KeyboardForm};
use crate::auth::NewKey;
use crate::cli::Failure;
use sandbox::demo;

/// The id of the message that the sandbox refuses.
pub(super) const REFUSED_MESSAGE: &str = "demo-message-3";

/// How a scene must end for the demo to succeed.
enum Ending {
    Success,
    Refusal,
}

pub(super) async fn play(
    service: SocketAddr,
    key: &NewKey,
    display: &mut Display,
) -> Result<(), Failure> {
    let channel = Endpoint::from_shared(format!("http://{service}"))?
        .connect()
        .await?;
    let mut client = OpenLinesServiceClient::new(channel);

    let request = one_connector_message();
    display.scene(
        1,
        "A message of an external messenger, through a connector",
        &request,
    )?;
    let answer = client
        .send_connector_messages(authorized(request, key)?)
        .await;
    end(display, answer, &Ending::Success)?;

    let request = crm_message(demo::CHAT);
    display.scene(2, "A message into the chat of a lead", &request)?;
    let answer = client.send_crm_message(authorized(request, key)?).await;
    end(display, answer, &Ending::Success)?;

    let request = network_message();
    display.scene(
        3,
        "A message to a user of the portal, with attachment and keyboard",
        &request,
    )?;
    let answer = client.send_network_message(authorized(request, key)?).await;
    end(display, answer, &Ending::Success)?;

    let request = connector_messages(vec![
        connector_message("demo-message-2", "This one arrives."),
        connector_message(REFUSED_MESSAGE, "Bitrix24 refuses this one."),
    ]);
    display.scene(
        4,
        "A partial failure: each message has its own result",
        &request,
    )?;
    let answer = client
        .send_connector_messages(authorized(request, key)?)
        .await;
    end(display, answer, &Ending::Success)?;

    let request = crm_message(demo::CHAT + 1);
    display.scene(5, "A refused request: the chat is not the lead's", &request)?;
    let answer = client.send_crm_message(authorized(request, key)?).await;
    end(display, answer, &Ending::Refusal)
}

fn authorized<R>(request: R, key: &NewKey) -> Result<Request<R>, Failure> {
    let mut request = Request::new(request);
    let value: MetadataValue<_> = format!("Bearer {}", key.expose()).parse()?;
    request.metadata_mut().insert("authorization", value);
    Ok(request)
}

fn end<R: Message + Name>(
    display: &mut Display,
    answer: Result<Response<R>, Status>,
    expected: &Ending,
) -> Result<(), Failure> {
    match (answer, expected) {
        (Ok(response), Ending::Success) => display.response(response.get_ref()),
        (Err(status), Ending::Refusal) => display.status(&status),
        (Ok(_), Ending::Refusal) => Err("the call should have been refused".into()),
        (Err(status), Ending::Success) => {
            display.status(&status)?;
            Err("the call should have succeeded".into())
        }
    }
}

fn one_connector_message() -> api::SendConnectorMessagesRequest {
    connector_messages(vec![connector_message("demo-message-1", "Good afternoon")])
}

fn connector_messages(messages: Vec<api::ConnectorMessage>) -> api::SendConnectorMessagesRequest {
    api::SendConnectorMessagesRequest {
        tenant_id: APPLICATION.to_owned(),
        connector_id: demo::CONNECTOR.to_owned(),
        line_id: demo::LINE,
        messages,
        ..Default::default()
    }
}

fn connector_message(id: &str, text: &str) -> api::ConnectorMessage {
    api::ConnectorMessage {
        user: Some(api::ExternalUser {
            id: "customer-42".to_owned(),
            first_name: "Ada".to_owned(),
            last_name: "Lovelace".to_owned(),
            gender: api::Gender::Female.into(),
            ..Default::default()
        }),
        message: Some(api::ExternalMessage {
            id: id.to_owned(),
            text: text.to_owned(),
            ..Default::default()
        }),
        chat: Some(api::ExternalChat {
            id: "channel-123".to_owned(),
            name: "Support".to_owned(),
            url: "https://example.com/chats/123".to_owned(),
        }),
    }
}

fn crm_message(portal_chat_id: i64) -> api::SendCrmMessageRequest {
    api::SendCrmMessageRequest {
        tenant_id: WEBHOOK.to_owned(),
        crm_entity_type: api::CrmEntityType::Lead.into(),
        crm_entity_id: demo::LEAD,
        user_id: demo::MEMBER,
        portal_chat_id,
        text: "Your order has left our warehouse.".to_owned(),
        ..Default::default()
    }
}

fn network_message() -> api::SendNetworkMessageRequest {
    let link = api::LinkBlock {
        name: "Order 4711".to_owned(),
        url: "https://example.com/orders/4711".to_owned(),
        ..Default::default()
    };
    let button = api::KeyboardButton {
        text: "Track the parcel".to_owned(),
        action: Some(Action::Url("https://example.com/track/4711".to_owned())),
        background_color_token: api::ColorToken::Primary.into(),
        ..Default::default()
    };
    api::SendNetworkMessageRequest {
        tenant_id: WEBHOOK.to_owned(),
        line_code: demo::NETWORK_CODE.to_owned(),
        user_id: demo::OUTSIDER,
        text: "[B]Your order is on its way[/B]".to_owned(),
        attachment_form: Some(AttachmentForm::Attachment(api::Attachment {
            blocks: vec![api::AttachmentBlock {
                block: Some(Block::Link(link)),
            }],
            ..Default::default()
        })),
        keyboard_form: Some(KeyboardForm::Keyboard(api::Keyboard {
            items: vec![api::KeyboardItem {
                item: Some(Item::Button(button)),
            }],
        })),
        ..Default::default()
    }
}

//! One message to one chat.

use std::time::Duration;

use bitrix24_openlines::api::openlines::v1 as api;
use bytes::Bytes;
use http::Request;
use http_body_util::Full;
use sandbox::demo;
use uuid::Uuid;

use super::connection::{Connection, LONGEST};
use super::sandbox::CHATS;

/// A message to be delivered.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Call {
    pub(crate) portal: usize,
    pub(crate) chat: i64,
    /// Which message it is.
    pub(crate) number: usize,
    /// Its place among all calls that were sent to the chat.
    pub(crate) turn: usize,
    pub(crate) may_be_batched: bool,
    /// The caller's deadline, from the moment of the call.
    pub(crate) deadline: Duration,
    /// The idempotency key.
    pub(crate) request_id: Option<Uuid>,
}

impl Call {
    /// A call to the first portal. The first 5,000 numbers have a chat each.
    pub(crate) fn new(number: usize) -> Self {
        Self {
            portal: 0,
            chat: 1 + i64::try_from(number).unwrap() % CHATS,
            number,
            turn: 0,
            may_be_batched: true,
            deadline: LONGEST,
            request_id: None,
        }
    }

    pub(crate) fn request(&self, connection: &Connection) -> Request<Full<Bytes>> {
        let message = api::SendCrmMessageRequest {
            tenant_id: tenant(self.portal),
            crm_entity_type: api::CrmEntityType::Lead.into(),
            crm_entity_id: demo::LEAD,
            user_id: demo::MEMBER,
            portal_chat_id: self.chat,
            text: self.text(),
            request_id: self.request_id.map(|id| id.to_string()).unwrap_or_default(),
            disable_batching: !self.may_be_batched,
            ..Default::default()
        };
        let method = "/openlines.v1.OpenLinesService/SendCrmMessage";
        connection.request(method, &message, self.deadline)
    }

    fn text(&self) -> String {
        let Self { number, turn, .. } = self;
        format!("{number} {turn} Your order has left our warehouse and will arrive tomorrow.")
    }

    /// The number and the turn of the message with this text.
    pub(crate) fn read(text: &str) -> (usize, usize) {
        let mut words = text.split(' ').map(|word| word.parse().unwrap());
        (words.next().unwrap(), words.next().unwrap())
    }
}

/// The tenant of a portal.
pub(crate) fn tenant(portal: usize) -> String {
    format!("tenant-{portal}")
}

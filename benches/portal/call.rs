//! One message to one chat.

use bitrix24_openlines::api::openlines::v1 as api;
use bytes::Bytes;
use http::Request;
use http_body_util::Full;
use sandbox::demo;

use super::connection::Connection;

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
}

impl Call {
    pub(crate) fn request(&self, connection: &Connection) -> Request<Full<Bytes>> {
        let message = api::SendCrmMessageRequest {
            tenant_id: tenant(self.portal),
            crm_entity_type: api::CrmEntityType::Lead.into(),
            crm_entity_id: demo::LEAD,
            user_id: demo::MEMBER,
            portal_chat_id: self.chat,
            text: self.text(),
            disable_batching: !self.may_be_batched,
            ..Default::default()
        };
        connection.request("/openlines.v1.OpenLinesService/SendCrmMessage", &message)
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

//! The items of `StreamingSendMessages`: which call each is, and its answer.

use bytes::Bytes;
use prost::Message;
use tonic::Status;

use super::connector_messages::SendConnectorMessages;
use super::crm_message::SendCrmMessage;
use super::network_message::SendNetworkMessage;
use super::operation::Operation;
use crate::api::openlines::v1::streaming_send_messages_request::Operation as Given;
use crate::api::openlines::v1::streaming_send_messages_response::Result as Answer;
use crate::api::openlines::v1::{StreamingSendMessagesRequest, StreamingSendMessagesResponse};
use crate::error;
use crate::server::{Item, framed};

/// The name of the RPC.
pub(super) const NAME: &str = "StreamingSendMessages";

/// The call of an item.
#[derive(Debug)]
pub(crate) struct ItemCall(pub(super) Given);

impl ItemCall {
    /// The name of its RPC.
    pub(super) fn name(&self) -> &'static str {
        match &self.0 {
            Given::ConnectorMessages(_) => SendConnectorMessages::NAME,
            Given::CrmMessage(_) => SendCrmMessage::NAME,
            Given::NetworkMessage(_) => SendNetworkMessage::NAME,
        }
    }
}

/// Reads an item.
pub(super) fn item(message: Bytes) -> Option<Item<ItemCall>> {
    let request = StreamingSendMessagesRequest::decode(message).ok()?;
    Some(Item {
        key: request.item_key,
        timeout: request.timeout,
        call: request.operation.map(ItemCall),
    })
}

/// The answer to an item that has failed.
pub(super) fn failed(key: &str, status: &Status) -> Bytes {
    answered(key, Answer::Error(error::rpc_status(status)))
}

/// The answer to an item.
pub(super) fn answered(key: &str, result: Answer) -> Bytes {
    framed(&StreamingSendMessagesResponse {
        item_key: key.to_owned(),
        result: Some(result),
    })
}

#[cfg(test)]
mod tests {
    use tonic_types::pb;

    use super::*;
    use crate::call::CallIdentity;
    use crate::error::Error;

    #[test]
    fn a_failed_item_has_the_status_of_a_single_call_with_its_details() {
        let identity = CallIdentity::default();
        let failure = Error::Overloaded.into_failure(&identity);
        let expected: pb::Status = failure.to_rpc_status(&identity);
        let frame = failed("a", &failure.into_status(&identity));
        let answer = StreamingSendMessagesResponse::decode(frame.slice(5..)).unwrap();
        assert_eq!(answer.item_key, "a");
        let Some(Answer::Error(error)) = answer.result else {
            panic!("{:?}", answer.result);
        };
        assert_eq!(
            (error.code, &error.message),
            (expected.code, &expected.message)
        );
        // The metadata of ErrorInfo have no order.
        let kinds = |status: &pb::Status| {
            let details = status.details.iter();
            let kinds = details.map(|detail| (detail.type_url.clone(), detail.value.len()));
            kinds.collect::<Vec<_>>()
        };
        assert_eq!(kinds(&error), kinds(&expected));
        assert!(!error.details.is_empty());
    }

    #[test]
    fn what_is_no_message_is_no_item_and_a_message_without_a_call_is_one() {
        assert!(item(Bytes::from_static(&[0xff])).is_none());
        let empty = item(Bytes::new()).unwrap();
        assert!(empty.key.is_empty() && empty.call.is_none());
    }
}

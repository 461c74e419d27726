//! The shape that the three operations share.

use std::time::Duration;

use prost::Message;

use super::settings::Rules;
use crate::api::openlines::v1::{
    CallEstimate, SendConnectorMessagesRequest, SendConnectorMessagesResponse,
    SendCrmMessageRequest, SendCrmMessageResponse, SendNetworkMessageRequest,
    SendNetworkMessageResponse,
};
use crate::call::{CallIdentity, Conversations, Recipient};
use crate::check::Check;
use crate::error::Error;
use crate::metrics::MessageResults;
use bitrix24::{Answer, Method, NotAnObject, Parameters};

/// One RPC: a request becomes parameters, an answer becomes a response.
pub(super) trait Operation {
    type Request: SendRequest + Message + Default + Send + Sync;
    type Response: SendResponse + Message;

    /// The name of the RPC.
    const NAME: &'static str;

    /// The REST method behind the RPC.
    const METHOD: Method;

    /// The conversations that a valid request writes to, each once. Not more than a valid request
    /// can have, whatever its size: one with too many messages will be refused, and has none.
    fn conversations(request: &Self::Request, rules: &Rules) -> Conversations;

    /// The open channel that the request names, by id or by code.
    fn line(request: &Self::Request) -> Option<String>;

    /// Who gets the message, if Bitrix24 limits how many.
    fn recipient(_request: &Self::Request) -> Option<Recipient> {
        None
    }

    /// How many messages the request has.
    fn messages(_request: &Self::Request) -> usize {
        1
    }

    /// How many of so many messages Bitrix24 has accepted.
    fn accepted(_answer: &Answer, messages: usize) -> usize {
        messages
    }

    /// How the portal judged the messages of an answered call, if it judges them one by one.
    fn results(_response: &Self::Response) -> Option<MessageResults> {
        None
    }

    /// Checks the request and makes Bitrix24's parameters, to be sent if the check finds nothing.
    fn prepare(
        request: &Self::Request,
        rules: &Rules,
        check: &mut Check,
    ) -> Result<Parameters, NotAnObject>;

    /// Makes the response. `operating_limit` is the method's operating time on this portal.
    fn reply(
        answer: Answer,
        request: &Self::Request,
        rules: &Rules,
        call: &CallIdentity,
        operating_limit: Option<Duration>,
    ) -> Result<Self::Response, Error>;
}

/// The fields that every request of the service has.
pub(super) trait SendRequest {
    fn tenant_id(&self) -> &str;
    /// The field `request_id`: a UUID or empty.
    fn idempotency_key(&self) -> &str;
    /// The number of the enum's value, which need not be a known one.
    fn priority(&self) -> i32;
    fn disable_batching(&self) -> bool;
    /// Whether the call is only checked.
    fn validate_only(&self) -> bool;
}

/// The fields that every response of the service has.
pub(super) trait SendResponse {
    /// The response to a call that was only checked.
    fn of_estimate(estimate: CallEstimate, replayed: bool) -> Self;
    /// It comes from the ledger.
    fn set_replayed(&mut self);
}

macro_rules! send_requests {
    ($($request:ty),*) => {
        $(impl SendRequest for $request {
            fn tenant_id(&self) -> &str {
                &self.tenant_id
            }

            fn idempotency_key(&self) -> &str {
                &self.request_id
            }

            fn priority(&self) -> i32 {
                self.priority
            }

            fn disable_batching(&self) -> bool {
                self.disable_batching
            }

            fn validate_only(&self) -> bool {
                self.validate_only
            }
        })*
    };
}

send_requests!(
    SendConnectorMessagesRequest,
    SendCrmMessageRequest,
    SendNetworkMessageRequest
);

macro_rules! send_responses {
    ($($response:ty),*) => {
        $(impl SendResponse for $response {
            fn of_estimate(estimate: CallEstimate, replayed: bool) -> Self {
                Self {
                    estimate: Some(estimate),
                    replayed,
                    ..Default::default()
                }
            }

            fn set_replayed(&mut self) {
                self.replayed = true;
            }
        })*
    };
}

send_responses!(
    SendConnectorMessagesResponse,
    SendCrmMessageResponse,
    SendNetworkMessageResponse
);

//! What the three operations have in common.

use std::time::Duration;

use super::check::Check;
use crate::dispatch::Conversation;
use crate::error::{CallIdentity, Error};
use bitrix24::{Answer, Method, NotAnObject, Parameters};

/// One RPC: a request becomes parameters, an answer becomes a response.
pub(super) trait Operation {
    /// The RPC's request.
    type Request;
    /// The RPC's response.
    type Response;

    /// The REST method behind the RPC.
    const METHOD: Method;

    /// The tenant that the request names.
    fn tenant_id(request: &Self::Request) -> &str;

    /// The idempotency key, or an empty text.
    fn request_id(request: &Self::Request) -> &str;

    /// The value of the request's priority, which need not be one of the enum's.
    fn priority(request: &Self::Request) -> i32;

    /// Whether the call has to travel alone.
    fn disable_batching(request: &Self::Request) -> bool;

    /// The conversations that a valid request writes to, each once.
    fn conversations(request: &Self::Request) -> Vec<Conversation>;

    /// The open channel that the request names, by id or by code.
    fn line(request: &Self::Request) -> Option<String>;

    /// Checks the request and puts it into Bitrix24's terms, to be sent if the check finds nothing.
    fn prepare(request: &Self::Request, check: &mut Check<'_>) -> Result<Parameters, NotAnObject>;

    /// Puts the answer into the API's terms. `operating_limit` is how long the method may run on this portal.
    fn reply(
        answer: Answer,
        request: &Self::Request,
        call: &CallIdentity,
        operating_limit: Option<Duration>,
    ) -> Result<Self::Response, Error>;
}

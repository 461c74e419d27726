//! What reads bytes that only a peer writes, for the fuzz targets. Not an API.

use std::net::IpAddr;

use bytes::Bytes;
use secrecy::SecretString;

use crate::address_guard::{AddressGuard, Reach};
use crate::answer::{Answer, Envelope};
use crate::batch::BatchAnswer;
use crate::call_error::CallError;
use crate::echo::Sent;
use crate::oauth::{self, ApplicationInfo, OAuthError, Tokens};
use crate::parameters::Parameters;
use crate::transport::HttpResponse;

/// A response as it came over the wire.
#[derive(Clone, Copy, Debug)]
pub struct Response<'a> {
    /// The HTTP status.
    pub http_status: u16,
    /// The header `location`.
    pub location: Option<&'a str>,
    /// The whole body.
    pub body: &'a [u8],
}

impl Response<'_> {
    fn to_a_request_with<'a>(self, secret: &'a SecretString) -> HttpResponse<'a> {
        let location = self.location.map(str::to_owned);
        let sent = Sent::one(secret);
        HttpResponse::new(self.http_status, location, self.body.to_vec(), sent)
    }
}

/// Reads a portal's response to a single call that sent `secret`.
///
/// # Errors
///
/// As a call has them.
pub fn answer(response: Response<'_>, secret: &SecretString) -> Result<Answer, CallError> {
    Answer::read(&response.to_a_request_with(secret))
}

/// Reads a portal's response to a batch of so many commands that sent `secret`.
///
/// # Errors
///
/// As [`Client::batch`](crate::Client::batch) has them.
pub fn batch_answer(
    response: Response<'_>,
    commands: usize,
    secret: &SecretString,
) -> Result<BatchAnswer, CallError> {
    Envelope::read(&response.to_a_request_with(secret))
        .map(|envelope| BatchAnswer::read(envelope, commands))
        .map_err(CallError::of_batch)
}

/// Reads an authorization server's response to a refresh that sent `secret`.
///
/// # Errors
///
/// As [`Client::refresh`](crate::Client::refresh) has them.
pub fn tokens(response: Response<'_>, secret: &SecretString) -> Result<Tokens, OAuthError> {
    oauth::tokens(&response.to_a_request_with(secret))
}

/// Reads an authorization server's response about the access token `secret`.
///
/// # Errors
///
/// As [`Client::application_info`](crate::Client::application_info) has them.
pub fn application_info(
    response: Response<'_>,
    secret: &SecretString,
) -> Result<ApplicationInfo, OAuthError> {
    oauth::application_info(&response.to_a_request_with(secret))
}

/// The body of a call with an access token.
pub fn body_with_token(parameters: &Parameters, access_token: &SecretString) -> Bytes {
    parameters.body_with_token(access_token)
}

/// Whether a portal of the cloud, or one that the operator listed, may have this address.
pub fn may_be_dialled(address: IpAddr, is_self_hosted: bool) -> bool {
    let reach = if is_self_hosted {
        Reach::Private
    } else {
        Reach::Public
    };
    AddressGuard::new(Vec::new())
        .check_all([address], reach)
        .is_ok()
}

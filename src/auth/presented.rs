//! The credentials that come with a call.

use std::fmt;

use http::{HeaderMap, header};

use super::api_key::ApiKey;
use super::flaw::{Flaw, SCHEME};
use super::peer_certificate::PeerCertificate;
use super::rejected::Rejected;
use super::token_form::{MAXIMUM_TOKEN_BYTES, is_token};

/// Headers in which other services take API keys.
const OTHER_HEADERS: [&str; 2] = ["x-api-key", "api-key"];

/// The credentials of a call, before anyone has judged them.
#[derive(Clone, Copy)]
pub struct Presented<'a> {
    /// The headers of the call.
    pub headers: &'a HeaderMap,
    /// The certificate of the connection's client, if it has one that was verified.
    pub peer: Option<&'a PeerCertificate>,
}

impl<'a> Presented<'a> {
    /// The value of the only `authorization` header; `None` if there is none.
    ///
    /// # Errors
    ///
    /// There are several: the two ends of a proxy chain could each use another one.
    pub(super) fn authorization(&self) -> Result<Option<&'a [u8]>, Rejected> {
        let mut values = self.headers.get_all(header::AUTHORIZATION).iter();
        match (values.next(), values.next()) {
            (value, None) => Ok(value.map(http::HeaderValue::as_bytes)),
            (_, Some(_)) => Err(Rejected::DuplicateHeader),
        }
    }

    /// Why it has no credential at all.
    pub(super) fn missing(&self) -> Rejected {
        if OTHER_HEADERS
            .iter()
            .any(|name| self.headers.contains_key(*name))
        {
            Rejected::OtherHeader
        } else {
            Rejected::Missing
        }
    }

    /// The token of the only `authorization` header, if it may be a JWT.
    pub(super) fn token(&self) -> Option<&'a str> {
        match bearer(self.authorization().ok()??) {
            Ok(Bearer::Token(token)) => Some(token),
            Ok(Bearer::ApiKey(_)) | Err(_) => None,
        }
    }
}

/// What follows the scheme `Bearer`.
#[derive(Clone, Copy)]
pub(super) enum Bearer<'a> {
    ApiKey(ApiKey<'a>),
    /// Three parts with dots between them.
    Token(&'a str),
}

/// Reads the value of an `authorization` header. The scheme is case-insensitive (RFC 9110, 11.1).
pub(super) fn bearer(header: &[u8]) -> Result<Bearer<'_>, Rejected> {
    credential(header).ok_or_else(|| Rejected::Malformed(Flaw::of(header)))
}

fn credential(header: &[u8]) -> Option<Bearer<'_>> {
    let (scheme, credential) = std::str::from_utf8(header).ok()?.split_once(' ')?;
    if !scheme.eq_ignore_ascii_case(SCHEME) {
        return None;
    }
    if let Some(key) = ApiKey::parse(credential) {
        return Some(Bearer::ApiKey(key));
    }
    let is_token = credential.len() <= MAXIMUM_TOKEN_BYTES && is_token(credential);
    is_token.then_some(Bearer::Token(credential))
}

/// Headers hold credentials.
impl fmt::Debug for Presented<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Presented")
            .field("peer", &self.peer.is_some())
            .finish_non_exhaustive()
    }
}

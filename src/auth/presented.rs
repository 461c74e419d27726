//! The credentials that come with a call.

use std::fmt;

use http::{HeaderMap, header};

use super::api_key::ApiKey;
use super::peer_certificate::PeerCertificate;
use super::rejected::Rejected;

/// The longest JWT, in bytes. Those of Kubernetes have about 1,000, those of identity providers
/// with many claims up to some thousands.
const MAXIMUM_TOKEN_BYTES: usize = 8 * 1024;

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
    let text = std::str::from_utf8(header).map_err(|_| Rejected::Malformed)?;
    let credential = match text.split_once(' ') {
        Some((scheme, credential)) if scheme.eq_ignore_ascii_case("bearer") => credential,
        Some(_) | None => return Err(Rejected::Malformed),
    };
    if let Some(key) = ApiKey::parse(credential) {
        return Ok(Bearer::ApiKey(key));
    }
    if credential.len() <= MAXIMUM_TOKEN_BYTES && is_token(credential) {
        return Ok(Bearer::Token(credential));
    }
    Err(Rejected::Malformed)
}

/// Whether a text has the shape of a signed JWT: three parts in Base64 for URLs.
fn is_token(text: &str) -> bool {
    let is_part = |part: &str| {
        let is_allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"-_".contains(&byte);
        !part.is_empty() && part.bytes().all(is_allowed)
    };
    text.split('.').count() == 3 && text.split('.').all(is_part)
}

/// Headers hold credentials.
impl fmt::Debug for Presented<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Presented")
            .field("peer", &self.peer.is_some())
            .finish_non_exhaustive()
    }
}

//! Reads what a request asks for: a method of a portal, tokens, or nothing that exists.

mod brackets;
mod commands;
mod credential;
mod encoding;
mod http_request;
mod multipart;
mod origin;
mod rest;
mod token;

pub use brackets::decode;
pub(crate) use credential::{Credential, fingerprint};
pub(crate) use http_request::HttpRequest;
pub(crate) use origin::Origin;
pub(crate) use rest::{BATCH, RestRequest};
pub(crate) use token::{AUTHORIZATION_SERVER_METHODS, GrantType, TOKEN_METHOD, TokenRequest};

use secrecy::SecretString;

use crate::record::AuthKind;

/// What a request asks for. Not `Debug`, because it may contain secrets.
pub(crate) enum Request {
    /// A method of a portal.
    Method(RestRequest),
    /// Tokens of the authorization server.
    Tokens(TokenRequest),
    /// The address is not in use.
    Unknown,
}

impl Request {
    /// `bearer`: whether the header `Authorization` counts.
    pub(crate) fn read(http: &HttpRequest, bearer: bool) -> Self {
        if let Some(request) = TokenRequest::read(http) {
            return Self::Tokens(request);
        }
        RestRequest::read(http, bearer).map_or(Self::Unknown, Self::Method)
    }

    /// Whether it is for the authorization server, which does not move when a portal is renamed.
    pub(crate) fn is_for_authorization_server(&self) -> bool {
        AUTHORIZATION_SERVER_METHODS.contains(&self.method())
    }

    /// The method's name in the record.
    pub(crate) fn method(&self) -> &str {
        match self {
            Self::Method(request) => &request.method,
            Self::Tokens(_) => TOKEN_METHOD,
            Self::Unknown => "",
        }
    }

    pub(crate) fn auth(&self) -> AuthKind {
        match self {
            Self::Method(request) => request.credential.kind(),
            Self::Tokens(request) if request.get("client_id").is_some() => AuthKind::Client,
            Self::Tokens(_) | Self::Unknown => AuthKind::None,
        }
    }

    /// The secrets in it.
    pub(crate) fn secrets(&self) -> Vec<SecretString> {
        match self {
            Self::Method(request) => request.credential.secret().into_iter().cloned().collect(),
            Self::Tokens(request) => {
                let secrets = ["client_secret", "refresh_token", "code"];
                let given = secrets.into_iter().filter_map(|name| request.get(name));
                given.map(SecretString::from).collect()
            }
            Self::Unknown => Vec::new(),
        }
    }

    /// The grant of a token request, if it names a known one.
    pub(crate) fn grant(&self) -> Option<String> {
        match self {
            Self::Tokens(request) => Some(request.grant_type().ok()?.name().to_owned()),
            Self::Method(_) | Self::Unknown => None,
        }
    }
}

//! What a request is about: a method, tokens, or nothing that there is.

use http::header::AUTHORIZATION;

use super::oauth::{self, TokenRequest};
use super::record::AuthKind;
use super::request::RestRequest;
use super::switches::Switches;
use super::world::Arrived;

/// What a request asks for. It may hold secrets and is never shown.
pub(super) enum Asked {
    /// A method of a portal.
    Call(RestRequest),
    /// Tokens of the authorization server.
    Tokens(TokenRequest),
    /// Nothing that there is.
    Nothing,
}

impl Asked {
    /// Reads the request.
    pub(super) fn read(arrived: &Arrived, switches: &Switches) -> Self {
        if let Some(request) = TokenRequest::read(arrived) {
            return Self::Tokens(request);
        }
        let mut headers = arrived.headers.clone();
        if !switches.bearer {
            headers.remove(AUTHORIZATION);
        }
        RestRequest::read(&arrived.method, &arrived.uri, &headers, &arrived.body)
            .map_or(Self::Nothing, Self::Call)
    }

    /// Whether the authorization server is asked, which stays where it is when a portal is renamed.
    pub(super) fn is_for_authorization_server(&self) -> bool {
        oauth::METHODS.contains(&self.method())
    }

    /// The method as the record has it.
    pub(super) fn method(&self) -> &str {
        match self {
            Self::Call(request) => &request.method,
            Self::Tokens(_) => oauth::METHOD,
            Self::Nothing => "",
        }
    }

    /// What the request presents to prove who calls.
    pub(super) fn auth(&self) -> AuthKind {
        match self {
            Self::Call(request) => request.credential.kind(),
            Self::Tokens(request) if request.get("client_id").is_some() => AuthKind::Client,
            Self::Tokens(_) | Self::Nothing => AuthKind::None,
        }
    }

    /// The grant of a token request, if it names one.
    pub(super) fn grant(&self) -> Option<String> {
        match self {
            Self::Tokens(request) => {
                let grant_type = request.grant_type().ok()?;
                Some(grant_type.name().to_owned())
            }
            Self::Call(_) | Self::Nothing => None,
        }
    }
}

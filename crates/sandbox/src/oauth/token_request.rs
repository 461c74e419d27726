//! A request for tokens: GET with a query, or POST with a form.

use serde_json::{Map, Value};

use super::error::OAuthError;
use crate::request::Encoding;
use crate::world::Arrived;
use crate::{brackets, php};

/// With what an application asks for tokens.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum GrantType {
    /// The code of a redirect.
    AuthorizationCode,
    /// The refresh token of an earlier answer.
    RefreshToken,
}

impl GrantType {
    /// Its name in `grant_type` and in the record.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::AuthorizationCode => "authorization_code",
            Self::RefreshToken => "refresh_token",
        }
    }

    /// The parameter that proves the grant.
    pub(super) fn parameter(self) -> &'static str {
        match self {
            Self::AuthorizationCode => "code",
            Self::RefreshToken => "refresh_token",
        }
    }
}

/// The parameters of a token request. They hold secrets and are never shown.
pub(crate) struct TokenRequest(Map<String, Value>);

impl TokenRequest {
    /// Reads the request. `None` if it is not for the token endpoint.
    pub(crate) fn read(arrived: &Arrived) -> Option<Self> {
        if arrived.uri.path().trim_end_matches('/') != "/oauth/token" {
            return None;
        }
        let mut parameters = brackets::decode(arrived.uri.query().unwrap_or_default());
        let encoding = Encoding::of(&arrived.method, &arrived.headers);
        parameters.extend(encoding.parameters(&arrived.body));
        Some(Self(parameters))
    }

    pub(crate) fn grant_type(&self) -> Result<GrantType, OAuthError> {
        match self.require("grant_type")?.as_str() {
            "authorization_code" => Ok(GrantType::AuthorizationCode),
            "refresh_token" => Ok(GrantType::RefreshToken),
            // What another grant gets is not known.
            _ => Err(OAuthError::NO_GRANT_TYPE),
        }
    }

    /// A parameter that must be there.
    pub(super) fn require(&self, name: &str) -> Result<String, OAuthError> {
        self.get(name).ok_or(OAuthError::without(name))
    }

    /// A parameter, unless it is missing or empty.
    pub(crate) fn get(&self, name: &str) -> Option<String> {
        php::text(self.0.get(name)).filter(|value| !value.is_empty())
    }
}

//! A request for tokens: GET with a query, or POST with a form.

use serde_json::{Map, Value};

use super::encoding::{self, Encoding};
use super::http_request::HttpRequest;
use crate::error::OAuthError;
use crate::php;

/// The method of token requests in the record and for faults.
pub(crate) const TOKEN_METHOD: &str = "oauth.token";
/// The methods of the authorization server. Portals have the second too.
pub(crate) const AUTHORIZATION_SERVER_METHODS: [&str; 2] = [TOKEN_METHOD, "app.info"];

/// The kind of proof that a token request presents.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum GrantType {
    /// The code from the authorization page.
    AuthorizationCode,
    /// A refresh token.
    RefreshToken,
}

impl GrantType {
    /// The name in `grant_type` and in the record.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::AuthorizationCode => "authorization_code",
            Self::RefreshToken => "refresh_token",
        }
    }

    /// The parameter with the proof.
    pub(crate) fn parameter(self) -> &'static str {
        match self {
            Self::AuthorizationCode => "code",
            Self::RefreshToken => "refresh_token",
        }
    }
}

/// The parameters of a token request. Not `Debug`, because they contain secrets.
pub(crate) struct TokenRequest(Map<String, Value>);

impl TokenRequest {
    /// `None` if the path is not that of the token endpoint.
    pub(crate) fn read(http: &HttpRequest) -> Option<Self> {
        let is_for_tokens = http.uri.path().trim_end_matches('/') == "/oauth/token";
        is_for_tokens.then(|| Self(encoding::parameters(http, &Encoding::of(http))))
    }

    pub(crate) fn grant_type(&self) -> Result<GrantType, OAuthError> {
        match self.require("grant_type")?.as_str() {
            "authorization_code" => Ok(GrantType::AuthorizationCode),
            "refresh_token" => Ok(GrantType::RefreshToken),
            // The real error for other grants is not known.
            _ => Err(OAuthError::NO_GRANT_TYPE),
        }
    }

    /// A required parameter.
    pub(crate) fn require(&self, name: &str) -> Result<String, OAuthError> {
        self.get(name).ok_or(OAuthError::without(name))
    }

    /// A parameter, unless it is missing or empty.
    pub(crate) fn get(&self, name: &str) -> Option<String> {
        php::text(self.0.get(name)).filter(|value| !value.is_empty())
    }
}

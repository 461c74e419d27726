//! The application and portal of an access token.

use super::error::OAuthError;
use crate::advertised;
use crate::call_error::Unanswered;
use crate::identity::{ClientId, MemberId};
use crate::loose;
use crate::transport::{Document, HttpResponse};

/// The application and the portal of an access token, by the authorization server's response.
///
/// Source: page "app-info". A malformed id counts as missing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ApplicationInfo {
    /// The application.
    pub client_id: Option<ClientId>,
    /// The portal.
    pub member_id: Option<MemberId>,
    /// The portal's [address](crate::advertised::address).
    pub portal: Option<String>,
    /// The permissions of the application.
    pub scopes: Vec<String>,
    /// Whether the application is installed and set up.
    pub installed: Option<bool>,
    /// The user on whose behalf the application acts.
    pub user_id: Option<i64>,
}

impl ApplicationInfo {
    /// Reads a document that is not a refusal; without `result` it is [`Unanswered::NoResult`].
    pub(super) fn read(
        document: Document,
        response: &HttpResponse<'_>,
    ) -> Result<Self, OAuthError> {
        let document = document.into_clean();
        let Some(result) = document.get("result").filter(|result| result.is_object()) else {
            return Err(Unanswered::NoResult {
                http_status: response.http_status,
            }
            .into());
        };
        let install = result.get("install");
        let of_result = |key: &str| result.get(key).and_then(loose::text);
        let of_install = |key: &str| install?.get(key).and_then(loose::text);
        let scope = of_result("scope").or_else(|| of_install("scope"));
        Ok(Self {
            client_id: of_result("client_id").and_then(|id| ClientId::parse(&id).ok()),
            member_id: of_install("member_id").and_then(|id| MemberId::parse(&id).ok()),
            portal: of_install("client_endpoint")
                .and_then(|url| advertised::address(&url))
                .or_else(|| advertised::domain(&of_install("domain")?)),
            scopes: scope.map_or_else(Vec::new, |list| advertised::scopes(&list)),
            installed: install
                .and_then(|install| install.get("installed"))
                .and_then(loose::switch),
            user_id: result.get("user_id").and_then(loose::integer),
        })
    }
}

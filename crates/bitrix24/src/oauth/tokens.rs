//! A pair of tokens.

use std::time::Duration;

use secrecy::SecretString;

use super::error::OAuthError;
use crate::advertised;
use crate::call_error::Unanswered;
use crate::identity::MemberId;
use crate::loose;
use crate::transport::{Document, HttpResponse};

/// Documented lifetime of an access token, used if the server does not say it.
const DEFAULT_LIFE: Duration = Duration::from_secs(3600);
/// Longest lifetime accepted: that of a refresh token, half a year.
const MAXIMUM_LIFE_SECONDS: u64 = 180 * 24 * 3600;

/// A pair of tokens with its metadata. Its `Debug` form shows no secret.
///
/// Source: page "oauth", response of the token address.
#[derive(Clone, Debug)]
pub struct Tokens {
    /// The credential for the portal.
    pub access_token: SecretString,
    /// Single-use: each refresh returns a new pair.
    pub refresh_token: SecretString,
    /// Lifetime of the access token from now, 1 s to 180 days.
    pub expires_in: Duration,
    /// The portal that the pair is for; not compared with the tenant's yet.
    pub member_id: Option<MemberId>,
    /// The portal's [address](crate::advertised::address).
    pub portal: Option<String>,
    /// The address of the server for the next refresh.
    pub authorization_server: Option<String>,
    /// The permissions of the application.
    pub scopes: Vec<String>,
}

impl Tokens {
    /// Reads a document that is not a refusal. Without both tokens it is [`Unanswered::NoResult`]:
    /// the server granted the pair, and it is lost.
    pub(super) fn read(
        document: Document,
        response: &HttpResponse<'_>,
    ) -> Result<Self, OAuthError> {
        let (Some(access_token), Some(refresh_token)) = (
            document.secret("access_token"),
            document.secret("refresh_token"),
        ) else {
            return Err(Unanswered::NoResult {
                http_status: response.http_status,
            }
            .into());
        };
        let others = document.into_clean_of([&access_token, &refresh_token]);
        let text = |key: &str| others.get(key).and_then(loose::text);
        Ok(Self {
            access_token,
            refresh_token,
            expires_in: token_life(others.get("expires_in").and_then(loose::integer)),
            member_id: text("member_id").and_then(|id| MemberId::parse(&id).ok()),
            portal: text("client_endpoint").and_then(|url| advertised::address(&url)),
            authorization_server: text("server_endpoint").and_then(|url| advertised::address(&url)),
            scopes: text("scope").map_or_else(Vec::new, |list| advertised::scopes(&list)),
        })
    }
}

/// The lifetime of an access token, from a response or an event.
pub fn token_life(expires_in_seconds: Option<i64>) -> Duration {
    let seconds = expires_in_seconds.and_then(|seconds| u64::try_from(seconds).ok());
    match seconds {
        None | Some(0) => DEFAULT_LIFE,
        Some(seconds) => Duration::from_secs(seconds.min(MAXIMUM_LIFE_SECONDS)),
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::token_life;

    #[test]
    fn an_invalid_lifetime_is_the_documented_hour() {
        for told in [None, Some(0), Some(-5)] {
            assert_eq!(token_life(told), Duration::from_secs(3600), "{told:?}");
        }
        assert_eq!(token_life(Some(60)), Duration::from_secs(60));
        assert_eq!(token_life(Some(i64::MAX)), Duration::from_secs(15_552_000));
    }
}

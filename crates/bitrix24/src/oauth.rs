//! What authorization servers are asked: new tokens, and whose an access token is.
//!
//! Everything travels as a form in the body: the documented addresses with a query would leave secrets in logs.
//!
//! Source: pages "oauth", "auto-renewal" and "app-info".

mod application_info;
mod envelope;
mod error;
mod tokens;

pub use application_info::ApplicationInfo;
pub use error::{Consequence, OAuthError, OAuthRefusal};
pub use tokens::Tokens;
pub use tokens::token_life;

use secrecy::{ExposeSecret, SecretString};
use tokio::time::Instant;
use tracing::Instrument;
use tracing::field::Empty;

use super::authorization_server::AuthorizationServer;
use super::client::Client;
use super::identity::ClientId;
use super::send_guard::{Deadlines, SendGuard};
use super::transport::{Content, Reply};

const TOKEN_PATH: &str = "/oauth/token/";
const APPLICATION_INFO_PATH: &str = "/rest/app.info";

impl Client {
    /// Buys a new pair of tokens with a refresh token, which works once. Never repeats.
    ///
    /// After [`OAuthError::Unanswered`] nobody knows whether the refresh token is used up.
    ///
    /// # Errors
    ///
    /// Everything but a whole pair of tokens; see [`OAuthError`].
    pub async fn refresh(
        &self,
        server: &AuthorizationServer,
        client_id: &ClientId,
        client_secret: &SecretString,
        refresh_token: &SecretString,
        deadline: Instant,
    ) -> Result<Tokens, OAuthError> {
        let form = [
            ("grant_type", "refresh_token"),
            ("client_id", client_id.as_str()),
            ("client_secret", client_secret.expose_secret()),
            ("refresh_token", refresh_token.expose_secret()),
        ];
        let secrets = [client_secret, refresh_token];
        let read = |reply: &Reply| Tokens::read(&envelope::read(reply, &secrets)?, reply);
        self.ask(server, TOKEN_PATH, &form, deadline, read).await
    }

    /// Asks whose an access token is: of which application, on which portal.
    ///
    /// # Errors
    ///
    /// Everything but a description of the application; see [`OAuthError`].
    pub async fn application_info(
        &self,
        server: &AuthorizationServer,
        access_token: &SecretString,
        deadline: Instant,
    ) -> Result<ApplicationInfo, OAuthError> {
        let form = [("auth", access_token.expose_secret())];
        let secrets = [access_token];
        let read = |reply: &Reply| ApplicationInfo::read(&envelope::read(reply, &secrets)?, reply);
        self.ask(server, APPLICATION_INFO_PATH, &form, deadline, read)
            .await
    }

    async fn ask<T>(
        &self,
        server: &AuthorizationServer,
        path: &'static str,
        form: &[(&str, &str)],
        deadline: Instant,
        read: impl FnOnce(&Reply) -> Result<T, OAuthError>,
    ) -> Result<T, OAuthError> {
        let span = tracing::info_span!(
            target: crate::SPANS,
            "authorization",
            otel.name = format!("POST {path}"),
            otel.kind = "client",
            otel.status_code = Empty,
            http.request.method = "POST",
            http.response.status_code = Empty,
            server.address = server.host(),
            "error.type" = Empty,
        );
        let body = form_urlencoded::Serializer::new(String::new())
            .extend_pairs(form)
            .finish();
        let (base_url, path) = (server.base_url(), SecretString::from(path));
        let reply = self
            .transport
            .post(
                &base_url,
                &path,
                Content::form(body),
                Deadlines::until(deadline),
                &SendGuard::unwatched(),
            )
            .instrument(span.clone())
            .await
            .map_err(OAuthError::from);
        if let Ok(reply) = &reply {
            span.record("http.response.status_code", reply.http_status);
        }
        let answer = reply.and_then(|reply| read(&reply));
        if let Err(error) = &answer {
            span.record("error.type", error.kind());
            span.record("otel.status_code", "ERROR");
        }
        answer
    }
}

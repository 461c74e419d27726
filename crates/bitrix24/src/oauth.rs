//! Requests to authorization servers: new tokens, and the application of an access token.
//!
//! Parameters are a form in the body: the documented addresses with a query would leave secrets in
//! logs.
//!
//! Source: pages "oauth", "auto-renewal" and "app-info".

mod application_info;
mod envelope;
mod error;
mod tokens;

pub use application_info::ApplicationInfo;
pub use error::{Consequence, OAuthError, OAuthRefusal};
pub use tokens::{Tokens, token_life};

use secrecy::{ExposeSecret, SecretString};
use tokio::time::Instant;
use tracing::Instrument;
use tracing::field::Empty;

use crate::authorization_server::AuthorizationServer;
use crate::client::{Client, SPAN_TARGET};
use crate::echo::Sent;
use crate::identity::ClientId;
use crate::send_guard::{Deadlines, SendGuard};
use crate::transport::{Content, Failed, HttpResponse, Path};

const TOKEN_PATH: &str = "/oauth/token/";
const APPLICATION_INFO_PATH: &str = "/rest/app.info";

impl Client {
    /// Gets a new pair of tokens for a single-use refresh token. Never retries.
    ///
    /// # Errors
    ///
    /// After [`OAuthError::Unanswered`] the refresh token may be used up.
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
        let sent = Sent::two(client_secret, refresh_token);
        self.ask(server, TOKEN_PATH, &form, sent, deadline, tokens)
            .await
    }

    /// Queries the application and portal of an access token.
    ///
    /// # Errors
    ///
    /// See [`OAuthError`].
    pub async fn application_info(
        &self,
        server: &AuthorizationServer,
        access_token: &SecretString,
        deadline: Instant,
    ) -> Result<ApplicationInfo, OAuthError> {
        let form = [("auth", access_token.expose_secret())];
        let sent = Sent::one(access_token);
        let path = APPLICATION_INFO_PATH;
        self.ask(server, path, &form, sent, deadline, application_info)
            .await
    }

    async fn ask<T>(
        &self,
        server: &AuthorizationServer,
        path: &'static str,
        form: &[(&str, &str)],
        sent: Sent<'_>,
        deadline: Instant,
        read: impl FnOnce(&HttpResponse<'_>) -> Result<T, OAuthError>,
    ) -> Result<T, OAuthError> {
        let span = tracing::info_span!(
            target: SPAN_TARGET,
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
        let response = self
            .transport
            .post(
                server.origin(),
                Path::from(path),
                Content::form(body, sent),
                Deadlines::until(deadline),
                &SendGuard::unwatched(),
            )
            .instrument(span.clone())
            .await
            .map_err(Failed::into_error);
        if let Ok(response) = &response {
            span.record("http.response.status_code", response.http_status);
        }
        let answer = response.and_then(|response| read(&response));
        if let Err(error) = &answer {
            span.record("error.type", error.kind());
            span.record("otel.status_code", "ERROR");
        }
        answer
    }
}

/// Reads the response to a refresh.
pub(crate) fn tokens(response: &HttpResponse<'_>) -> Result<Tokens, OAuthError> {
    Tokens::read(envelope::read(response)?, response)
}

/// Reads the response about an access token.
pub(crate) fn application_info(response: &HttpResponse<'_>) -> Result<ApplicationInfo, OAuthError> {
    ApplicationInfo::read(envelope::read(response)?, response)
}

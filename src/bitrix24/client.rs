//! Calls of REST methods.

use secrecy::{ExposeSecret, SecretString};
use tokio::time::Instant;
use tracing::Instrument;
use tracing::field::Empty;

use super::answer::Answer;
use super::call_error::CallError;
use super::credential::Credential;
use super::method::Method;
use super::parameters::Parameters;
use super::portal::PortalAddress;
use super::transport::{Content, Transport, TransportOptions, TransportUnusable};

/// Calls REST methods of any portal, and asks authorization servers for tokens, through one pool of connections. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Client {
    pub(super) transport: Transport,
}

impl Client {
    /// Makes a client.
    ///
    /// # Errors
    ///
    /// [`TransportUnusable`] if the HTTP client cannot be set up.
    pub fn new(options: TransportOptions) -> Result<Self, TransportUnusable> {
        Ok(Self {
            transport: Transport::new(options)?,
        })
    }

    /// Calls `method` once. Never repeats.
    ///
    /// # Errors
    ///
    /// Every failure is a [`CallError`], which knows whether the call was executed.
    pub async fn call(
        &self,
        portal: &PortalAddress,
        credential: &Credential,
        method: Method,
        parameters: &Parameters,
        deadline: Instant,
    ) -> Result<Answer, CallError> {
        let span = tracing::info_span!(
            target: crate::telemetry::SPANS,
            "portal",
            otel.name = format!("POST {method}"),
            otel.kind = "client",
            otel.status_code = Empty,
            http.request.method = "POST",
            http.response.status_code = Empty,
            server.address = portal.host(),
            bitrix24.method = method.name(),
            "error.type" = Empty,
        );
        let answer = self
            .request(portal, credential, method, parameters, deadline)
            .instrument(span.clone())
            .await;
        match &answer {
            Ok(answer) => {
                span.record("http.response.status_code", answer.http_status);
            }
            Err(error) => {
                if let Some(http_status) = error.http_status() {
                    span.record("http.response.status_code", http_status);
                }
                span.record("error.type", error.kind());
                span.record("otel.status_code", "ERROR");
            }
        }
        answer
    }

    async fn request(
        &self,
        portal: &PortalAddress,
        credential: &Credential,
        method: Method,
        parameters: &Parameters,
        deadline: Instant,
    ) -> Result<Answer, CallError> {
        let (path, body) = match credential {
            Credential::Webhook { user_id, secret } => (
                format!("/rest/{user_id}/{}/{method}", secret.expose_secret()),
                parameters.body(),
            ),
            Credential::Application { access_token } => (
                format!("/rest/{method}"),
                parameters.body_with_token(access_token),
            ),
        };
        let path = SecretString::from(path);
        let reply = self
            .transport
            .post(&portal.base_url(), &path, Content::json(body), deadline)
            .await?;
        Answer::read(&reply)
    }
}

//! Calls of REST methods.

use secrecy::{ExposeSecret, SecretString};
use tracing::field::Empty;
use tracing::{Instrument, Span};

use super::answer::Answer;
use super::call_error::CallError;
use super::credential::Credential;
use super::method::Method;
use super::parameters::Parameters;
use super::portal::PortalAddress;
use super::send_guard::{Deadlines, SendGuard};
use super::transport::{Content, Reply, Transport, TransportOptions, TransportUnusable};

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
        times: Deadlines,
        guard: &SendGuard,
    ) -> Result<Answer, CallError> {
        let request = Request {
            portal,
            credential,
            method: method.name(),
            parameters,
        };
        let span = request.span();
        let answer = self
            .post(&request, times, guard)
            .instrument(span.clone())
            .await
            .and_then(|reply| Answer::read(&reply));
        note(&span, answer.as_ref().map(|answer| answer.http_status));
        answer
    }

    /// Posts a request and reads the whole reply, whatever it says.
    pub(super) async fn post(
        &self,
        request: &Request<'_>,
        times: Deadlines,
        guard: &SendGuard,
    ) -> Result<Reply, CallError> {
        let Request {
            portal,
            credential,
            method,
            parameters,
        } = request;
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
        let (base_url, path) = (portal.base_url(), SecretString::from(path));
        let content = Content::json(body);
        let reply = self
            .transport
            .post(&base_url, &path, content, times, guard)
            .await;
        reply.map_err(CallError::from)
    }
}

/// A request to a portal.
pub(super) struct Request<'a> {
    pub(super) portal: &'a PortalAddress,
    pub(super) credential: &'a Credential,
    pub(super) method: &'static str,
    pub(super) parameters: &'a Parameters,
}

impl Request<'_> {
    /// The span in which it is sent.
    pub(super) fn span(&self) -> Span {
        tracing::info_span!(
            target: crate::SPANS,
            "portal",
            otel.name = format!("POST {}", self.method),
            otel.kind = "client",
            otel.status_code = Empty,
            http.request.method = "POST",
            http.response.status_code = Empty,
            server.address = self.portal.host(),
            bitrix24.method = self.method,
            bitrix24.commands = Empty,
            "error.type" = Empty,
        )
    }
}

/// Notes in its span how a request ended: with which status, or why not.
pub(super) fn note(span: &Span, ended: Result<u16, &CallError>) {
    let http_status = match ended {
        Ok(http_status) => Some(http_status),
        Err(error) => {
            span.record("error.type", error.kind());
            span.record("otel.status_code", "ERROR");
            error.http_status()
        }
    };
    if let Some(http_status) = http_status {
        span.record("http.response.status_code", http_status);
    }
}

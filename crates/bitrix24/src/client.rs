//! Calls of REST methods.

use std::io::Write as _;

use secrecy::ExposeSecret;
use tracing::field::Empty;
use tracing::{Instrument, Span};

use crate::answer::Answer;
use crate::call_error::CallError;
use crate::credential::Credential;
use crate::echo::Sent;
use crate::method::Method;
use crate::parameters::Parameters;
use crate::payload::Payload;
use crate::portal::PortalAddress;
use crate::send_guard::{Deadlines, SendGuard};
use crate::transport::{
    Connections, Content, Failed, HttpResponse, Path, Transport, TransportOptions,
    TransportUnusable,
};

/// The target of the spans of requests, one for each.
pub const SPAN_TARGET: &str = "bitrix24::request";

/// What the paths of all methods begin with.
const ROOT: &str = "/rest/";

/// Calls REST methods of any portal and authorization servers, through one pool of connections for
/// each runtime. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Client {
    pub(crate) transport: Transport,
}

impl Client {
    /// Sets up the pool.
    ///
    /// # Errors
    ///
    /// [`TransportUnusable`].
    pub fn new(options: TransportOptions) -> Result<Self, TransportUnusable> {
        Ok(Self {
            transport: Transport::new(options)?,
        })
    }

    /// With a network that a simulation plays.
    #[cfg(feature = "simulation")]
    pub fn simulated(network: std::sync::Arc<dyn crate::simulation::Network>) -> Self {
        Self {
            transport: Transport::simulated(network),
        }
    }

    /// Gives back the memory of portals that were not called lately. To be called now and then.
    pub fn forget_unused(&self) {
        self.transport.forget_unused();
    }

    /// The connections to portals and authorization servers that are open now.
    pub fn connections(&self) -> Connections {
        self.transport.connections()
    }

    /// Calls `method` once. Never retries.
    ///
    /// # Errors
    ///
    /// A [`CallError`], which knows whether the call was executed.
    pub async fn call(
        &self,
        portal: &PortalAddress,
        credential: &Credential,
        method: Method,
        parameters: &Parameters,
        deadlines: Deadlines,
        guard: &SendGuard,
    ) -> Result<Answer, CallError> {
        let request = Request {
            portal,
            credential,
            method: method.name(),
            payload: Payload::Parameters(parameters),
        };
        let span = request.span();
        let answer = self
            .post(&request, deadlines, guard)
            .instrument(span.clone())
            .await
            .and_then(|response| Answer::read(&response));
        note(&span, answer.as_ref().map(|answer| answer.http_status));
        answer
    }

    /// Posts a request and reads the whole response, whatever it says.
    pub(crate) async fn post<'a>(
        &self,
        request: &Request<'a>,
        deadlines: Deadlines,
        guard: &SendGuard,
    ) -> Result<HttpResponse<'a>, CallError> {
        let Request {
            portal,
            credential,
            method,
            payload,
        } = request;
        let (path, body, secret) = match credential {
            Credential::Webhook { user_id, secret } => {
                let secret_text = secret.expose_secret();
                let mut path =
                    Vec::with_capacity(ROOT.len() + 22 + secret_text.len() + method.len());
                // Writing to memory does not fail.
                let _ = write!(path, "{ROOT}{user_id}/{secret_text}/{method}");
                (Path::from(path), payload.body(), secret)
            }
            Credential::Application { access_token } => {
                let path = [ROOT, method].concat().into_bytes();
                let body = payload.body_with_token(access_token);
                (Path::from(path), body, access_token)
            }
        };
        let content = Content::json(body, Sent::one(secret));
        let response = self
            .transport
            .post(portal.origin(), path, content, deadlines, guard)
            .await;
        response.map_err(Failed::into_error)
    }
}

/// A request to a portal.
pub(crate) struct Request<'a> {
    pub(crate) portal: &'a PortalAddress,
    pub(crate) credential: &'a Credential,
    pub(crate) method: &'static str,
    pub(crate) payload: Payload<'a>,
}

impl Request<'_> {
    /// The span of the request, below that of a call that is traced. Otherwise there is none.
    pub(crate) fn span(&self) -> Span {
        if Span::current().is_disabled() {
            return Span::none();
        }
        tracing::info_span!(
            target: SPAN_TARGET,
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

/// Records in its span how a request ended.
pub(crate) fn note(span: &Span, ended: Result<u16, &CallError>) {
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

//! The only part that speaks HTTP to portals and authorization servers: one pooled client for all of them.
//!
//! A webhook's address is a secret, and so are many bodies. So the full address is built here, it dies here, and no
//! error leaves here with an address inside: the HTTP library's own errors, which print it, are sorted and dropped.

use std::collections::HashSet;
use std::error::Error;
use std::net::SocketAddr;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use http::header::{ACCEPT, CONTENT_LENGTH, CONTENT_TYPE, LOCATION};
use http::{HeaderMap, HeaderValue};
use http_body::{Body, Frame, SizeHint};
use reqwest::dns::{Addrs, Name, Resolve, Resolving};
use secrecy::{ExposeSecret, SecretString};
use tokio::time::Instant;

use super::address_guard::{self, Forbidden, Reach};
use super::call_error::{CallError, NotSent, Unanswered};
use super::oauth::OAuthError;
use super::send_guard::{CancelOnDrop, Deadlines, SendGuard};

/// Limits of the connections to portals.
#[derive(Clone, Debug)]
pub struct TransportOptions {
    /// How long a connection may take to come about: name, TCP and TLS.
    pub connect_timeout: Duration,
    /// How long a connection is kept without use. Shorter than a portal's own limit, so that a request seldom meets a
    /// connection that is just being closed: its outcome would be unknown.
    pub idle_connection: Duration,
    /// The largest answer that is read, in bytes, after decompression.
    pub maximum_answer_bytes: usize,
    /// Hosts that may lead to private addresses, because the operator named them one by one.
    pub self_hosted: HashSet<String>,
}

/// The HTTP client could not be set up: no trusted certificates on this machine, for example.
#[derive(Debug, thiserror::Error)]
#[error("the HTTP client for portals could not be set up")]
pub struct TransportUnusable(#[source] reqwest::Error);

/// A whole HTTP answer.
#[derive(Debug)]
pub(super) struct Reply {
    pub(super) http_status: u16,
    pub(super) location: Option<String>,
    pub(super) body: Vec<u8>,
}

/// A body and what it is.
pub(super) struct Content {
    media_type: &'static str,
    body: Bytes,
}

impl Content {
    /// A JSON document.
    pub(super) fn json(body: Bytes) -> Self {
        Self {
            media_type: "application/json",
            body,
        }
    }

    /// A form.
    pub(super) fn form(body: String) -> Self {
        Self {
            media_type: "application/x-www-form-urlencoded",
            body: body.into(),
        }
    }
}

/// A request without a whole answer.
#[derive(Clone, Copy, Debug)]
pub(super) enum Failed {
    NotSent(NotSent),
    Unanswered(Unanswered),
}

impl From<NotSent> for Failed {
    fn from(not_sent: NotSent) -> Self {
        Self::NotSent(not_sent)
    }
}

impl From<Unanswered> for Failed {
    fn from(unanswered: Unanswered) -> Self {
        Self::Unanswered(unanswered)
    }
}

impl From<Failed> for CallError {
    fn from(failed: Failed) -> Self {
        match failed {
            Failed::NotSent(not_sent) => not_sent.into(),
            Failed::Unanswered(unanswered) => unanswered.into(),
        }
    }
}

impl From<Failed> for OAuthError {
    fn from(failed: Failed) -> Self {
        match failed {
            Failed::NotSent(not_sent) => not_sent.into(),
            Failed::Unanswered(unanswered) => unanswered.into(),
        }
    }
}

/// The pooled HTTP client.
#[derive(Clone, Debug)]
pub(super) struct Transport {
    client: reqwest::Client,
    maximum_answer_bytes: usize,
}

impl Transport {
    pub(super) fn new(options: TransportOptions) -> Result<Self, TransportUnusable> {
        let mut headers = HeaderMap::new();
        headers.insert(ACCEPT, HeaderValue::from_static("application/json"));
        let client = reqwest::Client::builder()
            .user_agent(concat!(
                env!("CARGO_PKG_NAME"),
                "/",
                env!("CARGO_PKG_VERSION")
            ))
            .default_headers(headers)
            .connect_timeout(options.connect_timeout)
            .pool_idle_timeout(options.idle_connection)
            .redirect(reqwest::redirect::Policy::none())
            .retry(reqwest::retry::never())
            // A proxy named by the environment would decide which address a portal's name leads to.
            .no_proxy()
            .dns_resolver(GuardedResolver {
                self_hosted: Arc::new(options.self_hosted),
            })
            .build()
            .map_err(|error| TransportUnusable(error.without_url()))?;
        Ok(Self {
            client,
            maximum_answer_bytes: options.maximum_answer_bytes,
        })
    }

    /// Posts a body to `{base_url}{path}` and reads the whole answer. Redirects are not followed.
    pub(super) async fn post(
        &self,
        base_url: &str,
        path: &SecretString,
        content: Content,
        times: Deadlines,
        guard: &SendGuard,
    ) -> Result<Reply, Failed> {
        // A call that ends, for whatever reason, leaves no request behind that the connection could still send.
        let _cancel = CancelOnDrop(guard);
        // The clock of deadlines is coarse: within its tick a whole request could leave.
        if times.send_by <= Instant::now() {
            return Err(NotSent::DeadlinePassed.into());
        }
        let mut exchange = pin!(self.exchange(base_url, path, content, guard));
        let send_by = times.send_by.min(times.answer_by);
        if let Ok(outcome) = tokio::time::timeout_at(send_by, &mut exchange).await {
            return outcome;
        }
        if guard.cancel() {
            return Err(NotSent::DeadlinePassed.into());
        }
        tokio::time::timeout_at(times.answer_by, exchange)
            .await
            .unwrap_or_else(|_elapsed| Err(Unanswered::DeadlinePassed.into()))
    }

    async fn exchange(
        &self,
        base_url: &str,
        path: &SecretString,
        content: Content,
        guard: &SendGuard,
    ) -> Result<Reply, Failed> {
        let Content { media_type, body } = content;
        let length = body.len();
        let body = WatchedBody {
            bytes: Some(body),
            guard: guard.clone(),
        };
        let sent = self
            .client
            .post(format!("{base_url}{}", path.expose_secret()))
            .header(CONTENT_TYPE, media_type)
            .header(CONTENT_LENGTH, length)
            .body(reqwest::Body::wrap(body))
            .send()
            .await;
        let mut response = sent.map_err(|error| sort(&error, guard))?;

        let http_status = response.status().as_u16();
        let location = response
            .headers()
            .get(LOCATION)
            .and_then(|location| location.to_str().ok())
            .map(str::to_owned);
        let mut received = Vec::new();
        loop {
            match response.chunk().await {
                Ok(Some(chunk)) => {
                    if received.len() + chunk.len() > self.maximum_answer_bytes {
                        let limit_bytes = self.maximum_answer_bytes;
                        return Err(Unanswered::Oversized {
                            http_status,
                            limit_bytes,
                        }
                        .into());
                    }
                    received.extend_from_slice(&chunk);
                }
                Ok(None) => {
                    return Ok(Reply {
                        http_status,
                        location,
                        body: received,
                    });
                }
                Err(_) => return Err(Unanswered::ConnectionLost.into()),
            }
        }
    }
}

/// Sorts an error of the HTTP library by the only question that counts: can the request have arrived?
fn sort(error: &reqwest::Error, guard: &SendGuard) -> Failed {
    if is_forbidden_address(error) {
        NotSent::AddressForbidden.into()
    } else if guard.cancel() {
        NotSent::Unreachable.into()
    } else {
        Unanswered::ConnectionLost.into()
    }
}

fn is_forbidden_address(error: &reqwest::Error) -> bool {
    let mut source: Option<&(dyn Error + 'static)> = Some(error);
    while let Some(error) = source {
        if error.is::<Forbidden>() {
            return true;
        }
        source = error.source();
    }
    false
}

/// A request body that says when it is taken.
///
/// The HTTP library takes the body once it has a connection and has queued the head. As long as it was not taken, the
/// portal cannot have the whole request, so it cannot have executed it.
struct WatchedBody {
    bytes: Option<Bytes>,
    guard: SendGuard,
}

/// The call was given up before its body was taken: the connection ends after the head.
#[derive(Debug, thiserror::Error)]
#[error("the request was withdrawn")]
struct Withdrawn;

impl Body for WatchedBody {
    type Data = Bytes;
    type Error = Withdrawn;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Self::Error>>> {
        if !self.guard.send() {
            return Poll::Ready(Some(Err(Withdrawn)));
        }
        Poll::Ready(self.bytes.take().map(|bytes| Ok(Frame::data(bytes))))
    }

    fn is_end_stream(&self) -> bool {
        self.bytes.is_none()
    }

    fn size_hint(&self) -> SizeHint {
        let length = self.bytes.as_ref().map_or(0, Bytes::len);
        SizeHint::with_exact(u64::try_from(length).unwrap_or(u64::MAX))
    }
}

/// Resolves names at dial time and refuses those that lead to addresses that are not public, so that a tenant's portal
/// name cannot reach into the operator's own network.
struct GuardedResolver {
    self_hosted: Arc<HashSet<String>>,
}

impl Resolve for GuardedResolver {
    fn resolve(&self, name: Name) -> Resolving {
        let self_hosted = Arc::clone(&self.self_hosted);
        Box::pin(async move {
            let addresses: Vec<SocketAddr> =
                tokio::net::lookup_host((name.as_str(), 0)).await?.collect();
            let reach = if self_hosted.contains(name.as_str()) {
                Reach::Private
            } else {
                Reach::Public
            };
            // One forbidden address among others is an attack as well: all are refused.
            address_guard::check_all(addresses.iter().map(SocketAddr::ip), reach)?;
            let addresses: Addrs = Box::new(addresses.into_iter());
            Ok(addresses)
        })
    }
}

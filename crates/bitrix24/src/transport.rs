//! HTTP to portals and authorization servers, through one pooled client.
//!
//! A webhook's address is a secret, and so are many bodies. The full address exists only here, and
//! errors of the HTTP library, which print it, are classified and dropped.

use std::collections::HashSet;
use std::error::Error;
use std::net::SocketAddr;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use http::header::{ACCEPT, CONNECTION, CONTENT_LENGTH, CONTENT_TYPE, LOCATION};
use http::{HeaderMap, HeaderValue};
use http_body::{Body, Frame, SizeHint};
use reqwest::dns::{Addrs, Name, Resolve, Resolving};
use secrecy::{ExposeSecret, SecretString};
use tokio::time::Instant;

use crate::address_guard::{self, Forbidden, Reach};
use crate::call_error::{NotSent, Unanswered};
use crate::send_guard::{CancelOnDrop, Deadlines, SendGuard};

/// The scheme of every address but the sandbox's.
const TLS: &str = "https://";

/// HTTP/1.1 connections carry one request. A server may end an idle connection at any moment,
/// without saying whether it still processed a request that was on its way: the outcome would be
/// unknown. HTTP/2 says it ([`NotSent::Unprocessed`]), and the library leaves the header out there.
const ONE_REQUEST: HeaderValue = HeaderValue::from_static("close");

/// Limits of the connections to portals.
#[derive(Clone, Debug)]
pub struct TransportOptions {
    /// Limit for connecting: name, TCP and TLS.
    pub connect_timeout: Duration,
    /// How long an idle connection is kept. Shorter than a portal's own limit: the outcome of a
    /// request on a connection that is being closed is unknown.
    pub idle_connection: Duration,
    /// The largest response that is read, in bytes, after decompression.
    pub maximum_response_bytes: usize,
    /// Hosts that may resolve to private addresses, because the operator listed each of them.
    pub self_hosted: HashSet<String>,
}

/// The HTTP client could not be set up, for example without trusted certificates.
#[derive(Debug, thiserror::Error)]
#[error("could not set up the HTTP client for portals")]
pub struct TransportUnusable(#[source] reqwest::Error);

/// A whole HTTP response.
#[derive(Debug)]
pub(crate) struct HttpResponse {
    pub(crate) http_status: u16,
    pub(crate) location: Option<String>,
    pub(crate) body: Vec<u8>,
}

/// A body with its media type.
pub(crate) struct Content {
    media_type: &'static str,
    body: Bytes,
}

impl Content {
    pub(crate) fn json(body: Bytes) -> Self {
        Self {
            media_type: "application/json",
            body,
        }
    }

    pub(crate) fn form(body: String) -> Self {
        Self {
            media_type: "application/x-www-form-urlencoded",
            body: body.into(),
        }
    }
}

/// A request without a whole response.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Failed {
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

impl Failed {
    pub(crate) fn into_error<E: From<NotSent> + From<Unanswered>>(self) -> E {
        match self {
            Self::NotSent(not_sent) => not_sent.into(),
            Self::Unanswered(unanswered) => unanswered.into(),
        }
    }
}

/// The pooled HTTP client.
#[derive(Clone, Debug)]
pub(crate) struct Transport {
    client: reqwest::Client,
    maximum_response_bytes: usize,
}

impl Transport {
    pub(crate) fn new(options: TransportOptions) -> Result<Self, TransportUnusable> {
        let mut headers = HeaderMap::new();
        headers.insert(ACCEPT, HeaderValue::from_static("application/json"));
        let client = reqwest::Client::builder()
            .user_agent(concat!("bitrix24-openlines/", env!("CARGO_PKG_VERSION")))
            .default_headers(headers)
            .connect_timeout(options.connect_timeout)
            .pool_idle_timeout(options.idle_connection)
            .redirect(reqwest::redirect::Policy::none())
            .retry(reqwest::retry::never())
            // A proxy from the environment would resolve the portal's name in our place.
            .no_proxy()
            .dns_resolver(GuardedResolver {
                self_hosted: Arc::new(options.self_hosted),
            })
            .build()
            .map_err(|error| TransportUnusable(error.without_url()))?;
        Ok(Self {
            client,
            maximum_response_bytes: options.maximum_response_bytes,
        })
    }

    /// Posts a body to `{base_url}{path}` and reads the whole response. Follows no redirects.
    pub(crate) async fn post(
        &self,
        base_url: &str,
        path: &SecretString,
        content: Content,
        deadlines: Deadlines,
        guard: &SendGuard,
    ) -> Result<HttpResponse, Failed> {
        // However the call ends, the connection must not send its request afterwards.
        let _cancel = CancelOnDrop(guard);
        // Timers are coarse: within one tick a whole request could be sent.
        if deadlines.send_by <= Instant::now() {
            return Err(NotSent::DeadlinePassed.into());
        }
        let mut exchange = pin!(self.exchange(base_url, path, content, guard));
        let send_by = deadlines.send_by.min(deadlines.answer_by);
        if let Ok(outcome) = tokio::time::timeout_at(send_by, &mut exchange).await {
            return outcome;
        }
        if guard.cancel() {
            return Err(NotSent::DeadlinePassed.into());
        }
        tokio::time::timeout_at(deadlines.answer_by, exchange)
            .await
            .unwrap_or_else(|_elapsed| Err(Unanswered::DeadlinePassed.into()))
    }

    async fn exchange(
        &self,
        base_url: &str,
        path: &SecretString,
        content: Content,
        guard: &SendGuard,
    ) -> Result<HttpResponse, Failed> {
        let Content { media_type, body } = content;
        let length = body.len();
        let body = WatchedBody {
            bytes: Some(body),
            guard: guard.clone(),
        };
        let mut request = self
            .client
            .post(format!("{base_url}{}", path.expose_secret()))
            .header(CONTENT_TYPE, media_type)
            .header(CONTENT_LENGTH, length)
            .body(reqwest::Body::wrap(body));
        if base_url.starts_with(TLS) {
            request = request.header(CONNECTION, ONE_REQUEST);
        }
        let sent = request.send().await;
        let mut response = sent.map_err(|error| classify(&error, guard))?;

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
                    if received.len() + chunk.len() > self.maximum_response_bytes {
                        let limit_bytes = self.maximum_response_bytes;
                        return Err(Unanswered::Oversized {
                            http_status,
                            limit_bytes,
                        }
                        .into());
                    }
                    received.extend_from_slice(&chunk);
                }
                Ok(None) => {
                    return Ok(HttpResponse {
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

/// Classifies an error of the HTTP library by whether the portal can have the request.
fn classify(error: &reqwest::Error, guard: &SendGuard) -> Failed {
    if is_forbidden_address(error) {
        NotSent::AddressForbidden.into()
    } else if guard.was_cancelled() {
        NotSent::DeadlinePassed.into()
    } else if guard.cancel() {
        NotSent::Unreachable.into()
    } else if is_unprocessed(error) {
        NotSent::Unprocessed.into()
    } else {
        Unanswered::ConnectionLost.into()
    }
}

fn is_forbidden_address(error: &reqwest::Error) -> bool {
    chain(error).any(|error| error.is::<Forbidden>())
}

/// Whether the server said that it did not process the request. The HTTP/2 library gives a
/// received `GOAWAY` to those requests only whose streams are above the last one that the server
/// names (RFC 9113, 6.8).
fn is_unprocessed(error: &reqwest::Error) -> bool {
    chain(error)
        .filter_map(|error| error.downcast_ref::<h2::Error>())
        .any(|error| {
            let is_refused = error.reason() == Some(h2::Reason::REFUSED_STREAM);
            error.is_remote() && (error.is_go_away() || error.is_reset() && is_refused)
        })
}

/// An error and its causes.
fn chain(error: &reqwest::Error) -> impl Iterator<Item = &(dyn Error + 'static)> {
    let first: &(dyn Error + 'static) = error;
    std::iter::successors(Some(first), |&error| error.source())
}

/// A request body that notices when it is read.
///
/// The HTTP library reads the body once it has a connection and has queued the head. Before that
/// the portal cannot have the whole request and cannot have executed it.
struct WatchedBody {
    bytes: Option<Bytes>,
    guard: SendGuard,
}

/// The call was cancelled before its body was read: the connection ends after the head.
#[derive(Debug, thiserror::Error)]
#[error("the request was cancelled")]
struct Cancelled;

impl Body for WatchedBody {
    type Data = Bytes;
    type Error = Cancelled;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Self::Error>>> {
        if !self.guard.send() {
            return Poll::Ready(Some(Err(Cancelled)));
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

/// Resolves names when they are dialled and refuses those that lead to addresses that are not
/// public: a tenant's portal must not reach into the operator's network.
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
            address_guard::check_all(addresses.iter().map(SocketAddr::ip), reach)?;
            let addresses: Addrs = Box::new(addresses.into_iter());
            Ok(addresses)
        })
    }
}

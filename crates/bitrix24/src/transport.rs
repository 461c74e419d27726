//! HTTP to portals and authorization servers, through one pooled client.
//!
//! A webhook's address is a secret, and so are many bodies. The full address exists only here, and
//! errors of the HTTP library, which print it, are classified and dropped.

mod failure;
mod resolver;
mod response;
mod retry_after;
#[cfg(feature = "simulation")]
mod simulated;
mod trust;
mod watched_body;

use std::collections::HashSet;
use std::pin::pin;
use std::time::Duration;

use bytes::Bytes;
use http::header::{ACCEPT, CONNECTION, CONTENT_LENGTH, CONTENT_TYPE, LOCATION};
use http::{HeaderMap, HeaderValue};
use secrecy::{ExposeSecret, SecretString};
use tokio::time::Instant;

pub(crate) use self::failure::Failed;
use self::failure::classify;
use self::resolver::GuardedResolver;
pub(crate) use self::response::{Document, HttpResponse, NoDocument};
use self::watched_body::WatchedBody;
use crate::address_guard::AddressGuard;
use crate::call_error::{NotSent, Unanswered};
use crate::certificates::{Authorities, CertificatePin};
use crate::echo::Sent;
use crate::nat64::Nat64Prefix;
use crate::proxy::ForwardProxy;
use crate::send_guard::{CancelOnDrop, Deadlines, SendGuard};

/// The scheme of every address but the sandbox's.
const TLS: &str = "https://";

/// HTTP/1.1 connections carry one request. A server may end an idle connection at any moment,
/// without saying whether it still processed a request that was on its way: the outcome would be
/// unknown. HTTP/2 says it ([`NotSent::Unprocessed`]), and the library leaves the header out there.
const ONE_REQUEST: HeaderValue = HeaderValue::from_static("close");

/// Limits of the connections to portals, and whom they trust.
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
    /// Prefixes of the operator's own NAT64 translators, beside the well-known one.
    pub nat64_prefixes: Vec<Nat64Prefix>,
    /// Authorities that are trusted beside those of the system.
    pub authorities: Authorities,
    /// Certificates of hosts that must present one of theirs.
    pub pins: Vec<CertificatePin>,
    /// The proxy for all HTTPS requests.
    pub proxy: Option<ForwardProxy>,
}

impl Default for TransportOptions {
    /// The defaults of the settings, without anything listed.
    fn default() -> Self {
        Self {
            connect_timeout: Duration::from_secs(5),
            idle_connection: Duration::from_secs(4),
            maximum_response_bytes: 8 * 1024 * 1024,
            self_hosted: HashSet::new(),
            nat64_prefixes: Vec::new(),
            authorities: Authorities::default(),
            pins: Vec::new(),
            proxy: None,
        }
    }
}

/// The HTTP client could not be set up.
#[derive(Debug, thiserror::Error)]
pub enum TransportUnusable {
    /// Neither the system nor the settings have certificates of authorities.
    #[error(
        "no certificates of authorities were found; install the system's (ca-certificates), or \
         give portals.ca_file"
    )]
    NoAuthorities,
    /// TLS cannot be set up.
    #[error("could not set up TLS for portals")]
    Tls(#[source] rustls::Error),
    /// The HTTP library refuses its settings.
    #[error("could not set up the HTTP client for portals")]
    Http(#[source] reqwest::Error),
}

/// A body with its media type, and the secrets that the request sends in it or in the path.
pub(crate) struct Content<'a> {
    media_type: &'static str,
    body: Bytes,
    sent: Sent<'a>,
}

impl<'a> Content<'a> {
    pub(crate) fn json(body: Bytes, sent: Sent<'a>) -> Self {
        Self {
            media_type: "application/json",
            body,
            sent,
        }
    }

    pub(crate) fn form(body: String, sent: Sent<'a>) -> Self {
        Self {
            media_type: "application/x-www-form-urlencoded",
            body: body.into(),
            sent,
        }
    }
}

/// The pooled HTTP client.
#[derive(Clone, Debug)]
pub(crate) struct Transport {
    wire: Wire,
    maximum_response_bytes: usize,
    proxy: Option<ForwardProxy>,
}

#[derive(Clone, Debug)]
enum Wire {
    Http(reqwest::Client),
    #[cfg(feature = "simulation")]
    Simulated(std::sync::Arc<dyn crate::simulation::Network>),
}

impl Transport {
    pub(crate) fn new(options: TransportOptions) -> Result<Self, TransportUnusable> {
        let mut headers = HeaderMap::new();
        headers.insert(ACCEPT, HeaderValue::from_static("application/json"));
        let proxy = options.proxy;
        let resolver = GuardedResolver::new(
            AddressGuard::new(options.nat64_prefixes),
            options.self_hosted,
            proxy.as_ref().map(|proxy| proxy.host().to_owned()),
        );
        let mut builder = reqwest::Client::builder()
            .user_agent(concat!("bitrix24-openlines/", env!("CARGO_PKG_VERSION")))
            .default_headers(headers)
            .connect_timeout(options.connect_timeout)
            .pool_idle_timeout(options.idle_connection)
            .redirect(reqwest::redirect::Policy::none())
            .retry(reqwest::retry::never())
            // A proxy from the environment would resolve the portal's name in our place.
            .no_proxy()
            .tls_backend_preconfigured(trust::tls(&options.authorities, options.pins)?)
            .dns_resolver(resolver);
        if let Some(proxy) = &proxy {
            builder = builder.proxy(proxy.for_https());
        }
        Ok(Self {
            wire: Wire::Http(builder.build().map_err(unusable)?),
            maximum_response_bytes: options.maximum_response_bytes,
            proxy,
        })
    }

    /// With a network that a simulation plays.
    #[cfg(feature = "simulation")]
    pub(crate) fn simulated(network: std::sync::Arc<dyn crate::simulation::Network>) -> Self {
        Self {
            wire: Wire::Simulated(network),
            maximum_response_bytes: TransportOptions::default().maximum_response_bytes,
            proxy: None,
        }
    }

    /// Posts a body to `{base_url}{path}` and reads the whole response. Follows no redirects.
    pub(crate) async fn post<'a>(
        &self,
        base_url: &str,
        path: &SecretString,
        content: Content<'a>,
        deadlines: Deadlines,
        guard: &SendGuard,
    ) -> Result<HttpResponse<'a>, Failed> {
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

    async fn exchange<'a>(
        &self,
        base_url: &str,
        path: &SecretString,
        content: Content<'a>,
        guard: &SendGuard,
    ) -> Result<HttpResponse<'a>, Failed> {
        match &self.wire {
            Wire::Http(client) => self.send(client, base_url, path, content, guard).await,
            #[cfg(feature = "simulation")]
            Wire::Simulated(network) => {
                let Content { body, sent, .. } = content;
                let posted = crate::simulation::Posted::of(base_url, path, body, guard);
                Ok(simulated::response(network.exchange(posted).await?, sent))
            }
        }
    }

    async fn send<'a>(
        &self,
        client: &reqwest::Client,
        base_url: &str,
        path: &SecretString,
        content: Content<'a>,
        guard: &SendGuard,
    ) -> Result<HttpResponse<'a>, Failed> {
        let Content {
            media_type,
            body,
            sent: secrets,
        } = content;
        let length = body.len();
        let body = WatchedBody::new(body, guard.clone());
        let mut request = client
            .post(format!("{base_url}{}", path.expose_secret()))
            .header(CONTENT_TYPE, media_type)
            .header(CONTENT_LENGTH, length)
            .body(reqwest::Body::wrap(body));
        if base_url.starts_with(TLS) {
            request = request.header(CONNECTION, ONE_REQUEST);
        }
        let sent = request.send().await;
        let mut response = sent.map_err(|error| {
            let mut proxy = self.proxy.iter();
            let is_proxied = proxy.any(|proxy| proxy.serves(base_url));
            classify(&error, guard, is_proxied)
        })?;

        let http_status = response.status().as_u16();
        let location = response
            .headers()
            .get(LOCATION)
            .and_then(|location| location.to_str().ok())
            .map(str::to_owned);
        let retry_after = retry_after::read(response.headers());
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
                    let response = HttpResponse::new(http_status, location, received, secrets);
                    return Ok(response.with_retry_after(retry_after));
                }
                Err(_) => return Err(Unanswered::ConnectionLost.into()),
            }
        }
    }
}

fn unusable(error: reqwest::Error) -> TransportUnusable {
    TransportUnusable::Http(error.without_url())
}

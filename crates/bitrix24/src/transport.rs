//! HTTP to portals and authorization servers.
//!
//! A webhook's address is a secret, and so are many bodies. The full address exists only here, and
//! errors of the HTTP libraries are classified and dropped.

mod connector;
mod failure;
mod http1;
mod http2;
mod lingering;
mod pool;
mod portal;
mod reception;
mod request;
mod resolver;
mod response;
mod retry_after;
#[cfg(feature = "simulation")]
mod simulated;
mod tally;
mod target;
#[cfg(test)]
mod testing;
mod trust;
mod watched_body;

use std::collections::HashSet;
use std::fmt;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use tokio::time::Instant;

use self::connector::Connector;
pub(crate) use self::failure::Failed;
use self::pool::Pool;
use self::reception::Received;
use self::resolver::GuardedResolver;
pub(crate) use self::response::{Document, HttpResponse, NoDocument};
pub use self::tally::Connections;
pub(crate) use self::target::Path;
use crate::address_guard::AddressGuard;
use crate::call_error::{NotSent, Obstacle, Unanswered};
use crate::certificates::{Authorities, CertificatePin};
use crate::echo::Sent;
use crate::nat64::Nat64Prefix;
use crate::origin::Origin;
use crate::proxy::ForwardProxy;
use crate::send_guard::{CancelOnDrop, Deadlines, SendGuard};

/// Limits of the connections to portals, and whom they trust.
#[derive(Clone, Debug)]
pub struct TransportOptions {
    /// Limit for connecting: name, TCP and TLS.
    pub connect_timeout: Duration,
    /// How long an idle connection is kept. Shorter than a portal's own limit: the outcome of a
    /// request on a connection that is being closed is unknown.
    pub idle_connection: Duration,
    /// While more connections than these are open, none is kept without a request.
    pub kept_connections: usize,
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
            kept_connections: usize::MAX,
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
    /// The proxy's address is not one that can be dialled.
    #[error("portals.proxy cannot be used: its address is not a URL")]
    Proxy,
    /// TLS cannot be set up.
    #[error("could not set up TLS for portals")]
    Tls(#[source] rustls::Error),
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
#[derive(Clone)]
pub(crate) struct Transport {
    wire: Wire,
    maximum_response_bytes: usize,
}

#[derive(Clone)]
enum Wire {
    Http(Arc<Pool>),
    #[cfg(feature = "simulation")]
    Simulated(Arc<dyn crate::simulation::Network>),
}

impl Transport {
    pub(crate) fn new(options: TransportOptions) -> Result<Self, TransportUnusable> {
        let proxy = options.proxy;
        let resolver = GuardedResolver::new(
            AddressGuard::new(options.nat64_prefixes),
            options.self_hosted,
            proxy.as_ref().map(|proxy| proxy.host().to_owned()),
        );
        let tls = trust::tls(&options.authorities, options.pins)?;
        let connector = Connector::new(resolver, tls, proxy, options.connect_timeout)?;
        let connector = connector.keeping(options.kept_connections);
        let pool = Pool::new(Arc::new(connector), options.idle_connection);
        Ok(Self {
            wire: Wire::Http(Arc::new(pool)),
            maximum_response_bytes: options.maximum_response_bytes,
        })
    }

    /// With a network that a simulation plays.
    #[cfg(feature = "simulation")]
    pub(crate) fn simulated(network: Arc<dyn crate::simulation::Network>) -> Self {
        Self {
            wire: Wire::Simulated(network),
            maximum_response_bytes: TransportOptions::default().maximum_response_bytes,
        }
    }

    /// The connections that are open now.
    pub(crate) fn connections(&self) -> Connections {
        match &self.wire {
            Wire::Http(pool) => pool.connections(),
            #[cfg(feature = "simulation")]
            Wire::Simulated(_) => Connections::default(),
        }
    }

    /// Forgets portals that are not in use, where there are many.
    pub(crate) fn forget_unused(&self) {
        match &self.wire {
            Wire::Http(pool) => pool.forget_unused(Instant::now()),
            #[cfg(feature = "simulation")]
            Wire::Simulated(_) => {}
        }
    }

    /// Posts a body and reads the whole response. Follows no redirects.
    pub(crate) async fn post<'a>(
        &self,
        origin: Origin<'_>,
        path: Path,
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
        let mut exchange = pin!(self.exchange(origin, path, content, guard));
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
        origin: Origin<'_>,
        path: Path,
        content: Content<'a>,
        guard: &SendGuard,
    ) -> Result<HttpResponse<'a>, Failed> {
        match &self.wire {
            Wire::Http(pool) => {
                // Addresses are checked before, so this does not fail.
                let no_address = |_| NotSent::Unreachable(Obstacle::Name);
                let portal = pool.portal(origin).map_err(no_address)?;
                let maximum_bytes = self.maximum_response_bytes;
                let sent = request::send(&portal, &path, &content, guard, maximum_bytes);
                let Received {
                    http_status,
                    location,
                    retry_after,
                    body,
                } = sent.await?;
                let response = HttpResponse::new(http_status, location, body, content.sent);
                Ok(response.with_retry_after(retry_after))
            }
            #[cfg(feature = "simulation")]
            Wire::Simulated(network) => {
                let Content { body, sent, .. } = content;
                let (base_url, path) = (origin.base_url(), path.to_text());
                let posted = crate::simulation::Posted::of(base_url, path, body, guard);
                Ok(simulated::response(network.exchange(posted).await?, sent))
            }
        }
    }
}

impl fmt::Debug for Transport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Transport")
    }
}

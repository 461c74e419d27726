//! The endpoint that Bitrix24 calls when an application is installed on a portal or removed.
//!
//! The portal becomes a tenant within seconds after an administrator clicked Install. Nothing in an
//! event proves its origin, so every part is checked:
//!
//! ```text
//! connections   limits number, duration and size
//! entrance      path, method, content type, size, form → Notice; responds at once
//! comparison    with what is known: time, operator's lists, the stored application token
//! work          in the background, in a bounded queue; retries transient failures
//!   share         without proof: what its source may ask the authorization servers
//!   installation  shows the access token to the authorization server, if the operator's list has
//!                 it: the server returns the token's application, portal and portal's address
//!   removal       compares the event's application token with that of the installation
//! ```
//!
//! Bitrix24 does not retry a failed event, and postpones slow handlers. So every well-formed event
//! gets the response 200 before it is checked, which also tells a forger nothing.
//!
//! Source: pages "installation callback", "on-app-install", "on-app-uninstall" and "safe event
//! handlers".

mod comparison;
mod connections;
mod entrance;
mod event_result;
mod form;
mod installation;
mod lines;
mod notice;
mod queue;
mod removal;
mod settings;
mod share;
mod source;
mod work;

pub use event_result::EventResult;
pub(crate) use settings::InstallationSettings;
pub use share::Limits;

use std::time::Duration;

use ipnet::IpNet;
use tokio::net::TcpListener;

use crate::metrics::Metrics;
use crate::tenant::Applications;
use bitrix24::{Client, Policy};
use store::Store;

/// The path that Bitrix24 calls, followed by the application's name.
pub(crate) const PATH: &str = "/bitrix24/events/";

/// The dependencies of the endpoint.
#[derive(Clone, Debug)]
pub struct InstallationEndpoint {
    pub applications: Applications,
    pub store: Store,
    pub client: Client,
    /// The portals and authorization servers that are allowed.
    pub policy: Policy,
    pub metrics: Metrics,
    /// Timeout of a request to an authorization server.
    pub timeout: Duration,
    /// When to retry after transient failures.
    pub retries: Retries,
    /// The longest time for a connection.
    pub connection_age: Duration,
    /// How many questions events without proof may cause.
    pub limits: Limits,
    /// The proxies whose `X-Forwarded-For` is believed.
    pub trusted_proxies: Vec<IpNet>,
}

/// When an event is retried after transient failures.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Retries {
    /// The pause before the first retry. Each further pause is twice as long.
    pub first: Duration,
    /// The longest pause.
    pub longest: Duration,
    /// No retry starts later than this after the event's arrival.
    pub total: Duration,
}

impl Default for Retries {
    /// Ten minutes: the maximum age of an event, and well within the hour that its access token is
    /// valid.
    fn default() -> Self {
        Self {
            first: Duration::from_secs(1),
            longest: Duration::from_mins(1),
            total: Duration::from_mins(10),
        }
    }
}

/// Reads an event's form, and shows it as a log would: without secrets. `None` if it is refused.
/// For the fuzz targets.
pub fn read_event(body: &[u8]) -> Option<String> {
    let form = form::Form::read(body).ok()?;
    let notice = notice::Notice::read(&form).ok()?;
    Some(format!("{notice:?}"))
}

/// Serves until `stop` completes. Then refuses new events, retries the queued ones once, and ends
/// when each has an outcome, at the latest a few seconds after `timeout`.
pub async fn serve(
    listener: TcpListener,
    endpoint: InstallationEndpoint,
    stop: impl Future<Output = ()>,
) {
    let timeout = endpoint.timeout;
    let connection_age = endpoint.connection_age;
    let work = work::Work::new(endpoint);
    tracing::info!(
        address = listener.local_addr().ok().map(tracing::field::display),
        "accepting installations"
    );
    connections::serve(listener, connection_age, work.clone(), stop).await;
    work.finish(timeout).await;
}

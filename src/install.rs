//! Installation without hands: the address that Bitrix24 calls when an application is installed on a portal or removed.
//!
//! A minute after an administrator has clicked Install, the portal is a tenant. Nothing in the event proves where it comes
//! from, so nothing in it is believed:
//!
//! ```text
//! connections   how many, how long, how large
//! entrance      path, method, content type, size, form → Notice; answers at once
//! work          in the background, one place in a bounded queue each; repeats what may pass
//!   installation  the access token is shown to the authorization server, if that is on the operator's list: it says of
//!                 which application and portal the token is, and under which address the portal answers
//!   removal       the event's application token is compared with the one that the installation brought
//! ```
//!
//! Bitrix24 does not send an event again that failed, and puts slow handlers behind others. So every well-formed event is
//! answered with 200 before it is looked at, which also tells a forger nothing.
//!
//! Source: pages "installation callback", "on-app-install", "on-app-uninstall" and "safe event handlers".

mod connections;
mod entrance;
mod form;
mod installation;
mod newest;
mod notice;
mod outcome;
mod removal;
mod settings;
mod work;

pub use outcome::{Outcome, What};
pub use settings::InstallationSettings;

use std::time::Duration;

use tokio::net::TcpListener;

use crate::metrics::Metrics;
use crate::tenant::Applications;
use bitrix24::{Client, Policy};
use store::Store;

/// The path that Bitrix24 calls, with the application's name behind it.
pub const PATH: &str = "/bitrix24/events/";

/// What the end point works with.
#[derive(Clone, Debug)]
pub struct InstallationEnds {
    /// The applications that may be installed.
    pub applications: Applications,
    /// Where tenants are entered.
    pub store: Store,
    /// What asks authorization servers.
    pub client: Client,
    /// Which portals and authorization servers there may be.
    pub policy: Policy,
    /// Where outcomes are counted.
    pub metrics: Metrics,
    /// How long one question to an authorization server may take.
    pub timeout: Duration,
    /// How long an event is worked on that cannot be worked on now.
    pub patience: Patience,
}

/// How long an event is repeated that meets trouble which may pass.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Patience {
    /// The pause before the first repetition. Each further one is twice as long.
    pub first: Duration,
    /// The longest pause.
    pub longest: Duration,
    /// No repetition begins later than this after the event has arrived.
    pub total: Duration,
}

impl Default for Patience {
    /// Ten minutes: as long as an event may be old, and well within the hour that its access token lives.
    fn default() -> Self {
        Self {
            first: Duration::from_secs(1),
            longest: Duration::from_mins(1),
            total: Duration::from_mins(10),
        }
    }
}

/// Serves until `stop` completes, then takes no more events, tries those that wait once more, and ends when each has its
/// outcome, at the latest a little after `timeout`.
pub async fn serve(listener: TcpListener, ends: InstallationEnds, stop: impl Future<Output = ()>) {
    let timeout = ends.timeout;
    let work = work::Work::new(ends);
    tracing::info!(
        address = listener.local_addr().ok().map(tracing::field::display),
        "installations are accepted"
    );
    connections::serve(listener, work.clone(), stop).await;
    work.finish(timeout).await;
}

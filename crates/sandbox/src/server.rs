//! The running simulator and the handle that tests, demonstrations and the command hold.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tracing::info;

use super::connection::Listening;
use super::fault::Fault;
use super::limits::Limits;
use super::portal::Portal;
use super::record::Record;
use super::state::MessageRule;
use super::switches::{AnswerGeneration, ErrorDialect, Switches};
use super::tls::Identity;
use super::world::{Place, World};

/// A running simulator. It stops when [`Sandbox::shutdown`] is called or when it is dropped.
#[derive(Debug)]
pub struct Sandbox {
    pub(super) address: SocketAddr,
    pub(super) world: Arc<World>,
    pub(super) identity: Option<Identity>,
    tasks: TaskTracker,
    stop: CancellationToken,
}

impl Sandbox {
    /// Starts serving the portals on the listener; call it within a tokio runtime.
    ///
    /// A request is for the portal whose host its `Host` header names, else for the first portal.
    ///
    /// # Errors
    ///
    /// When the listener has no address, or when there is no portal.
    pub fn start(listener: TcpListener, portals: Vec<Portal>) -> io::Result<Self> {
        Self::start_with(listener, portals, None)
    }

    /// Starts the portals with a certificate: they answer over HTTPS, and over HTTP on the same port.
    ///
    /// # Errors
    ///
    /// As [`Sandbox::start`].
    pub fn start_secure(
        listener: TcpListener,
        portals: Vec<Portal>,
        identity: Identity,
    ) -> io::Result<Self> {
        Self::start_with(listener, portals, Some(identity))
    }

    fn start_with(
        listener: TcpListener,
        portals: Vec<Portal>,
        identity: Option<Identity>,
    ) -> io::Result<Self> {
        if portals.is_empty() {
            return Err(io::Error::new(
                io::ErrorKind::InvalidInput,
                "a sandbox needs a portal",
            ));
        }
        let sandbox = Self {
            address: listener.local_addr()?,
            world: Arc::new(World::new(portals)),
            identity,
            tasks: TaskTracker::new(),
            stop: CancellationToken::new(),
        };
        sandbox.listening(sandbox.address, None).start(listener);
        info!(address = %sandbox.address, "sandbox portal listens");
        Ok(sandbox)
    }

    /// Serves one portal on a listener of its own, where no `Host` header is looked at.
    ///
    /// # Errors
    ///
    /// When the listener has no address, or when no portal has this host.
    pub fn listen(&self, listener: TcpListener, host: &str) -> io::Result<SocketAddr> {
        let place = self
            .world
            .portal(host)
            .cloned()
            .ok_or(io::ErrorKind::NotFound)?;
        let address = listener.local_addr()?;
        // A second listener of the same portal leaves the first one's address in answers.
        place.settle(address);
        self.listening(address, Some(place)).start(listener);
        info!(%address, host, "sandbox portal listens");
        Ok(address)
    }

    /// Renames a portal: from now on it answers on this listener only. Under every address that it had before, each
    /// request is answered with a redirect to this one, those to the authorization server excepted.
    ///
    /// # Errors
    ///
    /// When the listener has no address, or when no portal has this host.
    pub fn rename(&self, listener: TcpListener, host: &str) -> io::Result<SocketAddr> {
        let place = self.world.portal(host).ok_or(io::ErrorKind::NotFound)?;
        self.listening(self.address, None).rename(listener, place)
    }

    /// The address of the first listener.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// A copy of the record.
    pub fn record(&self) -> Record {
        self.world.book.read()
    }

    /// Forgets the record; what the portals remember stays.
    pub fn clear_record(&self) {
        self.world.book.clear();
    }

    /// Adds a fault behind those that wait already.
    pub fn inject(&self, fault: Fault) {
        self.world.faults.inject(fault);
    }

    /// Takes back all faults and message rules.
    pub fn clear_faults(&self) {
        self.world.faults.clear();
        self.world.rules().clear();
    }

    /// Makes single messages of `imconnector.send.messages` fail until the faults are cleared.
    pub fn refuse_messages(&self, rule: MessageRule) {
        self.world.rules().push(rule);
    }

    /// The switches in force.
    pub fn switches(&self) -> Switches {
        self.world.switches().clone()
    }

    /// Changes switches for the requests that arrive from now on.
    pub fn switch(&self, change: impl FnOnce(&mut Switches)) {
        change(&mut self.world.switches());
    }

    /// Chooses the generation of error codes and texts.
    pub fn set_dialect(&self, dialect: ErrorDialect) {
        self.switch(|switches| switches.error_dialect = dialect);
    }

    /// Chooses the generation of success answers.
    pub fn set_generation(&self, generation: AnswerGeneration) {
        self.switch(|switches| switches.answer_generation = generation);
    }

    /// Changes a portal's definition. `None` if no portal has this host.
    ///
    /// The portal answers nothing until the change is done, so the closure must not call it.
    pub fn alter<T>(&self, host: &str, change: impl FnOnce(&mut Portal) -> T) -> Option<T> {
        let place = self.world.portal(host)?;
        Some(change(&mut place.state().portal))
    }

    /// Changes the limits of every portal, and empties what they have counted so far.
    pub fn limit(&self, change: impl Fn(&mut Limits)) {
        for place in self.world.portals() {
            let mut state = place.state();
            change(&mut state.portal.limits);
            state.buckets.clear();
            state.baskets.clear();
        }
    }

    /// The time by the portals' clock.
    pub fn now(&self) -> Timestamp {
        self.world.clock.now()
    }

    /// Moves the portals' clock forward. Delays of faults are not shortened by it.
    pub fn advance_clock(&self, by: Duration) {
        self.world.clock.advance(by);
    }

    /// Moves the clock of one portal forward, the life of its tokens with it. Whether there is such a portal.
    pub fn advance_clock_of(&self, host: &str, by: Duration) -> bool {
        let place = self.world.portal(host);
        place.is_some_and(|place| {
            place.clock.advance(by);
            true
        })
    }

    /// Stops listening, cuts every connection, and waits until nothing runs any more.
    pub async fn shutdown(self) {
        self.stop.cancel();
        self.tasks.close();
        self.tasks.wait().await;
    }

    /// What the connections of a listener share; `None`: the `Host` header chooses the portal.
    fn listening(&self, address: SocketAddr, place: Option<Arc<Place>>) -> Listening {
        Listening {
            world: Arc::clone(&self.world),
            address,
            place,
            identity: self.identity.clone(),
            tasks: self.tasks.clone(),
            stop: self.stop.clone(),
        }
    }
}

impl Drop for Sandbox {
    fn drop(&mut self) {
        self.stop.cancel();
    }
}

//! The running simulator and the handle that tests, demonstrations and the command hold.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use secrecy::{ExposeSecret, SecretString};
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tracing::{info, warn};

use super::connection::Listening;
use super::event::{self, Event};
use super::fault::Fault;
use super::limits::Limits;
use super::origin::Origin;
use super::portal::{Portal, TokenState};
use super::record::Record;
use super::state::MessageRule;
use super::switches::{AnswerGeneration, ErrorDialect, Switches};
use super::tls::Identity;
use super::world::{Place, World};

/// How long accepting pauses when the machine has no more sockets to give.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

/// A running simulator. It stops when [`Sandbox::shutdown`] is called or when it is dropped.
#[derive(Debug)]
pub struct Sandbox {
    address: SocketAddr,
    world: Arc<World>,
    identity: Option<Identity>,
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
        sandbox.accept(listener, None);
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
        place.address.get_or_init(|| address);
        self.accept(listener, Some(place));
        info!(%address, host, "sandbox portal listens");
        Ok(address)
    }

    /// The address of the first listener.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// A copy of the record.
    #[must_use]
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
    #[must_use]
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

    /// Lets an access token expire on every portal that knows it. Whether one did.
    pub fn expire_token(&self, token: &str) -> bool {
        self.world.set_token_state(token, TokenState::Expired)
    }

    /// Makes a code for a user, as the authorization page does. `None` if there is no such application.
    pub fn authorize(&self, host: &str, client_id: &str, user_id: i64) -> Option<SecretString> {
        let mut state = self.world.portal(host)?.state();
        let mut applications = state.portal.applications.iter();
        applications.find(|known| known.client_id == client_id)?;
        let now = self.world.clock.now();
        Some(state.grants.new_code(client_id, user_id, now))
    }

    /// Forgets the pair of tokens that has this access or refresh token. Whether there was one.
    pub fn revoke(&self, token: &str) -> bool {
        self.world.revoke(None, Some(token)) > 0
    }

    /// Lets an event happen and sends it to its handler, once. Gives the handler's status.
    ///
    /// # Errors
    ///
    /// When there is no such portal or application, when the handler is not plain HTTP on loopback, and
    /// when no answer came.
    pub async fn send_event(&self, host: &str, event: &Event) -> io::Result<u16> {
        let place = self.world.portal(host).ok_or(io::ErrorKind::NotFound)?;
        let origin = Origin {
            scheme: if self.identity.is_some() {
                "https"
            } else {
                "http"
            },
            host: self.address.to_string(),
        };
        let handler = event::handler(&event.handler).ok_or(io::ErrorKind::InvalidInput)?;
        let form =
            event::form(&self.world, place, event, &origin).ok_or(io::ErrorKind::NotFound)?;
        event::send(&handler, form).await
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
    #[must_use]
    pub fn now(&self) -> Timestamp {
        self.world.clock.now()
    }

    /// Moves the portals' clock forward. Delays of faults are not shortened by it.
    pub fn advance_clock(&self, by: Duration) {
        self.world.clock.advance(by);
    }

    /// Stops listening, cuts every connection, and waits until nothing runs any more.
    pub async fn shutdown(self) {
        self.stop.cancel();
        self.tasks.close();
        self.tasks.wait().await;
    }

    fn accept(&self, listener: TcpListener, place: Option<Arc<Place>>) {
        let listening = Listening {
            world: Arc::clone(&self.world),
            place,
            identity: self.identity.clone(),
            tasks: self.tasks.clone(),
            stop: self.stop.clone(),
        };
        let accepting = async move {
            loop {
                match listener.accept().await {
                    Ok((stream, _)) => {
                        listening.tasks.spawn(listening.clone().serve(stream));
                    }
                    Err(error) => {
                        warn!(%error, "a connection could not be accepted");
                        tokio::time::sleep(ACCEPT_PAUSE).await;
                    }
                }
            }
        };
        self.tasks
            .spawn(self.stop.clone().run_until_cancelled_owned(accepting));
    }
}

impl Drop for Sandbox {
    fn drop(&mut self) {
        self.stop.cancel();
    }
}

impl World {
    /// Sets the state of a token on every portal that knows it. Whether one did.
    pub(super) fn set_token_state(&self, token: &str, state: TokenState) -> bool {
        let (mut known, now) = (false, self.clock.now());
        for place in self.portals() {
            let mut place = place.state();
            known |= place.grants.set_state(token, state, now);
            for held in &mut place.portal.tokens {
                if held.token.expose_secret() == token {
                    held.state = state;
                    known = true;
                }
            }
        }
        known
    }

    /// Forgets the pairs of tokens of an application, or with this token. Gives their number.
    pub(super) fn revoke(&self, client_id: Option<&str>, token: Option<&str>) -> usize {
        let places = self.portals().iter();
        places
            .map(|place| {
                let mut state = place.state();
                state.grants.revoke(|client, access, refresh| {
                    client_id.is_none_or(|wanted| wanted == client)
                        && token.is_none_or(|wanted| wanted == access || wanted == refresh)
                })
            })
            .sum()
    }
}

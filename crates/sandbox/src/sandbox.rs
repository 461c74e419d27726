//! The handle of a running simulator.

mod applications;

use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use tokio::net::{TcpListener, UdpSocket};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tracing::info;

use crate::control;
use crate::fault::{Fault, MessageRule};
use crate::nat64::{self, Nat64Prefix};
use crate::portal::{Limits, Portal};
use crate::record::Record;
use crate::server::{Identity, Listener};
use crate::simulator::{RunningPortal, Simulator};
use crate::switches::{AnswerGeneration, ErrorDialect, Switches};

/// A running simulator. [`Sandbox::shutdown`] or dropping it stops it.
#[derive(Debug)]
pub struct Sandbox {
    address: SocketAddr,
    simulator: Arc<Simulator>,
    identity: Option<Identity>,
    tasks: TaskTracker,
    stop: CancellationToken,
}

impl Sandbox {
    /// Serves the portals on the listener. Call it within a tokio runtime.
    ///
    /// The `Host` header of a request selects the portal; the default is the first one.
    ///
    /// # Errors
    ///
    /// When the listener has no address, or when there is no portal.
    pub fn start(listener: TcpListener, portals: Vec<Portal>) -> io::Result<Self> {
        Self::start_with(listener, portals, None)
    }

    /// Serves the portals over HTTPS, and over HTTP on the same port.
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
            simulator: Arc::new(Simulator::new(portals)),
            identity,
            tasks: TaskTracker::new(),
            stop: CancellationToken::new(),
        };
        sandbox.listener(sandbox.address, None).start(listener);
        info!(address = %sandbox.address, "sandbox portal listens");
        Ok(sandbox)
    }

    /// Also serves one portal on a listener of its own, whatever the `Host` header.
    ///
    /// # Errors
    ///
    /// When the listener has no address, or when no portal has this host.
    pub fn listen(&self, listener: TcpListener, host: &str) -> io::Result<SocketAddr> {
        let portal = self.simulator.portal(host).cloned();
        let portal = portal.ok_or(io::ErrorKind::NotFound)?;
        let address = listener.local_addr()?;
        // Responses name the first of a portal's own listeners.
        portal.listens_at(address);
        self.listener(address, Some(portal)).start(listener);
        info!(%address, host, "sandbox portal listens");
        Ok(address)
    }

    /// Renames a portal: from now on only this listener serves it. Every earlier address redirects
    /// here, except for requests to the authorization server.
    ///
    /// # Errors
    ///
    /// When the listener has no address, or when no portal has this host.
    pub fn rename(&self, listener: TcpListener, host: &str) -> io::Result<SocketAddr> {
        let portal = self.simulator.portal(host);
        let portal = portal.ok_or(io::ErrorKind::NotFound)?;
        let address = listener.local_addr()?;
        self.listener(self.address, None)
            .rename(portal, listener, address);
        Ok(address)
    }

    /// The address of the first listener.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// A copy of the record.
    pub fn record(&self) -> Record {
        self.simulator.recorder.read()
    }

    /// Keeps of the record only the newest requests, with no more than so many rows in all: one for
    /// each request, each command of a batch and each message. Without it the record grows as long
    /// as the sandbox runs.
    pub fn keep_record(&self, rows: usize) {
        self.simulator.recorder.keep(rows);
    }

    /// Clears the record. The portals keep their memory.
    pub fn clear_record(&self) {
        self.simulator.recorder.clear();
        self.simulator.exchanges.clear();
    }

    /// Adds a fault after those that are waiting.
    pub fn inject(&self, fault: Fault) {
        self.simulator.faults.inject(fault);
    }

    /// Adds a fault as `POST /sandbox/faults` reads it.
    ///
    /// # Errors
    ///
    /// Names the field that is wrong.
    pub fn inject_json(&self, fault: &str) -> Result<(), String> {
        self.inject(control::fault(fault)?);
        Ok(())
    }

    /// Changes switches as `POST /sandbox/switches` reads them.
    ///
    /// # Errors
    ///
    /// Names the field that is wrong.
    pub fn switch_json(&self, changes: &str) -> Result<(), String> {
        let changed = control::switches(changes, &self.switches())?;
        self.switch(|switches| *switches = changed);
        Ok(())
    }

    /// Answers name queries on a socket as in a network without IPv4: every name has the address of
    /// this machine's translator that stands for `address`. Returns the socket's address.
    ///
    /// # Errors
    ///
    /// When the socket has no address.
    pub fn resolve_names(
        &self,
        socket: UdpSocket,
        prefix: Nat64Prefix,
        address: Ipv4Addr,
    ) -> io::Result<SocketAddr> {
        let address = prefix.address_of(address);
        nat64::serve(socket, address, &self.tasks, &self.stop)
    }

    /// Removes all faults and message rules.
    pub fn clear_faults(&self) {
        self.simulator.faults.clear();
        self.simulator.rules().clear();
    }

    /// Makes single messages fail until [`Sandbox::clear_faults`].
    pub fn refuse_messages(&self, rule: MessageRule) {
        self.simulator.rules().push(rule);
    }

    /// The current switches.
    pub fn switches(&self) -> Switches {
        self.simulator.switches().clone()
    }

    /// Changes switches for later requests.
    pub fn switch(&self, change: impl FnOnce(&mut Switches)) {
        change(&mut self.simulator.switches());
    }

    /// Selects the generation of error codes and texts.
    pub fn set_dialect(&self, dialect: ErrorDialect) {
        self.switch(|switches| switches.error_dialect = dialect);
    }

    /// Selects the generation of success responses.
    pub fn set_generation(&self, generation: AnswerGeneration) {
        self.switch(|switches| switches.answer_generation = generation);
    }

    /// Changes a portal's definition. `None` if no portal has this host.
    ///
    /// The portal is locked meanwhile, so the closure must not call it.
    pub fn alter<T>(&self, host: &str, change: impl FnOnce(&mut Portal) -> T) -> Option<T> {
        let portal = self.simulator.portal(host)?;
        Some(change(&mut portal.state().definition))
    }

    /// Changes the limits of every portal and forgets what was counted so far.
    pub fn limit(&self, change: impl Fn(&mut Limits)) {
        for portal in self.simulator.portals() {
            let mut state = portal.state();
            change(&mut state.definition.limits);
            state.reset_limits();
        }
    }

    /// The time by the portals' clock.
    pub fn now(&self) -> Timestamp {
        self.simulator.clock.now()
    }

    /// Moves the portals' clock forward. This does not shorten delays of faults.
    pub fn advance_clock(&self, by: Duration) {
        self.simulator.clock.advance(by);
    }

    /// Moves the clock of one portal forward, which also ages its tokens. Returns whether there is
    /// such a portal.
    pub fn advance_clock_of(&self, host: &str, by: Duration) -> bool {
        let portal = self.simulator.portal(host);
        portal.map(|portal| portal.clock.advance(by)).is_some()
    }

    /// Stops listening, cuts every connection, and waits for all tasks.
    pub async fn shutdown(self) {
        self.stop.cancel();
        self.tasks.close();
        self.tasks.wait().await;
    }

    fn listener(&self, address: SocketAddr, portal: Option<Arc<RunningPortal>>) -> Listener {
        Listener {
            simulator: Arc::clone(&self.simulator),
            address,
            portal,
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

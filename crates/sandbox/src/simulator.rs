//! The running portals and everything their requests share.

mod clock;
mod running_portal;

pub(crate) use running_portal::RunningPortal;

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard};

use jiff::Timestamp;
use secrecy::SecretString;
use tokio::sync::Semaphore;
use uuid::Uuid;

use self::clock::Clock;
use crate::exchange::Exchanges;
use crate::fault::{Faults, MessageRule};
use crate::portal::{Application, Portal, TokenState};
use crate::record::Recorder;
use crate::request::Origin;
use crate::switches::Switches;
use crate::sync::lock;

/// How many viewers may watch at once.
pub(crate) const MOST_VIEWERS: usize = 16;

#[derive(Debug)]
pub(crate) struct Simulator {
    portals: Vec<Arc<RunningPortal>>,
    by_host: HashMap<String, Arc<RunningPortal>>,
    pub(crate) recorder: Recorder,
    pub(crate) exchanges: Exchanges,
    /// One permit for each page that may watch.
    pub(crate) viewers: Arc<Semaphore>,
    pub(crate) faults: Faults,
    pub(crate) clock: Clock,
    switches: Mutex<Switches>,
    rules: Mutex<Vec<MessageRule>>,
}

impl Simulator {
    pub(crate) fn new(definitions: Vec<Portal>) -> Self {
        let mut simulator = Self {
            portals: Vec::new(),
            by_host: HashMap::new(),
            recorder: Recorder::default(),
            exchanges: Exchanges::default(),
            viewers: Arc::new(Semaphore::new(MOST_VIEWERS)),
            faults: Faults::default(),
            clock: Clock::default(),
            switches: Mutex::default(),
            rules: Mutex::default(),
        };
        for definition in definitions {
            let portal = Arc::new(RunningPortal::new(definition, simulator.clock.now()));
            // Of two portals with one host the first is found.
            let by_host = simulator.by_host.entry(portal.host.clone());
            by_host.or_insert_with(|| Arc::clone(&portal));
            simulator.portals.push(portal);
        }
        simulator
    }

    pub(crate) fn portals(&self) -> &[Arc<RunningPortal>] {
        &self.portals
    }

    /// The portal with this host name. A port in the name is ignored.
    pub(crate) fn portal(&self, host: &str) -> Option<&Arc<RunningPortal>> {
        let host = host.to_ascii_lowercase();
        let name = host.rsplit_once(':').map_or(&*host, |(name, _)| name);
        self.by_host.get(&host).or_else(|| self.by_host.get(name))
    }

    /// The time by the clock of a portal.
    pub(crate) fn now(&self, portal: &RunningPortal) -> Timestamp {
        let now = self.clock.now();
        now.checked_add(portal.clock.ahead()).unwrap_or(now)
    }

    pub(crate) fn switches(&self) -> MutexGuard<'_, Switches> {
        lock(&self.switches)
    }

    pub(crate) fn rules(&self) -> MutexGuard<'_, Vec<MessageRule>> {
        lock(&self.rules)
    }

    /// The address of a portal's methods for a client that reached the simulator at this origin.
    pub(crate) fn endpoint(&self, portal: &RunningPortal, origin: &Origin) -> String {
        if let Some(address) = portal.own_address() {
            return format!("{}://{address}/rest/", origin.scheme);
        }
        let reached = self.portal(&origin.host).or_else(|| self.portals.first());
        if reached.is_some_and(|reached| reached.host == portal.host) {
            origin.endpoint()
        } else {
            origin.with_name(&portal.host).endpoint()
        }
    }

    /// Sets the state of a token on every portal that knows it. Returns whether one did.
    pub(crate) fn set_token_state(&self, token: &str, state: TokenState) -> bool {
        let mut is_known = false;
        for portal in &self.portals {
            let now = self.now(portal);
            is_known |= portal.state().set_token_state(token, state, now);
        }
        is_known
    }

    /// Forgets the pairs of tokens of an application, or with this token. Returns their number.
    pub(crate) fn revoke(&self, client_id: Option<&str>, token: Option<&str>) -> usize {
        let revoke_at = |portal: &Arc<RunningPortal>| {
            portal.state().grants.revoke(|client, access, refresh| {
                client_id.is_none_or(|wanted| wanted == client)
                    && token.is_none_or(|wanted| wanted == access || wanted == refresh)
            })
        };
        self.portals.iter().map(revoke_at).sum()
    }

    /// An application of any portal, as it is before its installation on another.
    pub(crate) fn market_application(&self, client_id: &str) -> Option<Application> {
        let mut portals = self.portals.iter();
        let known =
            portals.find_map(|portal| portal.state().definition.application(client_id).cloned())?;
        Some(Application {
            application_token: new_application_token(),
            installed: false,
            grants: Vec::new(),
            ..known
        })
    }
}

/// Proves the origin of events: 32 hexadecimal digits.
pub(crate) fn new_application_token() -> SecretString {
    SecretString::from(Uuid::new_v4().simple().to_string())
}

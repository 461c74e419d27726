//! Everything that the requests of one simulator share, and the way of one request through it.

use std::net::IpAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use http::{HeaderMap, Method, Uri};
use tracing::info;

use super::answer::Answer;
use super::bucket::Source;
use super::clock::Clock;
use super::dispatch::Circumstances;
use super::execution::Execution;
use super::fault::{FaultKind, Moment};
use super::faults::Faults;
use super::portal::Portal;
use super::record::{AuthKind, Book, Entry};
use super::refusal::Refusal;
use super::reply::{Reply, Written};
use super::request::RestRequest;
use super::state::{MessageRule, PortalState};
use super::switches::{IntensityKey, Switches};
use super::system_error::SystemError;

/// The portals of one process and what steers them.
#[derive(Debug, Default)]
pub(super) struct World {
    portals: Vec<Arc<Place>>,
    pub(super) book: Book,
    pub(super) faults: Faults,
    pub(super) clock: Clock,
    switches: Mutex<Switches>,
    rules: Mutex<Vec<MessageRule>>,
}

/// A portal with the host name it is found by.
#[derive(Debug)]
pub(super) struct Place {
    pub(super) host: String,
    state: Mutex<PortalState>,
}

impl Place {
    pub(super) fn state(&self) -> MutexGuard<'_, PortalState> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A request as it came over the connection, body included.
#[derive(Debug)]
pub(super) struct Arrived {
    pub(super) method: Method,
    pub(super) uri: Uri,
    pub(super) headers: HeaderMap,
    pub(super) body: bytes::Bytes,
    /// The address it came from.
    pub(super) peer: Option<IpAddr>,
    /// Whether it came over TLS.
    pub(super) secure: bool,
}

impl World {
    pub(super) fn new(portals: Vec<Portal>) -> Self {
        let place = |portal: Portal| {
            let host = portal.host.to_ascii_lowercase();
            Arc::new(Place {
                host,
                state: Mutex::new(PortalState::new(portal)),
            })
        };
        Self {
            portals: portals.into_iter().map(place).collect(),
            ..Self::default()
        }
    }

    pub(super) fn portals(&self) -> &[Arc<Place>] {
        &self.portals
    }

    /// The portal of this host name; a port in the name does not matter.
    pub(super) fn portal(&self, host: &str) -> Option<&Arc<Place>> {
        let name = host.rsplit_once(':').map_or(host, |(name, _)| name);
        self.portals.iter().find(|place| {
            place.host.eq_ignore_ascii_case(host) || place.host.eq_ignore_ascii_case(name)
        })
    }

    pub(super) fn switches(&self) -> MutexGuard<'_, Switches> {
        self.switches.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn rules(&self) -> MutexGuard<'_, Vec<MessageRule>> {
        self.rules.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes a request through the portal and says what happens on the connection.
    pub(super) async fn handle(&self, place: &Place, arrived: &Arrived) -> Reply {
        let request = RestRequest::read(
            &arrived.method,
            &arrived.uri,
            &arrived.headers,
            &arrived.body,
        );
        let method = request
            .as_ref()
            .map_or("", |request| request.method.as_str());
        let auth = request
            .as_ref()
            .map_or(AuthKind::None, |request| request.credential.kind());
        // The limit of intensity stands in front of everything: a fault waits for a request that passes.
        let is_admitted = self.admits(place, arrived, request.as_ref());
        let fault = is_admitted
            .then(|| self.faults.draw(&place.host, method))
            .flatten();
        let sequence = self.book.open(Entry {
            sequence: 0,
            time: self.clock.now(),
            portal: place.host.clone(),
            method: method.to_owned(),
            auth,
            executed: false,
            commands: Vec::new(),
            deliveries: Vec::new(),
            fault: fault.as_ref().map(|fault| fault.name().to_owned()),
            status: None,
            error: None,
        });
        let reply = match (&request, &fault) {
            _ if !is_admitted => {
                let refusal = Refusal::System(SystemError::QUERY_LIMIT_EXCEEDED);
                let answer = Answer::refusal(refusal.face(&self.switches()));
                Reply::Written(Written::json(&answer))
            }
            (_, Some(fault)) if !fault.executes() => {
                let target = arrived
                    .uri
                    .path_and_query()
                    .map_or("/", |target| target.as_str());
                let table = self.switches().status_table;
                Reply::instead(fault, target, table)
            }
            (None, _) => Reply::Written(Written::page(404)),
            (Some(request), fault) => {
                delay(fault.as_ref(), Moment::Before).await;
                let execution = Execution {
                    world: self,
                    place,
                    request,
                    sequence,
                    circumstances: Circumstances {
                        switches: self.switches().clone(),
                        rules: self.rules().clone(),
                        now: self.clock.now(),
                    },
                    secure: arrived.secure,
                };
                let answer = execution.answer().await;
                delay(fault.as_ref(), Moment::After).await;
                Reply::after(fault.as_ref(), &answer)
            }
        };
        let (status, error) = match &reply {
            Reply::Written(written) => (Some(written.status), written.error.clone()),
            Reply::Close | Reply::Reset | Reply::Silence => (None, None),
        };
        let fault = fault.as_ref().map(FaultKind::name);
        info!(
            sequence,
            portal = place.host,
            method,
            ?auth,
            status,
            error,
            fault,
            "request handled"
        );
        self.book.amend(sequence, |entry| {
            entry.status = status;
            entry.error = error;
        });
        reply
    }

    /// Counts a request and says whether the portal's limit of intensity lets it pass.
    fn admits(&self, place: &Place, arrived: &Arrived, request: Option<&RestRequest>) -> bool {
        let (key, now) = (self.switches().intensity_key, self.clock.now());
        let mut state = place.state();
        let Some(intensity) = state.portal.limits.intensity else {
            return true;
        };
        let caller = request.map(|request| request.credential.fingerprint());
        let source = match key {
            IntensityKey::Portal => Source::default(),
            IntensityKey::PortalAndAddress => Source {
                address: arrived.peer,
                caller: None,
            },
            IntensityKey::PortalAddressAndCaller => Source {
                address: arrived.peer,
                caller,
            },
        };
        state.buckets.admit(source, intensity, now)
    }
}

/// Waits if the fault is a delay at this moment.
async fn delay(fault: Option<&FaultKind>, at: Moment) {
    if let Some(FaultKind::Slow(moment, delay)) = fault
        && *moment == at
    {
        tokio::time::sleep(*delay).await;
    }
}

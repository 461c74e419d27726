//! Everything that the requests of one simulator share, and the way of one request through it.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use http::{HeaderMap, Method, Uri};
use tracing::info;

use super::answer::{Answer, Span};
use super::clock::Clock;
use super::dispatch::{self, Circumstances};
use super::fault::{FaultKind, Moment};
use super::faults::Faults;
use super::portal::Portal;
use super::record::{AuthKind, Book, Delivery, Entry};
use super::reply::{Reply, Written};
use super::request::RestRequest;
use super::state::{MessageRule, PortalState};
use super::switches::Switches;

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
        let fault = self.faults.draw(&place.host, method);
        let sequence = self.book.open(Entry {
            sequence: 0,
            time: self.clock.now(),
            portal: place.host.clone(),
            method: method.to_owned(),
            auth,
            executed: false,
            deliveries: Vec::new(),
            fault: fault.as_ref().map(|fault| fault.name().to_owned()),
            status: None,
            error: None,
        });
        let reply = match (&request, &fault) {
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
                let answer = self.execute(place, request, sequence);
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

    /// Runs the call and writes the truth about it into the record, before anything can delay it.
    fn execute(&self, place: &Place, request: &RestRequest, sequence: u64) -> Answer {
        let circumstances = Circumstances {
            switches: self.switches().clone(),
            rules: self.rules().clone(),
            now: self.clock.now(),
        };
        let mut state = place.state();
        let outcome = dispatch::run(request, &circumstances, &mut state);
        let utc_offset_hours = state.portal.utc_offset_hours;
        drop(state);
        let switches = &circumstances.switches;
        match outcome {
            Ok(done) => {
                let span = Span {
                    start: circumstances.now,
                    finish: self.clock.now(),
                    utc_offset_hours,
                };
                self.note(sequence, done.deliveries);
                Answer::result(done.result, span, switches)
            }
            Err(refusal) => Answer::refusal(refusal.face(switches)),
        }
    }

    fn note(&self, sequence: u64, deliveries: Vec<Delivery>) {
        self.book.amend(sequence, |entry| {
            entry.executed = true;
            entry.deliveries = deliveries;
        });
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

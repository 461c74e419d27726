//! Everything that the requests of one simulator share, and the way of one request through it.

use std::collections::HashMap;
use std::net::{IpAddr, SocketAddr};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use http::{HeaderMap, Method, Uri};
use jiff::Timestamp;
use secrecy::ExposeSecret;
use tracing::info;

use super::answer::Answer;
use super::asked::Asked;
use super::auth::Credential;
use super::bucket::{Admission, Source};
use super::clock::Clock;
use super::dispatch::Circumstances;
use super::execution::Execution;
use super::fault::{FaultKind, Moment};
use super::faults::Faults;
use super::oauth::{self, OAuthError};
use super::origin::Origin;
use super::portal::Portal;
use super::record::{Book, Entry};
use super::refusal::Refusal;
use super::reply::{Reply, Written};
use super::state::{MessageRule, PortalState};
use super::switches::{IntensityKey, Switches};
use super::system_error::SystemError;

/// The portals of one process and what steers them.
#[derive(Debug, Default)]
pub(super) struct World {
    portals: Vec<Arc<Place>>,
    by_host: HashMap<String, Arc<Place>>,
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
    address: Mutex<Address>,
    /// What is added to the clock of the world.
    pub(super) clock: Clock,
    state: Mutex<PortalState>,
}

/// Where a portal is reached.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Address {
    /// Under the first listener, by its host.
    Shared,
    /// Under a listener of its own as well.
    Own(SocketAddr),
    /// Under this listener only: it was renamed.
    Moved(SocketAddr),
}

impl Place {
    /// Names a listener of its own in answers, unless it has one already.
    pub(super) fn settle(&self, at: SocketAddr) {
        let mut address = self.address();
        if *address == Address::Shared {
            *address = Address::Own(at);
        }
    }

    /// Renames the portal: it answers at this address only, and elsewhere names it.
    pub(super) fn rename(&self, to: SocketAddr) {
        *self.address() = Address::Moved(to);
    }

    /// Where a request has to go that came in at another address.
    fn moved_from(&self, at: SocketAddr) -> Option<SocketAddr> {
        match *self.address() {
            Address::Moved(to) if to != at => Some(to),
            Address::Moved(_) | Address::Own(_) | Address::Shared => None,
        }
    }

    fn address(&self) -> MutexGuard<'_, Address> {
        self.address.lock().unwrap_or_else(PoisonError::into_inner)
    }

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
    /// The address of the listener it came to.
    pub(super) at: SocketAddr,
    /// The address it came from.
    pub(super) peer: Option<IpAddr>,
    /// Whether it came over TLS.
    pub(super) secure: bool,
}

impl World {
    pub(super) fn new(portals: Vec<Portal>) -> Self {
        let clock = Clock::default();
        let place = |portal: Portal| {
            let host = portal.host.to_ascii_lowercase();
            Arc::new(Place {
                host,
                address: Mutex::new(Address::Shared),
                clock: Clock::default(),
                state: Mutex::new(PortalState::new(portal, clock.now())),
            })
        };
        let portals: Vec<Arc<Place>> = portals.into_iter().map(place).collect();
        let mut by_host = HashMap::new();
        for place in &portals {
            // Of two portals with one host the first is found, as the last resort is the first portal too.
            by_host
                .entry(place.host.clone())
                .or_insert_with(|| Arc::clone(place));
        }
        Self {
            portals,
            by_host,
            clock,
            ..Self::default()
        }
    }

    pub(super) fn portals(&self) -> &[Arc<Place>] {
        &self.portals
    }

    /// The portal of this host name; a port in the name does not matter.
    pub(super) fn portal(&self, host: &str) -> Option<&Arc<Place>> {
        let host = host.to_ascii_lowercase();
        let name = host
            .rsplit_once(':')
            .map_or(host.as_str(), |(name, _)| name);
        self.by_host.get(&host).or_else(|| self.by_host.get(name))
    }

    /// The time by the clock of a portal.
    pub(super) fn now(&self, place: &Place) -> Timestamp {
        let now = self.clock.now();
        now.checked_add(place.clock.ahead()).unwrap_or(now)
    }

    pub(super) fn switches(&self) -> MutexGuard<'_, Switches> {
        self.switches.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn rules(&self) -> MutexGuard<'_, Vec<MessageRule>> {
        self.rules.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The address of a portal's methods for a caller that has reached the simulator at this origin.
    pub(super) fn endpoint(&self, place: &Place, origin: &Origin) -> String {
        let by_host = self.portal(&origin.host);
        let reached = by_host.or_else(|| self.portals.first());
        match *place.address() {
            Address::Own(address) | Address::Moved(address) => {
                format!("{}://{address}/rest/", origin.scheme)
            }
            Address::Shared if reached.is_some_and(|reached| reached.host == place.host) => {
                origin.endpoint()
            }
            Address::Shared => origin.with_name(&place.host).endpoint(),
        }
    }

    /// Takes a request through the portal and says what happens on the connection.
    pub(super) async fn handle(&self, place: &Arc<Place>, arrived: &Arrived) -> Reply {
        let asked = Asked::read(arrived, &self.switches());
        let place = &self.meant(place, &asked);
        let (method, auth) = (asked.method(), asked.auth());
        // A web server in front knows the new address, so that the portal sees nothing of the request.
        let moved_to = (!asked.is_for_authorization_server())
            .then(|| place.moved_from(arrived.at))
            .flatten();
        // The limit of intensity stands in front of everything else: a fault waits for a request that passes.
        let Admission { is_admitted, level } = match moved_to {
            Some(_) => Admission::FREE,
            None => self.admit(place, arrived, &asked),
        };
        let fault = (is_admitted && moved_to.is_none())
            .then(|| self.faults.draw(&place.host, method))
            .flatten();
        let sequence = self.book.open(Entry {
            sequence: 0,
            time: self.now(place),
            portal: place.host.clone(),
            method: method.to_owned(),
            auth,
            grant: asked.grant(),
            executed: false,
            commands: Vec::new(),
            deliveries: Vec::new(),
            bucket: level,
            fault: fault.as_ref().map(|fault| fault.name().to_owned()),
            status: None,
            error: None,
        });
        let target = arrived.uri.path_and_query();
        let target = target.map_or("/", |target| target.as_str());
        let reply = match (&fault, moved_to) {
            (_, Some(address)) => {
                let scheme = if arrived.secure { "https" } else { "http" };
                Reply::Written(Written::redirect(&format!("{scheme}://{address}{target}")))
            }
            _ if !is_admitted => {
                let refusal = Refusal::System(SystemError::QUERY_LIMIT_EXCEEDED);
                let answer = Answer::refusal(refusal.face(&self.switches()));
                Reply::Written(Written::json(&answer))
            }
            (Some(fault), None) if !fault.executes() => {
                let table = self.switches().status_table;
                Reply::instead(fault, target, table)
            }
            (fault, None) => {
                delay(fault.as_ref(), Moment::Before).await;
                let answer = self.answer(place, &asked, arrived, sequence).await;
                delay(fault.as_ref(), Moment::After).await;
                match answer {
                    Some(answer) => Reply::after(fault.as_ref(), &answer),
                    None => Reply::Written(Written::page(404)),
                }
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

    /// The answer to what was asked. `None` if there is nothing at this address.
    async fn answer(
        &self,
        place: &Place,
        asked: &Asked,
        arrived: &Arrived,
        sequence: u64,
    ) -> Option<Answer> {
        let origin = Origin::of(arrived);
        match asked {
            Asked::Nothing => None,
            Asked::Tokens(request) => {
                let granted = oauth::answer(self, place, request, &origin);
                if granted.is_ok() {
                    self.book.amend(sequence, |entry| entry.executed = true);
                }
                Some(granted.unwrap_or_else(oauth::refusal))
            }
            Asked::Call(request) => {
                let execution = Execution {
                    world: self,
                    place,
                    request,
                    sequence,
                    circumstances: Circumstances {
                        switches: self.switches().clone(),
                        rules: self.rules().clone(),
                        now: self.now(place),
                        client_endpoint: self.endpoint(place, &origin),
                    },
                    secure: arrived.secure,
                };
                let answer = execution.answer().await;
                // The authorization server says another thing to a token that it does not know.
                let is_unknown = answer.error.as_deref() == Some(SystemError::INVALID_TOKEN.code);
                if is_unknown && oauth::is_host(&origin.host) {
                    return Some(oauth::refusal(OAuthError::INVALID_CLIENT));
                }
                Some(answer)
            }
        }
    }

    /// The portal that a request is about: for the authorization server that of the tokens.
    fn meant(&self, place: &Arc<Place>, asked: &Asked) -> Arc<Place> {
        // Mostly it is the portal that was reached; the others are many.
        let mut places = std::iter::once(place).chain(&self.portals);
        let of_token = match asked {
            Asked::Tokens(request) => {
                let proof = request.get("refresh_token").or_else(|| request.get("code"));
                let client = request.get("client_id").unwrap_or_default();
                let granted = places.find(|place| {
                    let state = place.state();
                    proof
                        .as_deref()
                        .is_some_and(|proof| state.grants.knows(proof))
                });
                let has_client = |place: &&Arc<Place>| {
                    let applications = &place.state().portal.applications;
                    applications.iter().any(|known| known.client_id == client)
                };
                granted
                    .or_else(|| Some(place).filter(has_client))
                    .or_else(|| self.portals.iter().find(has_client))
            }
            Asked::Call(request) if request.method == "app.info" => match &request.credential {
                Credential::Token(token) => places.find(|place| {
                    let token = token.expose_secret();
                    place.state().grants.by_access(token).is_some()
                }),
                Credential::Webhook { .. } | Credential::Session(_) | Credential::None => None,
            },
            Asked::Call(_) | Asked::Nothing => None,
        };
        Arc::clone(of_token.unwrap_or(place))
    }

    /// Counts a request and says whether the portal's limit of intensity lets it pass.
    fn admit(&self, place: &Place, arrived: &Arrived, asked: &Asked) -> Admission {
        if matches!(asked, Asked::Tokens(_)) {
            return Admission::FREE;
        }
        let (key, now) = (self.switches().intensity_key, self.now(place));
        let mut state = place.state();
        let Some(intensity) = state.portal.limits.intensity else {
            return Admission::FREE;
        };
        let caller = match asked {
            Asked::Call(request) => Some(request.credential.fingerprint()),
            Asked::Tokens(_) | Asked::Nothing => None,
        };
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
    if let Some(FaultKind::Held(moment, gate)) = fault
        && *moment == at
    {
        gate.opened().await;
    }
}

//! One request to a portal or the authorization server: rate limit, record, fault, response.

use std::sync::Arc;

use secrecy::ExposeSecret;
use tracing::info;

use crate::error::{OAuthError, Refusal, SystemError};
use crate::fault::{self, FaultKind, Hit, Moment};
use crate::oauth;
use crate::record::Entry;
use crate::request::{Credential, HttpRequest, Origin, Request};
use crate::response::{HttpResponse, JsonResponse, Reply};
use crate::rest::{self, Context, Execution};
use crate::simulator::{RunningPortal, Simulator};
use crate::state::{Admission, BucketKey};
use crate::switches::IntensityKey;

/// Handles a request that reached this portal.
pub(crate) async fn handle(
    simulator: &Simulator,
    reached: &Arc<RunningPortal>,
    http: &HttpRequest,
) -> Reply {
    let request = Request::read(http, simulator.switches().bearer);
    let portal = &addressed(simulator, reached, &request);
    let (method, auth) = (request.method(), request.auth());
    // A web server in front redirects, so the portal does not see the request.
    let moved_to = (!request.is_for_authorization_server())
        .then(|| portal.moved_from(http.listener))
        .flatten();
    // The rate limit comes before everything else: a fault waits for an admitted request.
    let Admission { is_admitted, level } = match moved_to {
        Some(_) => Admission::FREE,
        None => admit(simulator, portal, http, &request),
    };
    let client_id = application(portal, &request);
    let hit = Hit {
        portal: &portal.host,
        method,
        client_id: client_id.as_deref(),
    };
    let drawn = (is_admitted && moved_to.is_none())
        .then(|| simulator.faults.draw(hit))
        .flatten();
    let (fault, headers) =
        drawn.map_or_else(Default::default, |drawn| (Some(drawn.kind), drawn.headers));
    let sequence = simulator.recorder.open(Entry {
        sequence: 0,
        time: simulator.now(portal),
        portal: portal.host.clone(),
        method: method.to_owned(),
        auth,
        grant: request.grant(),
        executed: false,
        commands: Vec::new(),
        deliveries: Vec::new(),
        bucket: level,
        fault: fault.as_ref().map(|fault| fault.name().to_owned()),
        status: None,
        error: None,
    });
    simulator.exchanges.begin(sequence, http, &request);
    let mut reply = match (&fault, moved_to) {
        (_, Some(address)) => {
            let location = format!("{}://{address}{}", http.scheme(), http.target());
            Reply::Response(HttpResponse::redirect(location))
        }
        _ if !is_admitted => {
            let refusal = Refusal::from(SystemError::QUERY_LIMIT_EXCEEDED);
            let refusal = refusal.wire_error(&simulator.switches());
            Reply::Response(HttpResponse::json(&JsonResponse::refusal(refusal)))
        }
        (Some(fault), None) if !fault.executes() => {
            let table = simulator.switches().status_table;
            fault::instead(fault, http.target(), table, &request.secrets())
        }
        (fault, None) => {
            delay(fault.as_ref(), Moment::Before).await;
            let response = execute(simulator, portal, &request, http, sequence).await;
            delay(fault.as_ref(), Moment::After).await;
            match response {
                Some(response) => fault::after(fault.as_ref(), &response),
                None => Reply::Response(HttpResponse::page(404)),
            }
        }
    };
    if let Reply::Response(response) = &mut reply {
        response.headers = headers;
    }
    let (status, error) = match &reply {
        Reply::Response(response) => (Some(response.status), response.error.clone()),
        Reply::Close | Reply::Reset | Reply::Silence => (None, None),
    };
    let fault = fault.as_ref().map(FaultKind::name);
    info!(
        sequence,
        portal = portal.host,
        method,
        ?auth,
        status,
        error,
        fault,
        "request handled"
    );
    simulator.exchanges.end(sequence, &reply);
    simulator.recorder.amend(sequence, |entry| {
        entry.status = status;
        entry.error = error;
    });
    reply
}

/// `None` if the address is not in use.
async fn execute(
    simulator: &Simulator,
    portal: &RunningPortal,
    request: &Request,
    http: &HttpRequest,
    sequence: u64,
) -> Option<JsonResponse> {
    let origin = Origin::of(http);
    match request {
        Request::Unknown => None,
        Request::Tokens(request) => {
            let granted = oauth::respond(simulator, portal, request, &origin);
            if granted.is_ok() {
                let recorder = &simulator.recorder;
                recorder.amend(sequence, |entry| entry.executed = true);
            }
            Some(granted.unwrap_or_else(JsonResponse::oauth_error))
        }
        Request::Method(request) => {
            let context = Context {
                switches: simulator.switches().clone(),
                rules: simulator.rules().clone(),
                now: simulator.now(portal),
                client_endpoint: simulator.endpoint(portal, &origin),
            };
            let response = rest::respond(Execution {
                simulator,
                portal,
                request,
                sequence,
                context,
                secure: http.secure,
            })
            .await;
            // The authorization server has another error for an unknown token.
            let is_unknown = response.error.as_deref() == Some(SystemError::INVALID_TOKEN.code);
            if is_unknown && oauth::is_host(&origin.host) {
                return Some(JsonResponse::oauth_error(OAuthError::INVALID_CLIENT));
            }
            Some(response)
        }
    }
}

/// The portal that a request concerns: at the authorization server that of the token.
fn addressed(
    simulator: &Simulator,
    reached: &Arc<RunningPortal>,
    request: &Request,
) -> Arc<RunningPortal> {
    // Mostly it is the portal that was reached, and there may be thousands of others.
    let mut portals = std::iter::once(reached).chain(simulator.portals());
    let of_token = match request {
        Request::Tokens(request) => {
            let proof = request.get("refresh_token").or_else(|| request.get("code"));
            let client = request.get("client_id").unwrap_or_default();
            let granted = portals.find(|portal| {
                let proof = proof.as_deref();
                proof.is_some_and(|proof| portal.state().grants.knows(proof))
            });
            let has_client = |portal: &&Arc<RunningPortal>| {
                portal.state().definition.application(&client).is_some()
            };
            granted
                .or_else(|| Some(reached).filter(has_client))
                .or_else(|| simulator.portals().iter().find(has_client))
        }
        Request::Method(request) if request.method == "app.info" => match &request.credential {
            Credential::Token(token) => portals.find(|portal| {
                let token = token.expose_secret();
                portal.state().grants.by_access(token).is_some()
            }),
            Credential::Webhook { .. } | Credential::Session(_) | Credential::None => None,
        },
        Request::Method(_) | Request::Unknown => None,
    };
    Arc::clone(of_token.unwrap_or(reached))
}

/// The application whose access token a request has, or that asks for tokens.
fn application(portal: &RunningPortal, request: &Request) -> Option<String> {
    match request {
        Request::Tokens(request) => request.get("client_id"),
        Request::Method(request) => match &request.credential {
            Credential::Token(token) => {
                let state = portal.state();
                let pair = state.grants.by_access(token.expose_secret())?;
                Some(pair.client_id.clone())
            }
            Credential::Webhook { .. } | Credential::Session(_) | Credential::None => None,
        },
        Request::Unknown => None,
    }
}

/// Counts a request against the portal's rate limit. Token requests have none.
fn admit(
    simulator: &Simulator,
    portal: &RunningPortal,
    http: &HttpRequest,
    request: &Request,
) -> Admission {
    let caller = match request {
        Request::Tokens(_) => return Admission::FREE,
        Request::Method(request) => Some(request.credential.fingerprint()),
        Request::Unknown => None,
    };
    let (key, now) = (simulator.switches().intensity_key, simulator.now(portal));
    let mut state = portal.state();
    let Some(intensity) = state.definition.limits.intensity else {
        return Admission::FREE;
    };
    let address = http.peer;
    let key = match key {
        IntensityKey::Portal => BucketKey::default(),
        IntensityKey::PortalAndAddress => BucketKey {
            address,
            caller: None,
        },
        IntensityKey::PortalAddressAndCaller => BucketKey { address, caller },
    };
    state.buckets.admit(key, intensity, now)
}

/// Waits if the fault delays the response at this moment.
async fn delay(fault: Option<&FaultKind>, at: Moment) {
    match fault {
        Some(FaultKind::Slow(moment, delay)) if *moment == at => tokio::time::sleep(*delay).await,
        Some(FaultKind::Held(moment, gate)) if *moment == at => gate.opened().await,
        _ => {}
    }
}

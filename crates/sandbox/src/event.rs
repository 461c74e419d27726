//! Events that a portal sends: form-encoded with PHP's brackets, once, never again.
//!
//! Source: pages "on-app-install", "on-app-uninstall" and "auth-params-in-events".

use std::collections::BTreeMap;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use bytes::Bytes;
use http::header::{CONTENT_TYPE, HOST};
use http::{Request, Uri};
use http_body_util::Full;
use hyper_util::rt::TokioIo;
use secrecy::{ExposeSecret, SecretString};
use tokio::net::TcpStream;
use uuid::Uuid;

use super::origin::Origin;
use super::portal::Application;
use super::state::PortalState;
use super::world::{Place, World};

/// How long a handler may take to answer.
const PATIENCE: Duration = Duration::from_secs(10);

/// What happened to the application.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EventKind {
    /// `ONAPPINSTALL`: it was installed, and gets its first tokens.
    AppInstall,
    /// `ONAPPUNINSTALL`: it was removed, and its tokens stop working.
    AppUninstall,
}

impl EventKind {
    /// The kind of this name; events are compared without regard to case.
    pub fn by_name(name: &str) -> Option<Self> {
        let mut all = [Self::AppInstall, Self::AppUninstall].into_iter();
        all.find(|kind| kind.name().eq_ignore_ascii_case(name))
    }

    /// Its name on the wire.
    pub fn name(self) -> &'static str {
        match self {
            Self::AppInstall => "ONAPPINSTALL",
            Self::AppUninstall => "ONAPPUNINSTALL",
        }
    }
}

/// An event and where it goes.
#[derive(Clone, Debug)]
pub struct Event {
    /// What happened.
    pub kind: EventKind,
    /// The application's address, `http` and on loopback.
    pub handler: String,
    /// The application. `None`: the portal's first.
    pub client_id: Option<String>,
    /// The user who installs it.
    pub user_id: i64,
    /// Whether the application gets another application token with this installation.
    pub renews_application_token: bool,
    /// Fields by their name on the wire that get another value, or none: `auth[application_token]`.
    pub replace: BTreeMap<String, Option<String>>,
}

impl Event {
    /// An event of the portal's first application, told by the user 1.
    pub fn new(kind: EventKind, handler: impl Into<String>) -> Self {
        Self {
            kind,
            handler: handler.into(),
            client_id: None,
            user_id: 1,
            renews_application_token: false,
            replace: BTreeMap::new(),
        }
    }

    /// The same event of this application.
    pub fn of(self, client_id: &str) -> Self {
        Self {
            client_id: Some(client_id.to_owned()),
            ..self
        }
    }

    /// The same event with another value of a field, or without it.
    pub fn with(mut self, field: &str, value: Option<&str>) -> Self {
        self.replace
            .insert(field.to_owned(), value.map(str::to_owned));
        self
    }
}

/// Lets the event happen on the portal and writes its form. `None` if there is no such application anywhere.
pub(super) fn form(world: &World, place: &Place, event: &Event, origin: &Origin) -> Option<String> {
    let (endpoint, now) = (world.endpoint(place, origin), world.now(place));
    let switches = world.switches().clone();
    let is_it = |known: &Application| match &event.client_id {
        Some(client_id) => known.client_id == *client_id,
        None => true,
    };
    let from_market = match (&event.client_id, event.kind) {
        (Some(client_id), EventKind::AppInstall) => world.market_application(client_id),
        (None, _) | (_, EventKind::AppUninstall) => None,
    };
    let mut state = place.state();
    if !state.portal.applications.iter().any(is_it) {
        state.portal.applications.extend(from_market);
    }
    let mut applications = state.portal.applications.iter_mut();
    let application = applications.find(|known| is_it(known))?;
    application.installed = event.kind == EventKind::AppInstall;
    if event.renews_application_token {
        application.application_token = new_application_token();
    }
    let application = application.clone();
    let domain = endpoint.split('/').nth(2).unwrap_or_default().to_owned();
    let mut fields = vec![
        ("event", event.kind.name().to_owned()),
        ("event_handler_id", "1".to_owned()),
    ];
    match event.kind {
        EventKind::AppInstall => {
            let grants = &mut state.grants;
            let issued = grants.issue(&application.client_id, event.user_id, now, &switches);
            let scope = application.scopes.join(switches.event_scope.separator());
            let (access, refresh) = (issued.access_token, issued.refresh_token);
            fields.extend([
                ("data[VERSION]", "1".to_owned()),
                ("data[ACTIVE]", "Y".to_owned()),
                ("data[INSTALLED]", "Y".to_owned()),
                ("data[LANGUAGE_ID]", "en".to_owned()),
                ("auth[access_token]", access.expose_secret().to_owned()),
                ("auth[refresh_token]", refresh.expose_secret().to_owned()),
                ("auth[expires]", issued.expires.as_second().to_string()),
                ("auth[expires_in]", issued.seconds.to_string()),
                ("auth[scope]", scope),
                ("auth[status]", application.status.clone()),
                ("auth[user_id]", event.user_id.to_string()),
            ]);
        }
        EventKind::AppUninstall => {
            let PortalState { portal, grants, .. } = &mut *state;
            portal.tokens.retain(|listed| {
                let granted = grants.by_access(listed.token.expose_secret());
                granted.is_none_or(|pair| pair.client_id != application.client_id)
            });
            grants.revoke(|client_id, _, _| client_id == application.client_id);
            fields.extend([
                ("data[LANGUAGE_ID]", "en".to_owned()),
                ("data[CLEAN]", "1".to_owned()),
            ]);
        }
    }
    let token = application.application_token.expose_secret().to_owned();
    fields.extend([
        ("ts", now.as_second().to_string()),
        ("auth[domain]", domain),
        ("auth[server_endpoint]", origin.endpoint()),
        ("auth[client_endpoint]", endpoint),
        ("auth[member_id]", state.portal.member_id.clone()),
        ("auth[application_token]", token),
    ]);
    Some(write(&fields, &event.replace))
}

/// What proves the origin of events: 32 hexadecimal digits.
pub(super) fn new_application_token() -> SecretString {
    SecretString::from(Uuid::new_v4().simple().to_string())
}

fn write(fields: &[(&str, String)], replace: &BTreeMap<String, Option<String>>) -> String {
    let mut form = form_urlencoded::Serializer::new(String::new());
    for (name, value) in fields {
        match replace.get(*name) {
            None => form.append_pair(name, value),
            Some(Some(other)) => form.append_pair(name, other),
            Some(None) => &mut form,
        };
    }
    for (name, value) in replace {
        if let Some(value) = value
            && fields.iter().all(|(known, _)| known != name)
        {
            form.append_pair(name, value);
        }
    }
    form.finish()
}

/// The handler's address, if it is plain HTTP on this machine.
pub(super) fn handler(address: &str) -> Option<Uri> {
    let uri: Uri = address.parse().ok()?;
    (uri.scheme_str() == Some("http") && target(&uri).is_some()).then_some(uri)
}

fn target(uri: &Uri) -> Option<SocketAddr> {
    let host = uri.host()?.trim_start_matches('[').trim_end_matches(']');
    let address: IpAddr = match host {
        "localhost" => IpAddr::from([127, 0, 0, 1]),
        _ => host.parse().ok()?,
    };
    address
        .is_loopback()
        .then(|| SocketAddr::new(address, uri.port_u16().unwrap_or(80)))
}

/// Posts a form once and gives the status of the answer.
pub(super) async fn send(handler: &Uri, form: String) -> io::Result<u16> {
    let target = target(handler).ok_or(io::ErrorKind::InvalidInput)?;
    let posted = async {
        let stream = TcpStream::connect(target).await?;
        let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream))
            .await
            .map_err(io::Error::other)?;
        let path = handler.path_and_query().map_or("/", |path| path.as_str());
        let request = Request::post(path)
            .header(HOST, target.to_string())
            .header(CONTENT_TYPE, "application/x-www-form-urlencoded")
            .body(Full::new(Bytes::from(form)))
            .map_err(io::Error::other)?;
        let answered = sender.send_request(request);
        // The connection does the work of the request, so both run until the answer is there.
        tokio::pin!(answered, connection);
        let mut is_open = true;
        loop {
            tokio::select! {
                answer = &mut answered => {
                    return answer.map(|answer| answer.status().as_u16()).map_err(io::Error::other);
                }
                ended = &mut connection, if is_open => {
                    ended.map_err(io::Error::other)?;
                    is_open = false;
                }
            }
        }
    };
    tokio::time::timeout(PATIENCE, posted)
        .await
        .unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_plain_http_on_loopback_is_a_handler() {
        for good in [
            "http://127.0.0.1:9/x?y=1",
            "http://localhost/",
            "http://[::1]:80/",
        ] {
            assert!(handler(good).is_some(), "{good}");
        }
        for bad in [
            "https://127.0.0.1/",
            "http://10.0.0.1/",
            "http://example.com/",
            "/x",
            "",
        ] {
            assert!(handler(bad).is_none(), "{bad}");
        }
    }
}

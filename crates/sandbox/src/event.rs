//! Events that a portal sends: a form with PHP's brackets, sent once.
//!
//! Source: pages "on-app-install", "on-app-uninstall" and "auth-params-in-events".

mod post;

pub(crate) use post::{handler, post};

use std::collections::BTreeMap;

use secrecy::ExposeSecret;

use crate::portal::Application;
use crate::request::Origin;
use crate::simulator::{RunningPortal, Simulator, new_application_token};
use crate::state::PortalState;

/// What happened to the application.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EventKind {
    /// `ONAPPINSTALL`: it was installed and gets its first tokens.
    AppInstall,
    /// `ONAPPUNINSTALL`: it was removed and its tokens stop working.
    AppUninstall,
}

impl EventKind {
    /// The kind of this name, compared without regard to case.
    pub fn by_name(name: &str) -> Option<Self> {
        let mut all = [Self::AppInstall, Self::AppUninstall].into_iter();
        all.find(|kind| kind.name().eq_ignore_ascii_case(name))
    }

    /// The name on the wire.
    pub fn name(self) -> &'static str {
        match self {
            Self::AppInstall => "ONAPPINSTALL",
            Self::AppUninstall => "ONAPPUNINSTALL",
        }
    }
}

/// An event and its handler.
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
    /// Whether this installation gives the application a new application token.
    pub renews_application_token: bool,
    /// Fields that get another value, or are left out for `None`, by their name on the wire, such
    /// as `auth[application_token]`.
    pub replace: BTreeMap<String, Option<String>>,
}

impl Event {
    /// An event of the portal's first application, caused by user 1.
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

    /// The same event for this application.
    pub fn of(self, client_id: &str) -> Self {
        Self {
            client_id: Some(client_id.to_owned()),
            ..self
        }
    }

    /// The same event with another value for a field, or without it.
    pub fn with(mut self, field: &str, value: Option<&str>) -> Self {
        self.replace
            .insert(field.to_owned(), value.map(str::to_owned));
        self
    }
}

/// Executes the event on the portal and returns its form. `None` if the application is unknown.
pub(crate) fn form(
    simulator: &Simulator,
    portal: &RunningPortal,
    event: &Event,
    origin: &Origin,
) -> Option<String> {
    let (endpoint, now) = (simulator.endpoint(portal, origin), simulator.now(portal));
    let switches = simulator.switches().clone();
    let is_it = |known: &Application| {
        let client_id = event.client_id.as_ref();
        client_id.is_none_or(|client_id| known.client_id == *client_id)
    };
    let from_market = match (&event.client_id, event.kind) {
        (Some(client_id), EventKind::AppInstall) => simulator.market_application(client_id),
        (None, _) | (_, EventKind::AppUninstall) => None,
    };
    let mut state = portal.state();
    if !state.definition.applications.iter().any(is_it) {
        state.definition.applications.extend(from_market);
    }
    let mut applications = state.definition.applications.iter_mut();
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
            let pair = grants.issue(&application.client_id, event.user_id, now, &switches);
            let scope = application.scopes.join(switches.event_scope.separator());
            let (access, refresh) = (pair.access_token, pair.refresh_token);
            fields.extend([
                ("data[VERSION]", "1".to_owned()),
                ("data[ACTIVE]", "Y".to_owned()),
                ("data[INSTALLED]", "Y".to_owned()),
                ("data[LANGUAGE_ID]", "en".to_owned()),
                ("auth[access_token]", access.expose_secret().to_owned()),
                ("auth[refresh_token]", refresh.expose_secret().to_owned()),
                ("auth[expires]", pair.expires.as_second().to_string()),
                ("auth[expires_in]", pair.seconds.to_string()),
                ("auth[scope]", scope),
                ("auth[status]", application.status.clone()),
                ("auth[user_id]", event.user_id.to_string()),
            ]);
        }
        EventKind::AppUninstall => {
            let PortalState {
                definition, grants, ..
            } = &mut *state;
            definition.tokens.retain(|listed| {
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
        ("auth[member_id]", state.definition.member_id.clone()),
        ("auth[application_token]", token),
    ]);
    Some(write(&fields, &event.replace))
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

//! Portals as a YAML file defines them.

use serde::Deserialize;

use super::limits::Limits;
use super::portal::{
    AccessToken, Application, BrowserSession, Connector, CrmChat, Line, NetworkLine, Portal, User,
    Webhook,
};

/// The file: a list of portals.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Document {
    portals: Vec<Definition>,
}

/// One portal. What is not given is that of [`Portal::empty`], or of [`Portal::demo`] if `demo` is set.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Definition {
    host: String,
    #[serde(default)]
    demo: bool,
    member_id: Option<String>,
    utc_offset_hours: Option<i8>,
    nfr_licence: Option<bool>,
    imbot_installed: Option<bool>,
    limits: Option<Limits>,
    webhooks: Option<Vec<Webhook>>,
    tokens: Option<Vec<AccessToken>>,
    applications: Option<Vec<Application>>,
    sessions: Option<Vec<BrowserSession>>,
    users: Option<Vec<User>>,
    lines: Option<Vec<Line>>,
    connectors: Option<Vec<Connector>>,
    network_lines: Option<Vec<NetworkLine>>,
    crm_chats: Option<Vec<CrmChat>>,
}

impl Portal {
    /// Reads portals from YAML: `portals: [{host: …, webhooks: […], …}]`.
    ///
    /// # Errors
    ///
    /// When the text is no such file: the message names the field and the line.
    pub fn from_yaml(text: &str) -> Result<Vec<Self>, String> {
        let document: Document = serde_saphyr::from_str(text).map_err(|error| error.to_string())?;
        let portals: Vec<Self> = document
            .portals
            .into_iter()
            .map(Definition::portal)
            .collect();
        for (at, portal) in portals.iter().enumerate() {
            let mut earlier = portals.iter().take(at);
            if earlier.any(|other| other.host.eq_ignore_ascii_case(&portal.host)) {
                return Err(format!("the host {} is there twice", portal.host));
            }
        }
        Ok(portals)
    }
}

impl Definition {
    fn portal(self) -> Portal {
        let empty = Portal::empty(self.host);
        let base = if self.demo {
            Portal {
                host: empty.host.clone(),
                member_id: empty.member_id,
                ..Portal::demo()
            }
        } else {
            empty
        };
        Portal {
            host: base.host,
            member_id: self.member_id.unwrap_or(base.member_id),
            utc_offset_hours: self.utc_offset_hours.unwrap_or(base.utc_offset_hours),
            nfr_licence: self.nfr_licence.unwrap_or(base.nfr_licence),
            imbot_installed: self.imbot_installed.unwrap_or(base.imbot_installed),
            limits: self.limits.unwrap_or_else(Limits::standard),
            webhooks: self.webhooks.unwrap_or(base.webhooks),
            tokens: self.tokens.unwrap_or(base.tokens),
            applications: self.applications.unwrap_or(base.applications),
            sessions: self.sessions.unwrap_or(base.sessions),
            users: self.users.unwrap_or(base.users),
            lines: self.lines.unwrap_or(base.lines),
            connectors: self.connectors.unwrap_or(base.connectors),
            network_lines: self.network_lines.unwrap_or(base.network_lines),
            crm_chats: self.crm_chats.unwrap_or(base.crm_chats),
        }
    }
}

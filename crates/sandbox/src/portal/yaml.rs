//! Portals defined in a YAML file.

use serde::Deserialize;

use super::definition::{
    AccessToken, Application, BrowserSession, Connector, CrmChat, Line, NetworkLine, Portal, User,
    Webhook,
};
use super::limits::Limits;

/// The file: a list of portals.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Document {
    portals: Vec<Definition>,
}

macro_rules! definition {
    ($($field:ident: $kind:ty,)+) => {
        /// One portal. Missing fields are those of [`Portal::empty`], or of [`Portal::demo`] if
        /// `demo` is set; missing limits are [`Limits::standard`].
        #[derive(Deserialize)]
        #[serde(deny_unknown_fields)]
        struct Definition {
            host: String,
            #[serde(default)]
            demo: bool,
            $($field: Option<$kind>,)+
        }

        impl Definition {
            fn portal(self) -> Portal {
                let mut portal = Portal::empty(self.host);
                if self.demo {
                    let Portal { host, member_id, .. } = portal;
                    portal = Portal { host, member_id, ..Portal::demo() };
                }
                portal.limits = Limits::standard();
                $(if let Some(given) = self.$field {
                    portal.$field = given;
                })+
                portal
            }
        }
    };
}

definition! {
    member_id: String,
    utc_offset_hours: i8,
    nfr_licence: bool,
    imbot_installed: bool,
    limits: Limits,
    webhooks: Vec<Webhook>,
    tokens: Vec<AccessToken>,
    applications: Vec<Application>,
    sessions: Vec<BrowserSession>,
    users: Vec<User>,
    lines: Vec<Line>,
    connectors: Vec<Connector>,
    network_lines: Vec<NetworkLine>,
    crm_chats: Vec<CrmChat>,
}

impl Portal {
    /// Reads portals from YAML: `portals: [{host: …, webhooks: […], …}]`.
    ///
    /// # Errors
    ///
    /// When the text is not such a file, or names a host twice. The message names the field and the
    /// line.
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
                return Err(format!("the host {} is listed twice", portal.host));
            }
        }
        Ok(portals)
    }
}

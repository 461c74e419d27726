//! The definition of a portal: credentials, people, lines, connectors, chats.

use secrecy::SecretString;
use serde::{Deserialize, Deserializer};
use sha2::{Digest, Sha256};

use super::limits::Limits;

/// The definition of one simulated portal. Secrets show neither in `Debug` nor in logs.
#[derive(Clone, Debug)]
pub struct Portal {
    /// Host name that selects this portal when a request's `Host` header names it.
    pub host: String,
    /// The portal's id at the authorization server, 32 hexadecimal digits.
    pub member_id: String,
    /// Offset of the portal's local time from UTC in hours, −12 to 14, seen in `time.date_start`.
    pub utc_offset_hours: i8,
    /// Whether the portal has the Partner (NFR) licence, which has no weekly limit of network
    /// messages.
    pub nfr_licence: bool,
    /// Whether the module for chat bots is installed; without it network messages get
    /// `IMBOT_ERROR`.
    pub imbot_installed: bool,
    /// The portal's limits and latency.
    pub limits: Limits,
    /// Incoming webhooks.
    pub webhooks: Vec<Webhook>,
    /// Access tokens of applications that expire only on command.
    pub tokens: Vec<AccessToken>,
    /// Applications that get their tokens from the authorization server.
    pub applications: Vec<Application>,
    /// Sessions of logged-in browsers; some methods refuse them.
    pub sessions: Vec<BrowserSession>,
    /// Employees and bots.
    pub users: Vec<User>,
    /// Open lines.
    pub lines: Vec<Line>,
    /// Registered connectors.
    pub connectors: Vec<Connector>,
    /// Lines of the Bitrix24 network that this portal may write through.
    pub network_lines: Vec<NetworkLine>,
    /// Open-line chats that are linked to CRM items.
    pub crm_chats: Vec<CrmChat>,
}

impl Portal {
    /// A portal without credentials, users, lines and chats. UTC, bots installed.
    pub fn empty(host: impl Into<String>) -> Self {
        let host = host.into();
        Self {
            member_id: member_id(&host),
            host,
            utc_offset_hours: 0,
            nfr_licence: false,
            imbot_installed: true,
            limits: Limits::default(),
            webhooks: Vec::new(),
            tokens: Vec::new(),
            applications: Vec::new(),
            sessions: Vec::new(),
            users: Vec::new(),
            lines: Vec::new(),
            connectors: Vec::new(),
            network_lines: Vec::new(),
            crm_chats: Vec::new(),
        }
    }

    pub(crate) fn application(&self, client_id: &str) -> Option<&Application> {
        let mut applications = self.applications.iter();
        applications.find(|known| known.client_id == client_id)
    }

    pub(crate) fn user(&self, id: i64) -> Option<&User> {
        self.users.iter().find(|user| user.id == id)
    }
}

/// An incoming webhook: acts for one user, within its scopes.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Webhook {
    /// The user it acts for; part of its URL.
    pub user_id: i64,
    /// The secret part of its URL.
    #[serde(deserialize_with = "secret")]
    pub secret: SecretString,
    /// Scopes granted to it, for example `imopenlines`.
    pub scopes: Vec<String>,
}

/// An access token of an installed application.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AccessToken {
    /// The token as it travels in `auth` or in the `Authorization` header.
    #[serde(deserialize_with = "secret")]
    pub token: SecretString,
    /// The user for whom the application acts.
    pub user_id: i64,
    /// Scopes granted to the application.
    pub scopes: Vec<String>,
    /// Whether the token is accepted.
    #[serde(default = "valid")]
    pub state: TokenState,
}

/// An application of the portal.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Application {
    /// Its id at the authorization server, like `local.5b3fd5d1a2c4e8.12345678`.
    pub client_id: String,
    /// Its secret at the authorization server.
    #[serde(deserialize_with = "secret")]
    pub client_secret: SecretString,
    /// Scopes granted to it.
    pub scopes: Vec<String>,
    /// `F` free, `D` demo, `T` trial, `P` paid, `L` local.
    #[serde(default = "local")]
    pub status: String,
    /// Proves the origin of events, 32 hexadecimal digits.
    #[serde(deserialize_with = "secret")]
    pub application_token: SecretString,
    /// Whether it is installed. If not, its tokens are neither granted nor accepted.
    #[serde(default = "yes")]
    pub installed: bool,
    /// The tokens it holds when the simulator starts.
    #[serde(default)]
    pub grants: Vec<Grant>,
}

/// A pair of tokens.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Grant {
    /// Lives an hour from the start of the simulator, unless it is one of [`Portal::tokens`] too.
    #[serde(deserialize_with = "secret")]
    pub access_token: SecretString,
    /// Lives 180 days from the start of the simulator.
    #[serde(deserialize_with = "secret")]
    pub refresh_token: SecretString,
    /// The user for whom the application acts.
    pub user_id: i64,
}

/// Whether an access token is accepted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum TokenState {
    /// Accepted.
    Valid,
    /// Past its hour: gets `expired_token`.
    Expired,
    /// The administrator closed the application to this user: gets `user_access_error`.
    UserNotAllowed,
}

/// A session of a logged-in browser, identified by the cookie `PHPSESSID`.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct BrowserSession {
    /// Value of the cookie.
    #[serde(deserialize_with = "secret")]
    pub id: SecretString,
    /// The user who is logged in.
    pub user_id: i64,
}

/// An employee or bot of the portal.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct User {
    /// Id on this portal.
    pub id: i64,
    /// Whether the user may act; calls for a dismissed user get `authorization_error`.
    #[serde(default = "yes")]
    pub active: bool,
    /// Whether the user may read the CRM items of this portal.
    #[serde(default = "yes")]
    pub crm_access: bool,
}

/// An open line.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Line {
    /// Id, the `LINE` of a call.
    pub id: i64,
    /// Whether it accepts messages.
    #[serde(default = "yes")]
    pub active: bool,
}

/// A registered connector.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Connector {
    /// Id as registered, in lower case; compared without regard to case.
    pub id: String,
    /// Ids of the lines it is activated on.
    #[serde(default)]
    pub active_lines: Vec<i64>,
    /// `CHAT_GROUP`: whether dialogues are kept per external chat (`true`) or per external user.
    #[serde(default)]
    pub chat_group: bool,
}

/// A line of the Bitrix24 network.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NetworkLine {
    /// Its code, 32 characters.
    pub code: String,
    /// Whether this portal has joined it.
    #[serde(default = "yes")]
    pub joined: bool,
}

/// An open-line chat that is linked to CRM items.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CrmChat {
    /// Id of the chat.
    pub chat_id: i64,
    /// The CRM items it is linked to.
    #[serde(default)]
    pub items: Vec<CrmItem>,
    /// Ids of the users and bots in the chat.
    #[serde(default)]
    pub members: Vec<i64>,
}

/// A CRM item.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CrmItem {
    /// `lead`, `deal`, `company` or `contact`.
    pub kind: String,
    /// Id within its kind.
    pub id: i64,
}

/// An id that is the same at every start: half of the host name's SHA-256.
fn member_id(host: &str) -> String {
    let hash = Sha256::digest(host.as_bytes());
    hash.iter()
        .take(16)
        .map(|byte| format!("{byte:02x}"))
        .collect()
}

fn secret<'de, D: Deserializer<'de>>(deserializer: D) -> Result<SecretString, D::Error> {
    String::deserialize(deserializer).map(SecretString::from)
}

fn valid() -> TokenState {
    TokenState::Valid
}

fn local() -> String {
    "L".to_owned()
}

fn yes() -> bool {
    true
}

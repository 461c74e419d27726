//! The demonstration portal, which most tests use too. Its credentials are public.

use secrecy::SecretString;

use super::definition::{
    AccessToken, Application, BrowserSession, Connector, CrmChat, CrmItem, Grant, Line,
    NetworkLine, Portal, TokenState, User, Webhook,
};

/// Host name of the demonstration portal.
pub const HOST: &str = "demo.bitrix24.test";
/// The user for whom the demonstration webhook and token act.
pub const OWNER: i64 = 1;
/// Secret of the demonstration webhook.
pub const WEBHOOK_SECRET: &str = "sandboxwebhook01";
/// Access token of the demonstration application.
pub const ACCESS_TOKEN: &str = "sandbox0access0token0of0the0demo";
/// Client id of the demonstration application.
pub const CLIENT_ID: &str = "local.5a6d0b0c8e1f27.10000001";
/// Client secret of the demonstration application.
pub const CLIENT_SECRET: &str = "sandboxclientsecret01";
/// Refresh token of the demonstration application, the pair of [`ACCESS_TOKEN`].
pub const REFRESH_TOKEN: &str = "sandbox0refresh0token0of0the0demo";
/// Proves the origin of the demonstration application's events.
pub const APPLICATION_TOKEN: &str = "5a6d0b0c8e1f2750000000000000demo";
/// Cookie of the demonstration browser session.
pub const SESSION: &str = "sandboxsession01";
/// The registered connector.
pub const CONNECTOR: &str = "myconnector";
/// The active open line.
pub const LINE: i64 = 107;
/// An open line that is switched off.
pub const INACTIVE_LINE: i64 = 108;
/// The lead that [`CHAT`] is linked to.
pub const LEAD: i64 = 1195;
/// The open-line chat linked to [`LEAD`].
pub const CHAT: i64 = 1341;
/// A user who is a member of [`CHAT`].
pub const MEMBER: i64 = 27;
/// A user with CRM access who is not a member of [`CHAT`]. Tests send network messages here.
pub const OUTSIDER: i64 = 2;
/// A user without access to the CRM.
pub const NO_CRM: i64 = 12;
/// A dismissed user.
pub const DISMISSED: i64 = 30;
/// Code of the network line that the portal has joined.
pub const NETWORK_CODE: &str = "ab515f5d85a8b844d484f6ea75a2e494";

impl Portal {
    /// The demonstration portal. The constants of [`crate::demo`] name its parts.
    pub fn demo() -> Self {
        let scopes = || {
            ["imopenlines", "imconnector", "im", "crm"]
                .map(str::to_owned)
                .to_vec()
        };
        let user = |id| User {
            id,
            active: true,
            crm_access: true,
        };
        Self {
            utc_offset_hours: 3,
            webhooks: vec![Webhook {
                user_id: OWNER,
                secret: SecretString::from(WEBHOOK_SECRET),
                scopes: scopes(),
            }],
            tokens: vec![AccessToken {
                token: SecretString::from(ACCESS_TOKEN),
                user_id: OWNER,
                scopes: scopes(),
                state: TokenState::Valid,
            }],
            applications: vec![Application {
                client_id: CLIENT_ID.to_owned(),
                client_secret: SecretString::from(CLIENT_SECRET),
                scopes: scopes(),
                status: "L".to_owned(),
                application_token: SecretString::from(APPLICATION_TOKEN),
                installed: true,
                grants: vec![Grant {
                    access_token: SecretString::from(ACCESS_TOKEN),
                    refresh_token: SecretString::from(REFRESH_TOKEN),
                    user_id: OWNER,
                }],
            }],
            sessions: vec![BrowserSession {
                id: SecretString::from(SESSION),
                user_id: OWNER,
            }],
            users: vec![
                user(OWNER),
                user(OUTSIDER),
                user(MEMBER),
                User {
                    crm_access: false,
                    ..user(NO_CRM)
                },
                User {
                    active: false,
                    ..user(DISMISSED)
                },
            ],
            lines: vec![
                Line {
                    id: LINE,
                    active: true,
                },
                Line {
                    id: INACTIVE_LINE,
                    active: false,
                },
            ],
            connectors: vec![Connector {
                id: CONNECTOR.to_owned(),
                active_lines: vec![LINE, INACTIVE_LINE],
                chat_group: false,
            }],
            network_lines: vec![NetworkLine {
                code: NETWORK_CODE.to_owned(),
                joined: true,
            }],
            crm_chats: vec![CrmChat {
                chat_id: CHAT,
                items: vec![CrmItem {
                    kind: "lead".to_owned(),
                    id: LEAD,
                }],
                members: vec![OWNER, MEMBER, NO_CRM],
            }],
            ..Self::empty(HOST)
        }
    }
}

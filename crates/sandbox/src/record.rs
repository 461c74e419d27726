//! The record of every request that reached a portal. Tests compare responses with it.

mod recorder;

pub(crate) use recorder::{Recorder, Seen};

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::{Serialize, Serializer};
use serde_json::Value;

/// The kind of credential that a request presents, valid or not.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum AuthKind {
    /// A webhook's secret in the path.
    Webhook,
    /// An application's access token.
    Application,
    /// The cookie of a logged-in browser.
    Session,
    /// An application's client id and secret, at the authorization server.
    Client,
    /// Nothing.
    None,
}

/// One effect of an executed method.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Delivery {
    /// A message accepted by `imconnector.send.messages`.
    Connector {
        /// `CONNECTOR`, in lower case.
        connector: String,
        /// `LINE`.
        line: i64,
        /// `user.id`, the id in the external system.
        user_id: String,
        /// `message.id`, the id in the external system, if one was given.
        message_id: Option<String>,
        /// `user.name` and `user.last_name`; empty if neither was given.
        user_name: String,
        /// `chat.id`, the id in the external system.
        chat_id: String,
        /// `message.text`; empty for a message of files alone.
        text: String,
        /// `message.files`.
        files: Vec<DeliveredFile>,
        /// The portal's chat that received the message.
        portal_chat_id: i64,
    },
    /// A message added by `imopenlines.crm.message.add`.
    Crm {
        /// `CRM_ENTITY_TYPE`.
        entity_type: String,
        /// `CRM_ENTITY`.
        entity: i64,
        /// `USER_ID`, the sender.
        user_id: i64,
        /// `CHAT_ID`.
        chat_id: i64,
        /// `MESSAGE`.
        text: String,
        /// Id of the new chat message, as in the response.
        message_id: i64,
    },
    /// A message sent by `imopenlines.network.message.add`.
    Network {
        /// `CODE`.
        code: String,
        /// `USER_ID`, the recipient.
        user_id: i64,
        /// `MESSAGE`.
        text: String,
        /// `ATTACH`, JSON text decoded. `None` if missing or empty.
        attach: Option<Value>,
        /// `KEYBOARD`, JSON text decoded. `None` if missing or empty.
        keyboard: Option<Value>,
        /// Whether links have a preview; `false` only for `URL_PREVIEW` = `N`.
        url_preview: bool,
    },
}

/// A file of a connector message. The portal does not fetch it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct DeliveredFile {
    /// `name`; empty if missing.
    pub name: String,
    /// `url`; empty if missing.
    pub url: String,
}

impl Delivery {
    /// The text that was delivered.
    pub fn text(&self) -> &str {
        match self {
            Self::Connector { text, .. } | Self::Crm { text, .. } | Self::Network { text, .. } => {
                text
            }
        }
    }

    /// The id in the external system, which only connector messages have.
    pub fn external_message_id(&self) -> Option<&str> {
        match self {
            Self::Connector { message_id, .. } => message_id.as_deref(),
            Self::Crm { .. } | Self::Network { .. } => None,
        }
    }
}

/// One request that reached a portal. Contains no secrets.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Entry {
    /// Position in the order of arrival, from 1.
    pub sequence: u64,
    /// When the request had arrived in full, by the portal's clock. RFC 3339 in JSON.
    #[serde(serialize_with = "rfc3339")]
    pub time: Timestamp,
    /// Host name of the portal.
    pub portal: String,
    /// Method in lower case; empty if the address is not that of a method.
    pub method: String,
    /// The kind of credential that the request presented.
    pub auth: AuthKind,
    /// The grant that a token request asked for.
    pub grant: Option<String>,
    /// Whether the method was executed. Its effects are in `deliveries`.
    pub executed: bool,
    /// The commands of a batch that were processed, in order. Empty for other methods.
    pub commands: Vec<CommandEntry>,
    /// What was delivered. Empty for an executed call whose messages were all refused one by one.
    pub deliveries: Vec<Delivery>,
    /// Level of the portal's bucket, including this request unless it was refused. `None`: the
    /// portal has no rate limit, or the request was not counted.
    pub bucket: Option<f64>,
    /// Name of the fault that was applied.
    pub fault: Option<String>,
    /// HTTP status that was sent, whether or not it arrived. `None` while the request is in
    /// progress, and if no response was sent.
    pub status: Option<u16>,
    /// `error` of the response, if it has one.
    pub error: Option<String>,
}

/// One command of a batch.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct CommandEntry {
    /// Its key in `cmd`.
    pub key: String,
    /// Its method in lower case.
    pub method: String,
    /// Whether the method was executed. Its effects are in [`Entry::deliveries`].
    pub executed: bool,
    /// Name of the fault that was applied to it.
    pub fault: Option<String>,
    /// The code in `result_error`, if it was refused.
    pub error: Option<String>,
}

fn rfc3339<S: Serializer>(time: &Timestamp, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_str(time)
}

/// Every request that reached the portals, in order of arrival.
#[derive(Clone, Debug, Default, PartialEq, Serialize)]
pub struct Record {
    /// One entry per request.
    pub entries: Vec<Entry>,
}

impl Record {
    /// Number of executed requests.
    pub fn executed(&self) -> usize {
        self.entries.iter().filter(|entry| entry.executed).count()
    }

    /// Number of refreshes that granted new tokens, whether or not the response arrived.
    pub fn refreshes(&self) -> usize {
        let is_refresh =
            |entry: &&Entry| entry.executed && entry.grant.as_deref() == Some("refresh_token");
        self.entries.iter().filter(is_refresh).count()
    }

    /// Number of requests that got this code.
    pub fn refused_with(&self, code: &str) -> usize {
        let of_code = |entry: &&Entry| entry.error.as_deref() == Some(code);
        self.entries.iter().filter(of_code).count()
    }

    /// Everything that was delivered, in order of arrival of the requests.
    pub fn deliveries(&self) -> impl Iterator<Item = &Delivery> {
        self.entries.iter().flat_map(|entry| &entry.deliveries)
    }

    /// How often each text was delivered. A missing text was lost, a count above one is a
    /// duplicate.
    pub fn delivered_by_text(&self) -> BTreeMap<&str, usize> {
        count(self.deliveries().map(Delivery::text))
    }

    /// How often each external message id was delivered. Messages without one are not counted.
    pub fn delivered_by_message_id(&self) -> BTreeMap<&str, usize> {
        count(self.deliveries().filter_map(Delivery::external_message_id))
    }

    /// How often this text was delivered.
    pub fn times_delivered(&self, text: &str) -> usize {
        self.deliveries()
            .filter(|delivery| delivery.text() == text)
            .count()
    }
}

fn count<'a>(keys: impl Iterator<Item = &'a str>) -> BTreeMap<&'a str, usize> {
    keys.fold(BTreeMap::new(), |mut counts, key| {
        *counts.entry(key).or_default() += 1;
        counts
    })
}

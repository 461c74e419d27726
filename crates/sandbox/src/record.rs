//! The record of every request that reached a portal: the truth that tests compare answers with.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

use jiff::Timestamp;
use serde::{Serialize, Serializer};
use serde_json::Value;

/// What a request presented to prove who calls, valid or not.
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
        /// `chat.id`, the id in the external system.
        chat_id: String,
        /// `message.text`; empty for a message of files alone.
        text: String,
        /// Number of `message.files`.
        files: usize,
        /// The chat of the portal that the message went to.
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
        /// Id of the new chat message, which was the answer.
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
        /// `ATTACH` as understood, JSON text decoded. `None` if it was not given or empty.
        attach: Option<Value>,
        /// `KEYBOARD` as understood, JSON text decoded. `None` if it was not given or empty.
        keyboard: Option<Value>,
        /// Whether links are shown with a preview; `false` only for `URL_PREVIEW` = `N`.
        url_preview: bool,
    },
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

    /// The id of the message in the external system, which only connector messages have.
    pub fn external_message_id(&self) -> Option<&str> {
        match self {
            Self::Connector { message_id, .. } => message_id.as_deref(),
            Self::Crm { .. } | Self::Network { .. } => None,
        }
    }
}

/// One request that reached a portal. Holds no secret.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Entry {
    /// Place in the order of arrival, from 1.
    pub sequence: u64,
    /// When the request had arrived in full, by the portal's clock. RFC 3339 in JSON.
    #[serde(serialize_with = "rfc3339")]
    pub time: Timestamp,
    /// Host name of the portal.
    pub portal: String,
    /// Method in lower case; empty when the address was not that of a method.
    pub method: String,
    /// What the request presented to prove who calls.
    pub auth: AuthKind,
    /// For a request to the authorization server: the grant it asked for.
    pub grant: Option<String>,
    /// Whether the method ran to its end and its effects, listed in `deliveries`, happened.
    pub executed: bool,
    /// The commands of a batch that were looked at, in their order. Empty for other methods.
    pub commands: Vec<Command>,
    /// What was delivered. May be empty for an executed call whose messages were all refused one by one.
    pub deliveries: Vec<Delivery>,
    /// How full the portal's bucket was with this request, or without it if it was refused. `None`: the portal takes any
    /// number of requests, or the request did not come to it.
    pub bucket: Option<f64>,
    /// Name of the fault that was applied.
    pub fault: Option<String>,
    /// HTTP status of the answer that left, whether or not it arrived. `None` while the request runs,
    /// and when no answer left.
    pub status: Option<u16>,
    /// `error` of the answer, if it had one.
    pub error: Option<String>,
}

/// One command of a batch.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Command {
    /// Its key in `cmd`.
    pub key: String,
    /// Its method in lower case.
    pub method: String,
    /// Whether the method ran to its end. Its effects stand in [`Entry::deliveries`].
    pub executed: bool,
    /// Name of the fault that was applied to it.
    pub fault: Option<String>,
    /// The code in `result_error`, if one was answered.
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
    /// Number of requests whose method was executed.
    pub fn executed(&self) -> usize {
        self.entries.iter().filter(|entry| entry.executed).count()
    }

    /// Number of refreshes that granted new tokens, whether or not the answer arrived.
    pub fn refreshes(&self) -> usize {
        let is_refresh =
            |entry: &&Entry| entry.executed && entry.grant.as_deref() == Some("refresh_token");
        self.entries.iter().filter(is_refresh).count()
    }

    /// Number of requests that were answered with this code.
    pub fn refused_with(&self, code: &str) -> usize {
        let of_code = |entry: &&Entry| entry.error.as_deref() == Some(code);
        self.entries.iter().filter(of_code).count()
    }

    /// Everything that was delivered, in order of arrival of the requests.
    pub fn deliveries(&self) -> impl Iterator<Item = &Delivery> {
        self.entries.iter().flat_map(|entry| &entry.deliveries)
    }

    /// How often each text was delivered: an absent text was lost, a count above one is a duplicate.
    pub fn delivered_by_text(&self) -> BTreeMap<&str, usize> {
        count(self.deliveries().map(Delivery::text))
    }

    /// How often each external message id was delivered; messages without one are not counted.
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

/// The book in which the portals write their record.
#[derive(Debug, Default)]
pub(super) struct Book {
    pages: Mutex<Pages>,
}

#[derive(Debug, Default)]
struct Pages {
    entries: Vec<Entry>,
    opened: u64,
}

impl Book {
    /// Writes a request down and gives its sequence number, under which it can be completed.
    pub(super) fn open(&self, mut entry: Entry) -> u64 {
        let mut pages = self.pages.lock().unwrap_or_else(PoisonError::into_inner);
        pages.opened += 1;
        entry.sequence = pages.opened;
        pages.entries.push(entry);
        pages.opened
    }

    /// Completes an entry; does nothing if the record was cleared since.
    pub(super) fn amend(&self, sequence: u64, change: impl FnOnce(&mut Entry)) {
        let mut pages = self.pages.lock().unwrap_or_else(PoisonError::into_inner);
        // The newest entries are the ones that change.
        if let Some(entry) = pages
            .entries
            .iter_mut()
            .rev()
            .find(|e| e.sequence == sequence)
        {
            change(entry);
        }
    }

    pub(super) fn read(&self) -> Record {
        let pages = self.pages.lock().unwrap_or_else(PoisonError::into_inner);
        Record {
            entries: pages.entries.clone(),
        }
    }

    /// Forgets every entry. Sequence numbers go on.
    pub(super) fn clear(&self) {
        self.pages
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .entries
            .clear();
    }
}

//! The parameters of `imconnector.send.messages` under Bitrix24's names.

use std::borrow::Cow;

use serde::Serialize;

use crate::api::openlines::v1 as api;
use crate::openlines::names::NameRule;

#[derive(Serialize)]
pub(super) struct ConnectorMessages<'a> {
    /// In lower case, as Bitrix24 stores it.
    #[serde(rename = "CONNECTOR")]
    connector: String,
    #[serde(rename = "LINE")]
    line: i64,
    #[serde(rename = "MESSAGES")]
    messages: Vec<Message<'a>>,
}

#[derive(Serialize)]
struct Message<'a> {
    user: User<'a>,
    message: Content<'a>,
    chat: Chat<'a>,
}

#[derive(Default, Serialize)]
struct User<'a> {
    id: &'a str,
    #[serde(skip_serializing_if = "str::is_empty")]
    last_name: Cow<'a, str>,
    #[serde(skip_serializing_if = "str::is_empty")]
    name: Cow<'a, str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    picture: Option<Picture<'a>>,
    #[serde(skip_serializing_if = "str::is_empty")]
    url: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    gender: Option<&'static str>,
    #[serde(skip_serializing_if = "str::is_empty")]
    email: &'a str,
    #[serde(skip_serializing_if = "str::is_empty")]
    phone: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    skip_phone_validate: Option<&'static str>,
}

#[derive(Serialize)]
struct Picture<'a> {
    url: &'a str,
}

#[derive(Default, Serialize)]
struct Content<'a> {
    id: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    date: Option<i64>,
    #[serde(skip_serializing_if = "str::is_empty")]
    text: &'a str,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    files: Vec<File<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    disable_crm: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    user_id: Option<i64>,
}

#[derive(Serialize)]
struct File<'a> {
    url: &'a str,
    #[serde(skip_serializing_if = "str::is_empty")]
    name: &'a str,
}

#[derive(Default, Serialize)]
struct Chat<'a> {
    id: &'a str,
    #[serde(skip_serializing_if = "str::is_empty")]
    name: &'a str,
    #[serde(skip_serializing_if = "str::is_empty")]
    url: &'a str,
}

impl<'a> ConnectorMessages<'a> {
    pub(super) fn of(request: &'a api::SendConnectorMessagesRequest, names: NameRule) -> Self {
        let messages = request.messages.iter().map(|message| Message {
            user: (message.user.as_ref())
                .map(|user| User::of(user, names))
                .unwrap_or_default(),
            message: message
                .message
                .as_ref()
                .map(Content::of)
                .unwrap_or_default(),
            chat: message.chat.as_ref().map(Chat::of).unwrap_or_default(),
        });
        Self {
            connector: request.connector_id.to_lowercase(),
            line: request.line_id,
            messages: messages.collect(),
        }
    }
}

impl<'a> User<'a> {
    fn of(user: &'a api::ExternalUser, names: NameRule) -> Self {
        Self {
            id: &user.id,
            last_name: names.sent(&user.last_name),
            name: names.sent(&user.first_name),
            picture: (!user.picture_url.is_empty()).then_some(Picture {
                url: &user.picture_url,
            }),
            url: &user.profile_url,
            gender: match user.gender() {
                api::Gender::Unspecified => None,
                api::Gender::Male => Some("male"),
                api::Gender::Female => Some("female"),
            },
            email: &user.email,
            phone: &user.phone,
            skip_phone_validate: user.skip_phone_validation.then_some("Y"),
        }
    }
}

impl<'a> Content<'a> {
    fn of(message: &'a api::ExternalMessage) -> Self {
        let files = message.files.iter().map(|file| File {
            url: &file.url,
            name: &file.name,
        });
        Self {
            id: &message.id,
            date: message.send_time.as_ref().map(|time| time.seconds),
            text: &message.text,
            files: files.collect(),
            disable_crm: message.disable_crm_tracker.then_some("Y"),
            user_id: message.portal_user_id,
        }
    }
}

impl<'a> Chat<'a> {
    fn of(chat: &'a api::ExternalChat) -> Self {
        Self {
            id: &chat.id,
            name: &chat.name,
            url: &chat.url,
        }
    }
}

//! `SendNetworkMessage`: `imopenlines.network.message.add`.

use std::time::Duration;

use serde::Serialize;
use serde_json::Value;
use serde_json::value::{RawValue, to_raw_value};
use smallvec::smallvec;

use super::operation::Operation;
use super::settings::Rules;
use super::{attachment, json_struct, keyboard, timing};
use crate::api::openlines::v1::send_network_message_request::{AttachmentForm, KeyboardForm};
use crate::api::openlines::v1::{SendNetworkMessageRequest, SendNetworkMessageResponse};
use crate::call::{CallIdentity, Conversation, Conversations, Recipient};
use crate::check::Check;
use crate::check::Path;
use crate::error::Error;
use bitrix24::{Answer, Method, NotAnObject, Parameters, loose};

pub(super) struct SendNetworkMessage;

/// The length of an open channel's code, letters and digits. Source: method page.
const CODE_CHARACTERS: usize = 32;

/// The parameters under Bitrix24's names.
#[derive(Serialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
struct NetworkMessage<'a> {
    code: &'a str,
    user_id: i64,
    message: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    attach: Option<Box<RawValue>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    keyboard: Option<Box<RawValue>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    url_preview: Option<&'static str>,
}

impl Operation for SendNetworkMessage {
    type Request = SendNetworkMessageRequest;
    type Response = SendNetworkMessageResponse;

    const NAME: &'static str = "SendNetworkMessage";
    const METHOD: Method = Method::AddNetworkMessage;

    fn conversations(request: &Self::Request, _rules: &Rules) -> Conversations {
        let recipient = ("network", &request.line_code, request.user_id);
        smallvec![Conversation::of(&recipient)]
    }

    fn line(request: &Self::Request) -> Option<String> {
        Some(request.line_code.clone())
    }

    fn recipient(request: &Self::Request) -> Option<Recipient> {
        Some(Recipient {
            line_code: request.line_code.clone(),
            user_id: request.user_id,
            is_accepted,
        })
    }

    fn prepare(
        request: &Self::Request,
        rules: &Rules,
        check: &mut Check,
    ) -> Result<Parameters, NotAnObject> {
        let code = request.line_code.as_bytes();
        if code.len() != CODE_CHARACTERS || !code.iter().all(u8::is_ascii_alphanumeric) {
            check.wrong(
                Path::root("line_code"),
                "CODE",
                format!("is required: {CODE_CHARACTERS} letters and digits"),
            );
        }
        check.required_id(Path::root("user_id"), request.user_id);
        check.required_text(
            Path::root("text"),
            &request.text,
            rules.maximum_text_characters,
        );
        Parameters::of(&NetworkMessage {
            code: &request.line_code,
            user_id: request.user_id,
            message: &request.text,
            attach: attachment_form(request.attachment_form.as_ref(), rules, check),
            keyboard: keyboard_form(request.keyboard_form.as_ref(), rules, check),
            url_preview: request.disable_url_preview.then_some("N"),
        })
    }

    fn reply(
        answer: Answer,
        _request: &Self::Request,
        _rules: &Rules,
        _call: &CallIdentity,
        operating_limit: Option<Duration>,
    ) -> Result<Self::Response, Error> {
        if !is_accepted(&answer) {
            return Err(Error::ResultMissing);
        }
        Ok(SendNetworkMessageResponse {
            timing: Some(timing::timing(&answer.time)),
            operating_budget: timing::operating_budget(&answer.time, operating_limit),
            ..Default::default()
        })
    }
}

/// Documented is `true`; a number is taken for the id of the message that was created.
fn is_accepted(answer: &Answer) -> bool {
    loose::switch(&answer.result) == Some(true)
        || loose::integer(&answer.result).is_some_and(|id| id > 0)
}

fn attachment_form(
    form: Option<&AttachmentForm>,
    rules: &Rules,
    check: &mut Check,
) -> Option<Box<RawValue>> {
    let limit = rules.maximum_attachment_bytes;
    match form? {
        AttachmentForm::Attachment(attachment) => {
            let path = Path::root("attachment");
            attachment::check(path, attachment, check);
            serialized(path, &attachment::to_json(attachment), limit, check)
        }
        AttachmentForm::AttachmentStruct(source) => {
            let path = Path::root("attachment_struct");
            let json = untyped(path, source, check)?;
            serialized(path, &json, limit, check)
        }
    }
}

fn keyboard_form(
    form: Option<&KeyboardForm>,
    rules: &Rules,
    check: &mut Check,
) -> Option<Box<RawValue>> {
    let limit = rules.maximum_keyboard_bytes;
    match form? {
        KeyboardForm::Keyboard(keyboard) => {
            let path = Path::root("keyboard");
            keyboard::check(path, keyboard, check);
            serialized(path, &keyboard::to_json(keyboard), limit, check)
        }
        KeyboardForm::KeyboardStruct(source) => {
            let path = Path::root("keyboard_struct");
            let json = untyped(path, source, check)?;
            keyboard::check_json(path, &json, check);
            serialized(path, &json, limit, check)
        }
    }
}

fn untyped(path: Path<'_>, source: &prost_types::Struct, check: &mut Check) -> Option<Value> {
    let json = json_struct::to_json(source);
    if json.is_err() {
        check.wrong(
            path,
            "NOT_FINITE",
            "holds a number that is infinite or not a number",
        );
    }
    json.ok()
}

/// The JSON as it is sent, if it is not larger than `limit` bytes.
fn serialized(
    path: Path<'_>,
    json: &Value,
    limit: usize,
    check: &mut Check,
) -> Option<Box<RawValue>> {
    let raw = to_raw_value(json).ok()?;
    let found = raw.get().len();
    if found > limit {
        check.wrong(
            path,
            "TOO_LARGE",
            format!("has {found} bytes as the JSON that is sent; at most {limit}: shorten it"),
        );
        return None;
    }
    Some(raw)
}

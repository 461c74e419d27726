//! `SendCrmMessage`: `imopenlines.crm.message.add`.

use std::time::Duration;

use serde::Serialize;
use smallvec::smallvec;

use super::operation::Operation;
use super::settings::Rules;
use super::timing;
use crate::api::openlines::v1::{CrmEntityType, SendCrmMessageRequest, SendCrmMessageResponse};
use crate::call::CallIdentity;
use crate::call::{Conversation, Conversations};
use crate::check::Check;
use crate::check::Path;
use crate::error::Error;
use bitrix24::{Answer, Method, NotAnObject, Parameters, loose};

pub(super) struct SendCrmMessage;

/// The parameters under Bitrix24's names.
#[derive(Serialize)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
struct CrmMessage<'a> {
    crm_entity_type: &'static str,
    crm_entity: i64,
    user_id: i64,
    chat_id: i64,
    message: &'a str,
}

impl Operation for SendCrmMessage {
    type Request = SendCrmMessageRequest;
    type Response = SendCrmMessageResponse;

    const NAME: &'static str = "SendCrmMessage";
    const METHOD: Method = Method::AddCrmMessage;

    fn conversations(request: &Self::Request, _rules: &Rules) -> Conversations {
        smallvec![Conversation::of(&("crm", request.portal_chat_id))]
    }

    fn line(_request: &Self::Request) -> Option<String> {
        None
    }

    fn prepare(
        request: &Self::Request,
        rules: &Rules,
        check: &mut Check,
    ) -> Result<Parameters, NotAnObject> {
        check.required_value::<CrmEntityType>(
            Path::root("crm_entity_type"),
            request.crm_entity_type,
        );
        check.required_id(Path::root("crm_entity_id"), request.crm_entity_id);
        check.required_id(Path::root("user_id"), request.user_id);
        check.required_id(Path::root("portal_chat_id"), request.portal_chat_id);
        check.required_text(
            Path::root("text"),
            &request.text,
            rules.maximum_text_characters,
        );
        Parameters::of(&CrmMessage {
            crm_entity_type: entity_type(request.crm_entity_type()),
            crm_entity: request.crm_entity_id,
            user_id: request.user_id,
            chat_id: request.portal_chat_id,
            message: &request.text,
        })
    }

    fn reply(
        answer: Answer,
        _request: &Self::Request,
        _rules: &Rules,
        _call: &CallIdentity,
        operating_limit: Option<Duration>,
    ) -> Result<Self::Response, Error> {
        let portal_message_id = match loose::integer(&answer.result) {
            Some(id) if id > 0 => id,
            // Something was created, and Bitrix24 does not say what.
            _ if answer.result == true => return Err(Error::AnswerNotUnderstood),
            _ => return Err(Error::ResultMissing),
        };
        Ok(SendCrmMessageResponse {
            portal_message_id,
            timing: Some(timing::timing(&answer.time)),
            operating_budget: timing::operating_budget(&answer.time, operating_limit),
            ..Default::default()
        })
    }
}

/// Source: method page `imopenlines.crm.message.add`.
fn entity_type(entity_type: CrmEntityType) -> &'static str {
    match entity_type {
        CrmEntityType::Unspecified => "",
        CrmEntityType::Lead => "lead",
        CrmEntityType::Deal => "deal",
        CrmEntityType::Company => "company",
        CrmEntityType::Contact => "contact",
    }
}

//! `imopenlines.crm.message.add`.

use sandbox::{Delivery, ErrorDialect, SenderOutsideChat, UnknownCrmType, demo};
use serde_json::json;

use crate::desk::*;

#[tokio::test]
async fn the_answer_is_the_id_of_the_new_message() {
    let desk = Desk::open().await;
    let first = desk
        .as_webhook(CRM, crm_call())
        .await
        .result()
        .as_i64()
        .unwrap();
    let numbers_as_text = with(crm_call(), "CRM_ENTITY", json!("1195"));
    let second = desk
        .as_application(CRM, numbers_as_text)
        .await
        .result()
        .as_i64()
        .unwrap();
    assert_ne!(first, second);
    assert_eq!(
        desk.sandbox.record().entries[0].deliveries,
        [Delivery::Crm {
            entity_type: "lead".to_owned(),
            entity: demo::LEAD,
            user_id: demo::MEMBER,
            chat_id: demo::CHAT,
            text: "Message text".to_owned(),
            message_id: first,
        }]
    );
}

#[tokio::test]
async fn each_empty_argument_is_refused_by_name_in_table_order() {
    let desk = Desk::open().await;
    let mut call = json!({});
    for name in [
        "CRM_ENTITY_TYPE",
        "CRM_ENTITY",
        "USER_ID",
        "CHAT_ID",
        "MESSAGE",
    ] {
        let text = format!("Argument '{name}' is null or empty");
        for empty in [json!(null), json!(""), json!("0"), json!(0), json!([])] {
            for dialect in [ErrorDialect::Current, ErrorDialect::Old] {
                desk.sandbox.set_dialect(dialect);
                let response = desk
                    .as_webhook(CRM, with(call.clone(), name, empty.clone()))
                    .await;
                desk.refused_with(&response, 400, "ERROR_ARGUMENT", &text);
            }
        }
        call = with(call, name, crm_call()[name].clone());
    }
    desk.as_webhook(CRM, call).await.result();
    assert_eq!(desk.sandbox.record().executed(), 1);
}

#[tokio::test]
async fn an_id_that_is_no_integer_has_an_invalid_type() {
    let desk = Desk::open().await;
    for name in ["CRM_ENTITY", "USER_ID", "CHAT_ID"] {
        for value in [json!("abc"), json!([1]), json!(1.5)] {
            let response = desk.as_webhook(CRM, with(crm_call(), name, value)).await;
            let text = format!("The value of an argument '{name}' has an invalid type");
            desk.refused_with(&response, 400, "ERROR_ARGUMENT", &text);
        }
    }
}

#[tokio::test]
async fn a_caller_without_access_is_told_about_itself_and_a_sender_about_the_user() {
    let desk = Desk::open().await;
    for user in [demo::NO_CRM, 999] {
        let call = with(crm_call(), "USER_ID", json!(user));
        let response = desk.as_webhook(CRM, call).await;
        let text = "Access denied! User dont have access to this entity";
        desk.refused_with(&response, 403, "ACCESS_DENIED", text);
    }
    desk.sandbox
        .alter(demo::HOST, |portal| portal.users[0].crm_access = false);
    let response = desk.as_webhook(CRM, crm_call()).await;
    let text = "Access denied! You dont have access to this action";
    desk.refused_with(&response, 403, "ACCESS_DENIED", text);
}

#[tokio::test]
async fn a_chat_that_is_not_linked_to_the_item_is_refused() {
    let desk = Desk::open().await;
    for (name, value) in [
        ("CHAT_ID", json!(999)),
        ("CRM_ENTITY", json!(1196)),
        ("CRM_ENTITY_TYPE", json!("deal")),
    ] {
        let response = desk.as_webhook(CRM, with(crm_call(), name, value)).await;
        let text = "Chat does not belong to the CRM entity being checked";
        desk.refused_with(&response, 400, "CHAT_NOT_IN_CRM", text);
    }
}

#[tokio::test]
async fn an_unknown_type_of_item_gets_what_the_switch_says() {
    let desk = Desk::open().await;
    let call = || with(crm_call(), "CRM_ENTITY_TYPE", json!("planet"));
    assert_eq!(
        desk.as_webhook(CRM, call()).await.error().1,
        "CHAT_NOT_IN_CRM"
    );
    desk.sandbox
        .switch(|switches| switches.unknown_crm_type = UnknownCrmType::AccessDenied);
    assert_eq!(
        desk.as_webhook(CRM, call()).await.error().1,
        "ACCESS_DENIED"
    );
}

#[tokio::test]
async fn a_sender_outside_the_chat_gets_what_the_switch_says() {
    let desk = Desk::open().await;
    let call = || with(crm_call(), "USER_ID", json!(demo::OUTSIDER));
    let response = desk.as_webhook(CRM, call()).await;
    desk.refused_with(
        &response,
        400,
        "CANCELED",
        "You cannot send messages to the specified chat",
    );
    desk.sandbox
        .switch(|switches| switches.sender_outside_chat = SenderOutsideChat::MessageAddError);
    let response = desk.as_webhook(CRM, call()).await;
    desk.refused_with(&response, 400, "MESSAGE_ADD_ERROR", "Message isn't added");
}

//! Unknown behaviour of real portals, which switches select.

use std::time::Duration;

use sandbox::{InvalidName, Limits, RepeatedMessage, Switches, Week, demo};
use serde_json::{Value, json};

use crate::desk::*;

async fn send(desk: &Desk, messages: &[Value]) -> Vec<Value> {
    let response = desk
        .as_application(CONNECTOR, connector_call(messages))
        .await;
    let results = response.result()["DATA"]["RESULT"].clone();
    results.as_array().unwrap().clone()
}

#[tokio::test]
async fn an_invalid_name_is_accepted_or_fails_its_message() {
    let desk = Desk::open().await;
    let messages: Vec<Value> = ["R2", &"x".repeat(26), "Åsa"]
        .iter()
        .map(|name| {
            let mut message = message("u", "m", "t");
            message["user"]["last_name"] = json!(name);
            message
        })
        .collect();
    let success = |results: Vec<Value>| -> Vec<bool> {
        let of = |result: &Value| result["SUCCESS"].as_bool().unwrap();
        results.iter().map(of).collect()
    };
    assert_eq!(success(send(&desk, &messages).await), [true, true, true]);
    desk.sandbox
        .switch(|switches| switches.invalid_name = InvalidName::Refuse);
    assert_eq!(success(send(&desk, &messages).await), [false, false, true]);
}

#[tokio::test]
async fn too_many_messages_are_refused_and_long_texts_cut_when_told_so() {
    let desk = Desk::open().await;
    desk.sandbox.switch(|switches| {
        switches.messages_limit = Some(2);
        switches.text_limit = Some(3);
    });
    let messages = ["abc", "абвг", "x"].map(|text| message("u", text, text));
    let response = desk
        .as_application(CONNECTOR, connector_call(&messages))
        .await;
    desk.refused_with(
        &response,
        400,
        "ERROR_ARGUMENT",
        "Argument 'MESSAGES' is too long",
    );
    send(&desk, &messages[..2]).await;
    let record = desk.sandbox.record();
    let texts: Vec<&str> = record
        .deliveries()
        .map(|delivery| delivery.text())
        .collect();
    assert_eq!(texts, ["abc", "абв (...)"]);
}

#[tokio::test]
async fn a_repeated_message_id_is_delivered_again_or_dropped() {
    let desk = Desk::open().await;
    for (rule, delivered) in [(RepeatedMessage::Deliver, 2), (RepeatedMessage::Drop, 1)] {
        desk.sandbox.clear_record();
        desk.sandbox
            .switch(|switches| switches.repeated_message = rule);
        let id = format!("{rule:?}");
        for _ in 0..2 {
            let results = send(&desk, &[message("u", &id, "t")]).await;
            assert_eq!(results[0]["SUCCESS"], json!(true));
        }
        assert_eq!(desk.sandbox.record().deliveries().count(), delivered);
    }
}

#[tokio::test]
async fn canceled_has_the_status_of_the_switch() {
    let desk = Desk::open().await;
    desk.sandbox
        .switch(|switches| switches.canceled_status = 403);
    let call = with(crm_call(), "USER_ID", json!(demo::OUTSIDER));
    let response = desk.as_webhook(CRM, call).await;
    let text = "You cannot send messages to the specified chat";
    desk.refused_with(&response, 403, "CANCELED", text);
}

#[tokio::test]
async fn a_calendar_week_ends_on_monday() {
    let desk = Desk::open().await;
    desk.sandbox
        .switch(|switches| switches.week = Week::Calendar);
    desk.as_webhook(NETWORK, network_call()).await.result();
    let mut days = 0;
    while desk.as_webhook(NETWORK, network_call()).await.status != 200 {
        desk.sandbox.advance_clock(Duration::from_hours(24));
        days += 1;
        assert!(days <= 7);
    }
    // The portal's time is three hours ahead of UTC.
    let now = desk.sandbox.now() + jiff::SignedDuration::from_hours(3);
    let weekday = now.to_zoned(jiff::tz::TimeZone::UTC).weekday();
    assert_eq!(weekday, jiff::civil::Weekday::Monday);
}

#[tokio::test]
async fn a_failed_network_message_counts_for_the_week_when_told_so() {
    let desk = Desk::open().await;
    let call = with(network_call(), "USER_ID", json!(demo::DISMISSED));
    let code = async || desk.as_webhook(NETWORK, call.clone()).await.error().1;
    assert_eq!(
        [code().await, code().await],
        ["WRONG_REQUEST", "WRONG_REQUEST"]
    );
    desk.sandbox
        .switch(|switches| switches.failed_message_counts = true);
    assert_eq!(
        [code().await, code().await],
        ["WRONG_REQUEST", "USER_MESSAGE_LIMIT"]
    );
}

#[test]
fn the_page_names_every_switch_and_every_limit() {
    let page = include_str!("../../../../docs/sandbox.md");
    let switches = serde_json::to_value(Switches::default()).unwrap();
    let limits = serde_json::to_value(Limits::default()).unwrap();
    for fields in [switches, limits] {
        for name in fields.as_object().unwrap().keys() {
            assert!(page.contains(&format!("| `{name}`")), "{name}");
        }
    }
}

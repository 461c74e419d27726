//! `imopenlines.network.message.add`.

use std::time::Duration;

use sandbox::{Delivery, ErrorDialect, demo};
use serde_json::{Value, json};

use crate::desk::*;

const WEEK: Duration = Duration::from_hours(7 * 24);

#[tokio::test]
async fn the_answer_is_true_and_empty_extras_are_ignored() {
    let desk = Desk::open().await;
    let call = with(
        with(network_call(), "ATTACH", json!("")),
        "KEYBOARD",
        json!(""),
    );
    assert_eq!(desk.as_webhook(NETWORK, call).await.result(), json!(true));
    assert_eq!(
        desk.last_entry().deliveries,
        [Delivery::Network {
            code: demo::NETWORK_CODE.to_owned(),
            user_id: demo::OUTSIDER,
            text: "message text".to_owned(),
            attach: None,
            keyboard: None,
            url_preview: true,
        }]
    );
}

#[tokio::test]
async fn attach_and_keyboard_arrive_as_structures_or_as_json_text() {
    let attach = json!({"ID": 1, "BLOCKS": [{"MESSAGE": "x"}]});
    let keyboard = json!([{"TEXT": "Open", "LINK": "https://example.com/"}, {"TYPE": "NEWLINE"}]);
    for as_text in [false, true] {
        let desk = Desk::open().await;
        let form = |value: &Value| {
            if as_text {
                json!(value.to_string())
            } else {
                value.clone()
            }
        };
        let call = with(network_call(), "ATTACH", form(&attach));
        let call = with(
            with(call, "KEYBOARD", form(&keyboard)),
            "URL_PREVIEW",
            json!("N"),
        );
        desk.as_application(NETWORK, call).await.result();
        match &desk.last_entry().deliveries[..] {
            [
                Delivery::Network {
                    attach: a,
                    keyboard: k,
                    url_preview: false,
                    ..
                },
            ] => {
                assert_eq!((a.as_ref(), k.as_ref()), (Some(&attach), Some(&keyboard)));
            }
            other => panic!("{other:?}"),
        }
    }
}

#[tokio::test]
async fn a_browser_session_is_refused() {
    let desk = Desk::open().await;
    let request = desk.post_json(&format!("/rest/{NETWORK}"), &network_call());
    let request = request.header("cookie", format!("PHPSESSID={}", demo::SESSION));
    let response = Desk::send(request).await.unwrap();
    let text = "Access for this method not allowed by session authorization";
    desk.refused_with(&response, 403, "WRONG_AUTH_TYPE", text);
}

#[tokio::test]
async fn every_argument_is_refused_with_its_documented_error_in_both_dialects() {
    let code = [
        ("CODE", "You entered an invalid code"),
        ("CODE_ERROR", "Open Channel code is incorrect"),
    ];
    let unknown = [("NOT_FOUND", "Line not found"), code[1]];
    let both = |code, text| [(code, text); 2];
    let attach = both("ATTACH_ERROR", "Incorrect attach params");
    let keyboard = both("KEYBOARD_ERROR", "Incorrect keyboard params");
    let wrong = [
        ("WRONG_REQUEST", "Message isn't added"),
        ("WRONG_REQUEST", "Something went wrong"),
    ];
    let desk = Desk::open().await;
    for (name, value, faces) in [
        ("CODE", json!(null), code),
        ("CODE", json!("short"), code),
        ("CODE", json!(["x"]), code),
        ("CODE", json!("0".repeat(32)), unknown),
        (
            "USER_ID",
            json!(null),
            both("USER_ID_EMPTY", "User ID can't be empty"),
        ),
        (
            "USER_ID",
            json!("0"),
            both("USER_ID_EMPTY", "User ID can't be empty"),
        ),
        (
            "MESSAGE",
            json!(""),
            both("MESSAGE_EMPTY", "Message can't be empty"),
        ),
        ("ATTACH", json!([{"UNKNOWN": 1}]), attach),
        ("ATTACH", json!("{not json"), attach),
        ("KEYBOARD", json!([{"TEXT": "x", "COMMAND": "y"}]), keyboard),
        ("KEYBOARD", json!("[1]"), keyboard),
        ("USER_ID", json!(999), wrong),
        ("USER_ID", json!(demo::DISMISSED), wrong),
    ] {
        for (dialect, (code, text)) in [ErrorDialect::Current, ErrorDialect::Old]
            .into_iter()
            .zip(faces)
        {
            desk.sandbox.set_dialect(dialect);
            let response = desk
                .as_webhook(NETWORK, with(network_call(), name, value.clone()))
                .await;
            desk.refused_with(&response, 400, code, text);
        }
    }
}

#[tokio::test]
async fn arguments_are_checked_in_the_documented_order_and_the_weekly_limit_last() {
    let desk = Desk::open().await;
    desk.as_webhook(NETWORK, network_call()).await.result();
    let mut call = json!({"ATTACH": "x", "KEYBOARD": "x"});
    for (code, name, good) in [
        ("CODE", "CODE", json!(demo::NETWORK_CODE)),
        ("USER_ID_EMPTY", "USER_ID", json!(demo::OUTSIDER)),
        ("MESSAGE_EMPTY", "MESSAGE", json!("again")),
        ("ATTACH_ERROR", "ATTACH", json!(null)),
        ("KEYBOARD_ERROR", "KEYBOARD", json!(null)),
    ] {
        assert_eq!(desk.as_webhook(NETWORK, call.clone()).await.error().1, code);
        call = with(call, name, good);
    }
    assert_eq!(
        desk.as_webhook(NETWORK, call).await.error().1,
        "USER_MESSAGE_LIMIT"
    );
    assert_eq!(desk.sandbox.record().executed(), 1);
}

#[tokio::test]
async fn without_the_module_for_bots_nothing_is_sent() {
    let desk = Desk::open().await;
    desk.sandbox
        .alter(demo::HOST, |portal| portal.imbot_installed = false);
    let response = desk.as_webhook(NETWORK, network_call()).await;
    desk.refused_with(
        &response,
        400,
        "IMBOT_ERROR",
        "Module IMBOT is not installed",
    );
}

#[tokio::test]
async fn sizes_are_limited_and_the_limits_can_be_set() {
    let desk = Desk::open().await;
    let attach = |length| {
        with(
            network_call(),
            "ATTACH",
            json!([{"MESSAGE": "я".repeat(length)}]),
        )
    };
    let text = "You have exceeded the maximum allowable size of attach";
    desk.refused_with(
        &desk.as_webhook(NETWORK, attach(60_000)).await,
        400,
        "ATTACH_OVERSIZE",
        text,
    );
    desk.as_webhook(NETWORK, attach(59_000)).await.result();

    let buttons = vec![json!({"TEXT": "x".repeat(1000), "LINK": "/x"}); 31];
    let keyboard = with(network_call(), "KEYBOARD", json!(buttons));
    let response = desk.as_webhook(NETWORK, keyboard.clone()).await;
    desk.refused_with(
        &response,
        400,
        "KEYBOARD_ERROR",
        "Incorrect keyboard params",
    );
    desk.sandbox.set_dialect(ErrorDialect::Old);
    assert_eq!(
        desk.as_webhook(NETWORK, keyboard.clone()).await.error().1,
        "KEYBOARD_OVERSIZE"
    );

    desk.sandbox
        .switch(|switches| (switches.attach_limit, switches.keyboard_limit) = (10, 100_000));
    assert_eq!(
        desk.as_webhook(NETWORK, attach(1)).await.error().1,
        "ATTACH_OVERSIZE"
    );
    let keyboard = with(keyboard, "USER_ID", json!(demo::MEMBER));
    desk.as_webhook(NETWORK, keyboard).await.result();
}

#[tokio::test]
async fn a_user_gets_one_message_per_week_unless_the_licence_is_nfr() {
    let desk = Desk::open().await;
    let text = "You cant send more than one message per week to each user";
    desk.as_webhook(NETWORK, network_call()).await.result();
    desk.refused_with(
        &desk.as_webhook(NETWORK, network_call()).await,
        400,
        "USER_MESSAGE_LIMIT",
        text,
    );
    let other = with(network_call(), "USER_ID", json!(demo::MEMBER));
    desk.as_webhook(NETWORK, other).await.result();

    desk.sandbox.advance_clock(WEEK - Duration::from_mins(1));
    assert_eq!(
        desk.as_webhook(NETWORK, network_call()).await.error().1,
        "USER_MESSAGE_LIMIT"
    );
    desk.sandbox.advance_clock(Duration::from_mins(1));
    desk.as_webhook(NETWORK, network_call()).await.result();

    desk.sandbox
        .alter(demo::HOST, |portal| portal.nfr_licence = true);
    desk.as_webhook(NETWORK, network_call()).await.result();
    assert_eq!(desk.sandbox.record().times_delivered("message text"), 4);
}

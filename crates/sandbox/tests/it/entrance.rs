//! Addresses, encodings, credentials and scopes.

use std::time::Duration;

use sandbox::{AuthKind, Fault, FaultKind, Moment, Portal, StatusTable, TokenState, demo};
use serde_json::json;

use crate::desk::*;

const FORM: &str = "CRM_ENTITY_TYPE=lead&CRM_ENTITY=1195&USER_ID=27&CHAT_ID=1341&MESSAGE=a+b%20c";

#[tokio::test]
async fn a_call_is_understood_in_every_encoding_and_address() {
    let desk = Desk::open().await;
    let token = demo::ACCESS_TOKEN;
    let body = crm_call();
    let requests = [
        desk.post_json(&webhook(CRM), &body),
        desk.post_json(&webhook("ImOpenLines.CRM.message.add.json"), &body),
        desk.post_json(
            &format!("/rest/{CRM}"),
            &with(body.clone(), "auth", json!(token)),
        ),
        desk.post_json(&format!("/rest/{CRM}.json?auth={token}"), &body),
        desk.post_json(&format!("/rest/{CRM}"), &body)
            .bearer_auth(token),
        desk.post_json(&format!("/rest//{CRM}?auth={token}"), &body),
        desk.post_form(&webhook(CRM), FORM),
        desk.post_form(&format!("/rest/{CRM}"), &format!("{FORM}&auth={token}")),
        desk.client
            .get(desk.url(&format!("{}?{FORM}", webhook(CRM)))),
        desk.client
            .get(desk.url(&format!("/rest/{CRM}?{FORM}&auth={token}"))),
    ];
    let count = requests.len();
    for request in requests {
        let result = Desk::send(request).await.unwrap().result();
        assert!(result.is_i64());
    }
    let record = desk.sandbox.record();
    assert_eq!(record.executed(), count);
    assert!(record.entries.iter().all(|entry| entry.method == CRM));
    let sequences: Vec<u64> = record.entries.iter().map(|entry| entry.sequence).collect();
    assert_eq!(
        sequences,
        (1..=u64::try_from(count).unwrap()).collect::<Vec<_>>()
    );
    assert_eq!(record.times_delivered("a b c"), 4);
}

#[tokio::test]
async fn what_is_no_method_address_gets_a_page_of_the_web_server() {
    let desk = Desk::open().await;
    for path in ["/", "/rest/", "/rest/1/only-two", "/oauth/authorize/"] {
        let response = Desk::send(desk.post_json(path, &json!({}))).await.unwrap();
        assert_eq!(
            (response.status, response.content_type.as_str()),
            (404, "text/html; charset=utf-8")
        );
        assert_eq!(desk.last_entry().method, "");
    }
}

#[tokio::test]
async fn an_unknown_method_is_refused_before_the_credentials_are_looked_at() {
    let desk = Desk::open().await;
    let response = Desk::send(desk.post_json("/rest/im.nothing", &json!({})))
        .await
        .unwrap();
    desk.refused_with(
        &response,
        404,
        "ERROR_METHOD_NOT_FOUND",
        "Method not found!",
    );
}

#[tokio::test]
async fn each_failure_of_authentication_has_its_own_code() {
    let desk = Desk::open().await;
    let call = |token: &str| desk.post_json(&format!("/rest/{CRM}?auth={token}"), &crm_call());

    let response = Desk::send(desk.post_json(&format!("/rest/{CRM}"), &crm_call()))
        .await
        .unwrap();
    desk.refused_with(&response, 401, "NO_AUTH_FOUND", "Wrong authorization data");
    assert_eq!(desk.last_entry().auth, AuthKind::None);

    let response = Desk::send(call("unknown")).await.unwrap();
    desk.refused_with(
        &response,
        401,
        "invalid_token",
        "Unable to get application by token",
    );
    assert_eq!(desk.last_entry().auth, AuthKind::Application);

    assert!(desk.sandbox.expire_token(demo::ACCESS_TOKEN) && !desk.sandbox.expire_token("unknown"));
    let response = Desk::send(call(demo::ACCESS_TOKEN)).await.unwrap();
    desk.refused_with(
        &response,
        401,
        "expired_token",
        "The access token provided has expired",
    );

    desk.sandbox.alter(demo::HOST, |portal| {
        portal.tokens[0].state = TokenState::UserNotAllowed
    });
    let response = Desk::send(call(demo::ACCESS_TOKEN)).await.unwrap();
    let text = "The user does not have access to the application";
    desk.refused_with(&response, 403, "user_access_error", text);

    desk.sandbox.alter(demo::HOST, |portal| {
        portal.tokens[0].state = TokenState::Valid;
        portal.tokens[0].user_id = demo::DISMISSED;
    });
    let response = Desk::send(call(demo::ACCESS_TOKEN)).await.unwrap();
    desk.refused_with(
        &response,
        401,
        "authorization_error",
        "Unable to authorize user",
    );

    for path in ["/rest/1/wrong", "/rest/2/sandboxwebhook01"] {
        let response = Desk::send(desk.post_json(&format!("{path}/{CRM}"), &crm_call()))
            .await
            .unwrap();
        desk.refused_with(
            &response,
            401,
            "INVALID_CREDENTIALS",
            "Invalid request credentials",
        );
        assert_eq!(desk.last_entry().auth, AuthKind::Webhook);
    }
    assert_eq!(desk.sandbox.record().executed(), 0);
}

#[tokio::test]
async fn a_missing_scope_is_named_after_the_kind_of_credential() {
    let desk = Desk::open().await;
    desk.sandbox.alter(demo::HOST, |portal| {
        portal.webhooks[0].scopes = vec!["crm".to_owned()];
        portal.tokens[0].scopes = vec![];
    });
    let text =
        |kind| format!("The request requires higher privileges than provided by the {kind} token");
    for method in [CONNECTOR, CRM, NETWORK] {
        let response = desk.as_webhook(method, json!({})).await;
        desk.refused_with(&response, 401, "insufficient_scope", &text("webhook"));
        let response = desk.as_application(method, json!({})).await;
        desk.refused_with(&response, 401, "insufficient_scope", &text("access"));
    }
}

#[tokio::test]
async fn statuses_follow_the_documented_table_when_asked() {
    let desk = Desk::open().await;
    desk.sandbox
        .switch(|switches| switches.status_table = StatusTable::Documented);
    let path = format!("/rest/1/wrong/{CRM}");
    let response = Desk::send(desk.post_json(&path, &crm_call()))
        .await
        .unwrap();
    desk.refused_with(
        &response,
        403,
        "INVALID_CREDENTIALS",
        "Invalid request credentials",
    );
}

#[tokio::test]
async fn plain_http_is_refused_when_https_is_required() {
    let desk = Desk::open().await;
    desk.sandbox
        .switch(|switches| switches.https_required = true);
    let response = desk.as_webhook(CRM, crm_call()).await;
    desk.refused_with(&response, 400, "INVALID_REQUEST", "Https required");
}

#[tokio::test]
async fn several_portals_are_told_apart_by_host_name_or_by_listener() {
    let other = Portal {
        host: "other.bitrix24.test".to_owned(),
        ..Portal::demo()
    };
    let desk = Desk::with(vec![Portal::demo(), other]).await;
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let own = desk
        .sandbox
        .listen(listener, "other.bitrix24.test")
        .unwrap();

    let by_host = desk
        .post_json(&webhook(CRM), &crm_call())
        .header("host", "Other.bitrix24.test:80");
    Desk::send(by_host).await.unwrap().result();
    assert_eq!(desk.last_entry().portal, "other.bitrix24.test");
    desk.as_webhook(CRM, crm_call()).await.result();
    assert_eq!(desk.last_entry().portal, demo::HOST);
    let request = desk.client.post(format!("http://{own}{}", webhook(CRM)));
    let request = request
        .header("content-type", "application/json")
        .body(crm_call().to_string());
    Desk::send(request).await.unwrap().result();
    assert_eq!(desk.last_entry().portal, "other.bitrix24.test");
}

#[tokio::test]
async fn secrets_show_neither_in_the_record_nor_in_debug() {
    let desk = Desk::open().await;
    desk.as_webhook(CRM, crm_call()).await;
    desk.as_application(CONNECTOR, connector_call(&[message("u", "m", "t")]))
        .await;
    Desk::send(desk.post_json("/rest/1/wrongsecret/x", &json!({"auth": "othersecret"})))
        .await
        .unwrap();
    let shown = format!(
        "{:?} {} {:?}",
        desk.sandbox,
        serde_json::to_string(&desk.sandbox.record()).unwrap(),
        Portal::demo(),
    );
    for secret in [
        demo::WEBHOOK_SECRET,
        demo::ACCESS_TOKEN,
        demo::SESSION,
        "wrongsecret",
        "othersecret",
    ] {
        assert!(!shown.contains(secret), "{secret}");
    }
}

#[tokio::test]
async fn stopping_does_not_wait_for_requests_that_hang() {
    let desk = Desk::open().await;
    desk.sandbox
        .inject(Fault::once(FaultKind::Silence(Moment::After)));
    desk.sandbox.inject(Fault::once(FaultKind::Slow(
        Moment::Before,
        Duration::from_hours(1),
    )));
    let hanging = [1, 2].map(|_| tokio::spawn(desk.post_json(&webhook(CRM), &crm_call()).send()));
    while desk.sandbox.record().entries.len() < hanging.len() {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    tokio::time::timeout(Duration::from_secs(20), desk.sandbox.shutdown())
        .await
        .unwrap();
    for request in hanging {
        assert!(request.await.unwrap().is_err());
    }
}

#[tokio::test]
async fn the_portal_stops_when_told_to() {
    let desk = Desk::open().await;
    desk.as_webhook(CRM, crm_call()).await.result();
    let (address, client) = (desk.sandbox.address(), desk.client);
    desk.sandbox.shutdown().await;
    assert!(
        client
            .get(format!("http://{address}/"))
            .send()
            .await
            .is_err()
    );
}

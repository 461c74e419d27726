//! The page for people, and what it shows of a portal.

use reqwest::Method;
use sandbox::{Intensity, Limits, Portal, demo};
use serde_json::{Value, json};

use crate::desk::*;

fn with_limits(limits: Limits) -> Vec<Portal> {
    vec![Portal {
        limits,
        ..Portal::demo()
    }]
}

#[tokio::test]
async fn the_page_is_one_document_that_only_its_own_script_and_style_may_change() {
    let desk = Desk::open().await;
    let page = desk.client.get(desk.url("/sandbox/")).send().await.unwrap();
    assert_eq!(page.status(), 200);
    let header = |name: &str| page.headers()[name].to_str().unwrap().to_owned();
    assert_eq!(header("content-type"), "text/html; charset=utf-8");
    assert_eq!(header("x-content-type-options"), "nosniff");
    let policy = header("content-security-policy");
    for part in [
        "default-src 'none';",
        "script-src 'sha256-",
        "style-src 'sha256-",
        "frame-ancestors 'none'",
    ] {
        assert!(policy.contains(part), "{policy}");
    }
    assert!(!policy.contains("unsafe"), "{policy}");
    assert!(
        page.text()
            .await
            .unwrap()
            .contains("a simulated Bitrix24 portal")
    );

    let typed = Desk::send(desk.client.get(desk.url("/sandbox")))
        .await
        .unwrap();
    assert_eq!(
        (typed.status, typed.location.as_deref()),
        (302, Some("/sandbox/"))
    );
    let posted = Desk::send(desk.client.post(desk.url("/sandbox/")))
        .await
        .unwrap();
    assert_eq!(posted.status, 405);
    assert!(desk.sandbox.record().entries.is_empty());
}

#[tokio::test]
async fn a_page_of_another_site_cannot_use_the_controls() {
    let desk = Desk::open().await;
    for (site, status) in [
        ("cross-site", 403),
        ("same-site", 403),
        ("same-origin", 200),
        ("none", 200),
    ] {
        let request = desk
            .client
            .request(Method::DELETE, desk.url("/sandbox/record"));
        let response = Desk::send(request.header("sec-fetch-site", site))
            .await
            .unwrap();
        assert_eq!(response.status, status, "{site}");
    }
    let link = desk
        .client
        .get(desk.url("/sandbox/"))
        .header("sec-fetch-site", "cross-site");
    assert_eq!(Desk::send(link).await.unwrap().status, 200);
}

#[tokio::test]
async fn requests_are_shown_with_their_answers_and_without_secrets() {
    let desk = Desk::open().await;
    desk.as_webhook(CRM, crm_call()).await.result();
    desk.as_application("profile", json!({})).await.result();
    let form = format!(
        "grant_type=refresh_token&client_id={}&client_secret={}&refresh_token={}",
        demo::CLIENT_ID,
        demo::CLIENT_SECRET,
        demo::REFRESH_TOKEN
    );
    let granted = Desk::send(desk.post_form("/oauth/token/", &form))
        .await
        .unwrap()
        .json();
    let cmd = json!({"cmd": {"one": format!("profile?auth={}", demo::ACCESS_TOKEN)}});
    desk.as_webhook("batch", cmd).await.result();
    desk.post("/sandbox/faults", json!({"fault": "close_after"}))
        .await;
    desk.try_webhook(CRM, &crm_call()).await.unwrap_err();
    let view = desk.get("/sandbox/requests").await;
    let requests = view["requests"].as_array().unwrap();
    assert_eq!(requests.len(), 5);
    assert_eq!((&view["last"], &view["left_out"]), (&json!(5), &json!(0)));

    let first = &requests[0];
    assert_eq!(
        first["sent"]["target"],
        json!(format!("/rest/1/sand…/{CRM}"))
    );
    assert_eq!(first["messages"], json!(1));
    let body: Value = serde_json::from_str(first["sent"]["body"].as_str().unwrap()).unwrap();
    assert_eq!(body["MESSAGE"], "Message text");
    assert!(
        first["answer"]["body"]
            .as_str()
            .unwrap()
            .contains("\"result\":")
    );
    assert!(first["answer"]["took_ms"].is_number());
    assert_eq!(requests[4]["answer"]["ending"], "close");
    assert_eq!(requests[4]["fault"], "close_after");

    let shown = view.to_string();
    let granted =
        ["access_token", "refresh_token"].map(|name| granted[name].as_str().unwrap().to_owned());
    let public = [
        demo::WEBHOOK_SECRET,
        demo::ACCESS_TOKEN,
        demo::CLIENT_SECRET,
        demo::REFRESH_TOKEN,
    ];
    for secret in granted.iter().map(String::as_str).chain(public) {
        assert!(!shown.contains(secret), "{secret} in {shown}");
    }

    let since = desk.get("/sandbox/requests?since=3").await;
    let sequences: Vec<u64> = since["requests"]
        .as_array()
        .unwrap()
        .iter()
        .map(|r| r["sequence"].as_u64().unwrap())
        .collect();
    assert_eq!(sequences, [4, 5]);
    assert_eq!(
        desk.get("/sandbox/requests?since=5").await["requests"],
        json!([])
    );
    assert_eq!(
        desk.get("/sandbox/requests?since=500").await["requests"],
        json!([])
    );
}

#[tokio::test]
async fn chats_have_the_messages_as_the_portal_took_them() {
    let desk = Desk::open().await;
    let call = connector_call(&[json!({
        "user": {"id": "customer", "name": "Ada", "last_name": "Lovelace"},
        "message": {"id": "m1", "text": "[B]Hello[/B]", "files": [{"url": "https://example.com/a.png", "name": "a.png"}]},
        "chat": {"id": "channel"},
    })]);
    desk.as_application(CONNECTOR, call).await.result();
    desk.as_webhook(CRM, crm_call()).await.result();
    let attach = json!([{"MESSAGE": "[B]x[/B]"}]);
    let keyboard = json!([{"TEXT": "Open", "LINK": "https://example.com/"}]);
    let call = json!({"CODE": demo::NETWORK_CODE, "USER_ID": demo::OUTSIDER, "MESSAGE": "<b>text</b>", "ATTACH": attach, "KEYBOARD": keyboard});
    desk.as_webhook(NETWORK, call).await.result();
    desk.as_webhook(CRM, crm_call()).await.result();

    let chats = desk.get("/sandbox/chats").await["chats"].clone();
    let kinds: Vec<&str> = chats
        .as_array()
        .unwrap()
        .iter()
        .map(|chat| chat["kind"].as_str().unwrap())
        .collect();
    assert_eq!(kinds, ["connector", "network", "crm"]);
    let message = &chats[0]["messages"][0];
    assert_eq!(
        (&message["author"], &message["from"]),
        (&json!("Ada Lovelace"), &json!("customer"))
    );
    assert_eq!(
        (&message["text"], &message["id"]),
        (&json!("[B]Hello[/B]"), &json!("1.0"))
    );
    assert_eq!(
        message["files"],
        json!([{"name": "a.png", "url": "https://example.com/a.png"}])
    );
    let message = &chats[1]["messages"][0];
    assert_eq!(
        (&message["attach"], &message["keyboard"]),
        (&attach, &keyboard)
    );
    assert_eq!(message["text"], "<b>text</b>");
    assert_eq!(chats[2]["messages"].as_array().unwrap().len(), 2);

    desk.sandbox.clear_record();
    assert_eq!(desk.get("/sandbox/chats").await["chats"], json!([]));
    assert_eq!(desk.get("/sandbox/requests").await["requests"], json!([]));
}

#[tokio::test]
async fn a_long_text_is_shown_to_its_twenty_thousandth_character() {
    let desk = Desk::open().await;
    desk.sandbox.switch(|switches| switches.text_limit = None);
    let mut call = crm_call();
    call["MESSAGE"] = json!("я".repeat(20_005));
    desk.as_webhook(CRM, call).await.result();
    let message = desk.get("/sandbox/chats").await["chats"][0]["messages"][0].clone();
    assert_eq!(message["text"].as_str().unwrap().chars().count(), 20_000);
    assert_eq!(message["text_left_out"], json!(5));
}

#[tokio::test]
async fn lines_and_limits_are_shown_as_they_are() {
    let limits = Limits {
        intensity: Some(Intensity {
            burst: 2,
            drain_per_second: 0.0,
        }),
        operating_limit_seconds: Some(10.0),
        operating_seconds_per_call: Some(4.0),
        ..Limits::default()
    };
    let desk = Desk::with(with_limits(limits)).await;
    let call = json!({"CODE": demo::NETWORK_CODE, "USER_ID": demo::OUTSIDER, "MESSAGE": "x"});
    desk.as_webhook(NETWORK, call).await.result();
    desk.as_webhook(CRM, crm_call()).await.result();
    assert_eq!(desk.as_webhook(CRM, crm_call()).await.status, 503);

    let view = desk.get("/sandbox/buckets").await;
    assert_eq!(view["limits"]["intensity"]["burst"], json!(2));
    assert_eq!(
        (&view["buckets"][0]["of"], &view["buckets"][0]["level"]),
        (&json!("all requests"), &json!(2.0))
    );
    let operating: Vec<_> = view["operating"]
        .as_array()
        .unwrap()
        .iter()
        .map(|row| {
            (
                row["method"].as_str().unwrap(),
                row["seconds"].as_f64(),
                row["caller"].as_str().unwrap(),
            )
        })
        .collect();
    assert_eq!(
        operating,
        [
            (CRM, Some(4.0), "webhook of user 1"),
            (NETWORK, Some(4.0), "webhook of user 1")
        ]
    );
    assert_eq!(
        view["network_messages"][0]["user_id"],
        json!(demo::OUTSIDER)
    );

    let view = desk.get("/sandbox/lines").await;
    assert_eq!(
        view["lines"][0],
        json!({"id": 107, "active": true, "connectors": ["myconnector"]})
    );
    assert_eq!(view["lines"][1]["active"], json!(false));
    assert_eq!(view["crm_chats"][0]["items"], json!(["lead 1195"]));
}

#[tokio::test]
async fn a_view_is_of_the_portal_that_its_query_names() {
    let other = Portal::empty("other.bitrix24.test");
    let desk = Desk::with(vec![Portal::demo(), other]).await;
    desk.as_webhook(CRM, crm_call()).await.result();
    for view in ["requests", "chats"] {
        let of_other = desk
            .get(&format!("/sandbox/{view}?portal=other.bitrix24.test"))
            .await;
        assert_eq!(of_other[view], json!([]));
        assert_eq!(
            desk.get(&format!("/sandbox/{view}?portal={}", demo::HOST))
                .await[view]
                .as_array()
                .unwrap()
                .len(),
            1
        );
    }
    for (path, field) in [
        ("chats?portal=nowhere", "portal"),
        ("chats?since=1", "since"),
        ("requests?since=x", "since"),
        ("lines?x=1", "x"),
        ("watch?portal=nowhere", "portal"),
    ] {
        let response = Desk::send(desk.client.get(desk.url(&format!("/sandbox/{path}"))))
            .await
            .unwrap();
        assert_eq!(
            (response.status, response.json()["field"].as_str()),
            (400, Some(field)),
            "{path}"
        );
    }
    for path in ["requests", "chats", "lines", "buckets", "watch"] {
        assert_eq!(
            desk.post(&format!("/sandbox/{path}"), json!({})).await.0,
            405,
            "{path}"
        );
    }
}

#[tokio::test]
async fn one_fault_can_be_removed_by_its_id() {
    let desk = Desk::open().await;
    for fault in ["junk", "null", "array"] {
        desk.post("/sandbox/faults", json!({"fault": fault})).await;
    }
    let remove = |id: u64| {
        desk.client
            .delete(desk.url("/sandbox/faults"))
            .body(json!({"id": id}).to_string())
    };
    let left = Desk::send(remove(2)).await.unwrap().json();
    let names: Vec<&str> = left["faults"]
        .as_array()
        .unwrap()
        .iter()
        .map(|fault| fault["fault"].as_str().unwrap())
        .collect();
    assert_eq!(names, ["junk", "array"]);
    let again = Desk::send(remove(2)).await.unwrap();
    assert_eq!(
        (again.status, again.json()["field"].as_str()),
        (400, Some("id"))
    );
}

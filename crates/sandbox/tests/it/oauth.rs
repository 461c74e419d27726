//! The authorization server: grants, rotation, errors, faults, and the use of its tokens.

use std::time::Duration;

use sandbox::{
    AuthKind, Fault, FaultKind, Moment, OAuthError, Portal, RefreshRotation, ReplacedToken, demo,
};
use secrecy::ExposeSecret;
use serde_json::{Value, json};

use crate::desk::*;

const TOKENS: &str = "/oauth/token/";

fn refresh_with(token: &str) -> Vec<(&'static str, String)> {
    vec![
        ("grant_type", "refresh_token".to_owned()),
        ("client_id", demo::CLIENT_ID.to_owned()),
        ("client_secret", demo::CLIENT_SECRET.to_owned()),
        ("refresh_token", token.to_owned()),
    ]
}

fn form(fields: &[(&str, String)]) -> String {
    let pairs: Vec<String> = fields
        .iter()
        .map(|(name, value)| format!("{name}={value}"))
        .collect();
    pairs.join("&")
}

impl Desk {
    async fn tokens(&self, fields: &[(&str, String)]) -> Response {
        Self::send(self.post_form(TOKENS, &form(fields)))
            .await
            .unwrap()
    }

    async fn call_with(&self, token: &str) -> Response {
        let path = format!("/rest/{CRM}?auth={token}");
        Self::send(self.post_json(&path, &crm_call()))
            .await
            .unwrap()
    }
}

fn text(document: &Value, field: &str) -> String {
    document[field].as_str().unwrap().to_owned()
}

#[tokio::test]
async fn a_refresh_gives_a_new_pair_that_opens_the_portal_for_an_hour() {
    let desk = Desk::open().await;
    let response = desk.tokens(&refresh_with(demo::REFRESH_TOKEN)).await;
    assert_eq!(response.status, 200);
    let pair = response.json();
    let address = desk.sandbox.address();
    let endpoint = format!("http://{address}/rest/");
    assert_eq!(
        pair,
        json!({
            "access_token": pair["access_token"], "refresh_token": pair["refresh_token"],
            "expires": desk.sandbox.now().as_second() + 3600, "expires_in": 3600,
            "scope": "imopenlines,imconnector,im,crm", "status": "L", "user_id": 1,
            "domain": address.to_string(), "server_endpoint": endpoint, "client_endpoint": endpoint,
            "member_id": pair["member_id"],
        })
    );
    assert_eq!(text(&pair, "member_id").len(), 32);
    let entry = desk.last_entry();
    assert_eq!(
        (
            entry.method.as_str(),
            entry.auth,
            entry.grant.as_deref(),
            entry.executed
        ),
        ("oauth.token", AuthKind::Client, Some("refresh_token"), true)
    );
    assert_eq!(desk.sandbox.record().refreshes(), 1);

    let token = text(&pair, "access_token");
    desk.call_with(&token).await.result();
    desk.sandbox.advance_clock(Duration::from_mins(59));
    desk.call_with(&token).await.result();
    desk.sandbox.advance_clock(Duration::from_mins(2));
    assert_eq!(desk.call_with(&token).await.error().1, "expired_token");
    let again = desk
        .tokens(&refresh_with(&text(&pair, "refresh_token")))
        .await;
    desk.call_with(&text(&again.json(), "access_token"))
        .await
        .result();
}

#[tokio::test]
async fn a_refresh_can_be_asked_by_query_too() {
    let desk = Desk::open().await;
    let query = form(&refresh_with(demo::REFRESH_TOKEN));
    let request = desk.client.get(desk.url(&format!("/oauth/token/?{query}")));
    assert!(Desk::send(request).await.unwrap().json()["access_token"].is_string());
}

#[tokio::test]
async fn strict_rotation_ends_the_old_pair() {
    let desk = Desk::open().await;
    let first = desk.tokens(&refresh_with(demo::REFRESH_TOKEN)).await.json();
    let again = desk.tokens(&refresh_with(demo::REFRESH_TOKEN)).await;
    assert_eq!(
        (again.status, again.json()),
        (400, json!({"error": "invalid_grant"}))
    );
    // The pair of the definition, then one that was granted.
    assert_eq!(
        desk.call_with(demo::ACCESS_TOKEN).await.error().1,
        "expired_token"
    );
    desk.tokens(&refresh_with(&text(&first, "refresh_token")))
        .await;
    let replaced = text(&first, "access_token");
    assert_eq!(desk.call_with(&replaced).await.error().1, "expired_token");
    desk.sandbox
        .switch(|switches| switches.replaced_token = ReplacedToken::Invalid);
    assert_eq!(desk.call_with(&replaced).await.error().1, "invalid_token");
}

#[tokio::test]
async fn a_used_refresh_token_works_again_within_the_grace() {
    let desk = Desk::open().await;
    desk.sandbox
        .switch(|switches| switches.refresh_grace_seconds = 30);
    for _ in 0..2 {
        let response = desk.tokens(&refresh_with(demo::REFRESH_TOKEN)).await;
        assert!(response.json()["access_token"].is_string());
    }
    desk.sandbox.advance_clock(Duration::from_secs(31));
    let late = desk.tokens(&refresh_with(demo::REFRESH_TOKEN)).await;
    assert_eq!(late.json(), json!({"error": "invalid_grant"}));
}

#[tokio::test]
async fn lenient_rotation_leaves_the_old_pair() {
    let desk = Desk::open().await;
    desk.sandbox
        .switch(|switches| switches.refresh_rotation = RefreshRotation::Lenient);
    for _ in 0..2 {
        let pair = desk.tokens(&refresh_with(demo::REFRESH_TOKEN)).await.json();
        desk.call_with(&text(&pair, "access_token")).await.result();
    }
    desk.call_with(demo::ACCESS_TOKEN).await.result();
    // Until 180 days are over.
    desk.sandbox.advance_clock(Duration::from_hours(180 * 24));
    let late = desk.tokens(&refresh_with(demo::REFRESH_TOKEN)).await;
    assert_eq!(late.json(), json!({"error": "invalid_grant"}));
}

#[tokio::test]
async fn a_code_is_exchanged_once_within_half_a_minute() {
    let desk = Desk::open().await;
    let code = |desk: &Desk| {
        let code = desk
            .sandbox
            .authorize(demo::HOST, demo::CLIENT_ID, demo::MEMBER);
        let mut fields = refresh_with("");
        fields[0].1 = "authorization_code".to_owned();
        fields[3] = ("code", code.unwrap().expose_secret().to_owned());
        fields
    };
    let fields = code(&desk);
    let pair = desk.tokens(&fields).await.json();
    assert_eq!(pair["user_id"], json!(demo::MEMBER));
    desk.call_with(&text(&pair, "access_token")).await.result();
    let used = desk.tokens(&fields).await;
    assert_eq!(
        (used.status, used.json()),
        (400, json!({"error": "invalid_grant"}))
    );
    let fields = code(&desk);
    desk.sandbox.advance_clock(Duration::from_secs(30));
    assert_eq!(desk.tokens(&fields).await.status, 400);
}

#[tokio::test]
async fn each_wrong_request_has_its_own_error() {
    let desk = Desk::open().await;
    let good = refresh_with(demo::REFRESH_TOKEN);
    let changed = |name: &str, value: Option<&str>| {
        let mut fields = good.clone();
        fields.retain(|(known, _)| value.is_some() || *known != name);
        for field in &mut fields {
            if field.0 == name {
                field.1 = value.unwrap().to_owned();
            }
        }
        fields
    };
    let without = |name: &str| json!({"error": "invalid_request", "error_description": format!("No \"{name}\" parameter found")});
    for (name, value, status, document) in [
        (
            "client_id",
            Some("local.unknown.1"),
            200,
            json!({"error": "wrong_client"}),
        ),
        (
            "client_secret",
            Some("wrong"),
            400,
            json!({"error": "invalid_client"}),
        ),
        (
            "refresh_token",
            Some("wrong"),
            400,
            json!({"error": "invalid_grant"}),
        ),
        ("grant_type", Some("password"), 400, without("grant_type")),
        ("grant_type", None, 400, without("grant_type")),
        ("client_id", None, 400, without("client_id")),
        ("client_secret", None, 400, without("client_secret")),
        ("refresh_token", None, 400, without("refresh_token")),
    ] {
        let response = desk.tokens(&changed(name, value)).await;
        assert_eq!(
            (response.status, response.json()),
            (status, document),
            "{name} {value:?}"
        );
        assert!(!desk.last_entry().executed);
    }
    desk.sandbox.alter(demo::HOST, |portal| {
        portal.applications[0].installed = false
    });
    let response = desk.tokens(&good).await;
    assert_eq!(response.status, 401);
    assert_eq!(text(&response.json(), "error"), "NOT_INSTALLED");
    assert_eq!(
        desk.call_with(demo::ACCESS_TOKEN).await.error().1,
        "ERROR_OAUTH"
    );
}

#[tokio::test]
async fn faults_hit_the_authorization_server_only_when_they_name_it() {
    let desk = Desk::open().await;
    desk.sandbox
        .inject(Fault::always(FaultKind::Html(Moment::Before, 502)));
    for error in OAuthError::ALL {
        let fault = Fault::once(FaultKind::oauth_error(*error)).for_oauth();
        desk.sandbox.inject(fault);
        let response = desk.tokens(&refresh_with(demo::REFRESH_TOKEN)).await;
        assert_eq!(
            (response.status, text(&response.json(), "error")),
            (error.status, error.code.to_owned())
        );
        assert_eq!(desk.last_entry().error.as_deref(), Some(error.code));
    }
    let page = Fault::once(FaultKind::Html(Moment::Before, 404)).for_oauth();
    desk.sandbox.inject(page);
    assert_eq!(
        desk.tokens(&refresh_with(demo::REFRESH_TOKEN)).await.status,
        404
    );
    assert_eq!(desk.sandbox.record().refreshes(), 0);

    // The response is lost, the rotation is not undone.
    let lost = Fault::once(FaultKind::Close(Moment::After)).for_oauth();
    desk.sandbox.inject(lost);
    let request = desk.post_form(TOKENS, &form(&refresh_with(demo::REFRESH_TOKEN)));
    assert!(Desk::send(request).await.is_err());
    assert_eq!(desk.sandbox.record().refreshes(), 1);
    let again = desk.tokens(&refresh_with(demo::REFRESH_TOKEN)).await;
    assert_eq!(again.json(), json!({"error": "invalid_grant"}));
}

#[tokio::test]
async fn app_info_tells_the_application_of_a_token() {
    let desk = Desk::open().await;
    let ask = async |token: &str, host: &str| {
        let request = desk
            .client
            .get(desk.url(&format!("/rest/app.info?auth={token}")));
        Desk::send(request.header("host", host)).await.unwrap()
    };
    for host in [demo::HOST, "oauth.bitrix24.test"] {
        let info = ask(demo::ACCESS_TOKEN, host).await.result();
        assert_eq!(info["client_id"], json!(demo::CLIENT_ID));
        assert_eq!(info["install"]["installed"], json!(true));
        assert_eq!(text(&info["install"], "member_id").len(), 32);
        assert_eq!(info["user_id"], json!(1));
    }
    assert_eq!(ask("garbage", demo::HOST).await.error().1, "invalid_token");
    let unknown = ask("garbage", "oauth.bitrix24.test").await;
    assert_eq!(
        (unknown.status, unknown.json()),
        (400, json!({"error": "invalid_client"}))
    );
    assert_eq!(
        desk.as_webhook("app.info", json!({})).await.error().1,
        "WRONG_AUTH_TYPE"
    );
}

#[tokio::test]
async fn tokens_of_several_portals_lead_to_their_own() {
    let mut other = Portal {
        host: "other.bitrix24.test".to_owned(),
        ..Portal::demo()
    };
    other.member_id = "f".repeat(32);
    other.applications[0].grants[0].refresh_token = "other-refresh".into();
    let desk = Desk::with(vec![Portal::demo(), other]).await;
    let pair = desk.tokens(&refresh_with("other-refresh")).await.json();
    assert_eq!(text(&pair, "member_id"), "f".repeat(32));
    let port = desk.sandbox.address().port();
    assert_eq!(
        text(&pair, "client_endpoint"),
        format!("http://other.bitrix24.test:{port}/rest/")
    );
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let own = desk
        .sandbox
        .listen(listener, "other.bitrix24.test")
        .unwrap();
    let pair = desk
        .tokens(&refresh_with(&text(&pair, "refresh_token")))
        .await
        .json();
    assert_eq!(
        text(&pair, "client_endpoint"),
        format!("http://{own}/rest/")
    );
    assert_eq!(desk.last_entry().portal, "other.bitrix24.test");
}

#[tokio::test]
async fn the_controls_make_codes_and_pairs_and_take_them_back() {
    let desk = Desk::open().await;
    let post = async |path: &str, body: Value| {
        let request = desk.client.post(desk.url(&format!("/sandbox/oauth{path}")));
        Desk::send(request.body(body.to_string())).await.unwrap()
    };
    let code = post(
        "/codes",
        json!({"client_id": demo::CLIENT_ID, "user_id": 27}),
    )
    .await
    .json();
    assert_eq!(code["expires_in"], json!(30));
    let mut fields = refresh_with("");
    fields[0].1 = "authorization_code".to_owned();
    fields[3] = ("code", text(&code, "code"));
    assert_eq!(desk.tokens(&fields).await.json()["user_id"], json!(27));

    let pair = post("/grants", json!({"client_id": demo::CLIENT_ID}))
        .await
        .json();
    let token = text(&pair, "access_token");
    desk.call_with(&token).await.result();
    let listed = Desk::send(desk.client.get(desk.url("/sandbox/oauth")))
        .await
        .unwrap()
        .json();
    assert_eq!(listed["applications"][0]["current_pairs"], json!(3));
    assert_eq!(
        post("/revocations", json!({"token": token})).await.json(),
        json!({"revoked": 1})
    );
    assert_eq!(desk.call_with(&token).await.error().1, "invalid_token");
    let all = post("/revocations", json!({"client_id": demo::CLIENT_ID}))
        .await
        .json();
    assert_eq!(all, json!({"revoked": 2}));
    for (path, body, field) in [
        ("/codes", json!({"client_id": "x"}), "client_id"),
        (
            "/grants",
            json!({"client_id": demo::CLIENT_ID, "user": 1}),
            "user",
        ),
        ("/revocations", json!({}), "token"),
    ] {
        let response = post(path, body).await;
        assert_eq!(
            (response.status, text(&response.json(), "field")),
            (400, field.to_owned())
        );
    }
}

#[tokio::test]
async fn the_header_bearer_can_be_switched_off() {
    let desk = Desk::open().await;
    desk.sandbox.switch(|switches| switches.bearer = false);
    let request = desk.post_json(&format!("/rest/{CRM}"), &crm_call());
    let response = Desk::send(request.bearer_auth(demo::ACCESS_TOKEN))
        .await
        .unwrap();
    assert_eq!(response.error().1, "NO_AUTH_FOUND");
}

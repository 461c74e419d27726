//! Responses that no documented server sends, from a scripted one.

use super::*;

/// A document of the token address with one field replaced, or removed for an empty value.
fn document(field: &str, value: &str) -> String {
    let mut document = serde_json::json!({
        "access_token": "a", "refresh_token": "r", "expires_in": 3600, "member_id": "b1",
        "scope": "crm im", "client_endpoint": "https://New.bitrix24.com/rest/",
        "server_endpoint": "https://oauth.bitrix.info/rest/", "domain": "oauth.bitrix.info",
    });
    let fields = document.as_object_mut().unwrap();
    fields.remove(field);
    if !value.is_empty() {
        fields.insert(field.to_owned(), serde_json::from_str(value).unwrap());
    }
    document.to_string()
}

#[tokio::test]
async fn a_response_is_read_without_checking_its_portal() {
    let answered = async |field: &str, value: &str| {
        let portal = ScriptedPortal::answering(&document(field, value)).await;
        refresh_canary(portal.address, PATIENCE).await
    };
    let tokens = answered("expires_in", r#""1800""#).await.unwrap();
    assert_eq!(tokens.expires_in, Duration::from_secs(1800));
    assert_eq!(tokens.scopes, ["crm", "im"]);
    assert_eq!(tokens.portal.as_deref(), Some("new.bitrix24.com"));
    assert_eq!(
        tokens.authorization_server.as_deref(),
        Some("oauth.bitrix.info")
    );
    assert_eq!(tokens.member_id.unwrap().as_str(), "b1");
    let tokens = answered("expires_in", "").await.unwrap();
    assert_eq!(tokens.expires_in, Duration::from_secs(3600));
    // The caller checks for foreign and invalid portals.
    let tokens = answered("member_id", r#""foreign""#).await.unwrap();
    assert_eq!(tokens.member_id.unwrap().as_str(), "foreign");
    let tokens = answered("client_endpoint", r#""https://evil.example/rest/""#)
        .await
        .unwrap();
    assert_eq!(tokens.portal.as_deref(), Some("evil.example"));
    let tokens = answered("client_endpoint", r#""ftp://x/""#).await.unwrap();
    assert_eq!(tokens.portal, None);
    for (field, value) in [
        ("refresh_token", ""),
        ("access_token", ""),
        ("refresh_token", r#""""#),
        ("refresh_token", "null"),
        ("refresh_token", "{}"),
    ] {
        let lost = answered(field, value).await.unwrap_err();
        let expected = Unanswered::NoResult { http_status: 200 };
        assert_eq!(lost, OAuthError::Unanswered(expected), "{field} {value}");
    }
}

#[tokio::test]
async fn only_json_with_an_error_below_500_is_a_refusal() {
    let answered = async |status: u16, headers: &str, body: &str| {
        let portal = ScriptedPortal::with_status(status, headers, body).await;
        refresh_canary(portal.address, PATIENCE).await.unwrap_err()
    };
    for (status, body) in [
        (200, r#"{"error":""}"#),
        (400, r#"{"error":"x"}"#),
        (404, r#"{"error":7}"#),
    ] {
        let told = answered(status, "", body).await;
        assert!(
            matches!(told, OAuthError::Refused(_)),
            "{status} {body}: {told:?}"
        );
    }
    let http_status = 503;
    for (told, expected) in [
        (
            answered(503, "", r#"{"error":"invalid_grant"}"#).await,
            Unanswered::ServerFailed { http_status },
        ),
        (
            answered(503, "", &document("", "")).await,
            Unanswered::ServerFailed { http_status },
        ),
        (
            answered(400, "", &document("", "")).await,
            Unanswered::NoResult { http_status: 400 },
        ),
        (
            answered(200, "", "[]").await,
            Unanswered::NoResult { http_status: 200 },
        ),
        (
            answered(200, "", r#"{"error":"#).await,
            Unanswered::CutOff { http_status: 200 },
        ),
        (
            answered(200, "", " ").await,
            Unanswered::Empty { http_status: 200 },
        ),
        (
            answered(200, "", &"[".repeat(200_000)).await,
            Unanswered::Oversized {
                http_status: 200,
                limit_bytes: 100_000,
            },
        ),
    ] {
        assert_eq!(told, OAuthError::Unanswered(expected));
    }
}

#[tokio::test]
async fn a_redirect_is_not_followed_and_no_secret_is_sent_to_it() {
    let target = ScriptedPortal::answering(&document("", "")).await;
    let location = format!("location: http://{}/oauth/token/\r\n", target.address);
    for status in [301, 302, 303, 307, 308] {
        let portal = ScriptedPortal::with_status(status, &location, r#"{"error":"x"}"#).await;
        let told = refresh_canary(portal.address, PATIENCE).await.unwrap_err();
        let expected = Unanswered::NoResult {
            http_status: status,
        };
        assert_eq!(told, OAuthError::Unanswered(expected));
    }
    assert!(target.is_untouched());
}

#[tokio::test]
async fn secrets_are_sent_in_the_body_only() {
    let portal = ScriptedPortal::answering(&document("", "")).await;
    refresh_canary(portal.address, PATIENCE).await.unwrap();
    let request = portal.only_request();
    assert_eq!(request.request_line(), "POST /oauth/token/ HTTP/1.1");
    assert!(!request.head.contains(CANARY), "{}", request.head);
    assert_eq!(
        request.header("content-type"),
        Some("application/x-www-form-urlencoded")
    );
    assert_eq!(
        request.body,
        format!(
            "grant_type=refresh_token&client_id=local.1a.1&client_secret={CANARY}&refresh_token={CANARY}"
        )
    );
    portal.forget();
    let _ = info(portal.address, CANARY, PATIENCE).await;
    let request = portal.only_request();
    assert_eq!(request.request_line(), "POST /rest/app.info HTTP/1.1");
    assert!(!request.head.contains(CANARY), "{}", request.head);
    assert_eq!(request.body, format!("auth={CANARY}"));
}

#[tokio::test]
async fn a_secret_that_the_server_echoes_is_taken_out_of_the_refusal() {
    let echo = format!(
        r#"{{"error":"no {CANARY}","error_description":"{CANARY}\n is unknown: {}"}}"#,
        "x".repeat(1000)
    );
    let portal = ScriptedPortal::with_status(400, "", &echo).await;
    let told = refresh_canary(portal.address, PATIENCE).await.unwrap_err();
    let OAuthError::Refused(refusal) = told else {
        panic!("{told:?}");
    };
    assert_eq!(refusal.code, "no [redacted]");
    assert!(
        refusal.description.starts_with("[redacted]  is unknown"),
        "{}",
        refusal.description
    );
    assert_eq!(refusal.description.chars().count(), 500);
}

#[tokio::test]
async fn a_description_of_a_token_may_be_partial() {
    for (body, portal) in [
        (
            r#"{"result":{"install":{"domain":"Acme.bitrix24.com"}}}"#,
            Some("acme.bitrix24.com"),
        ),
        (r#"{"result":{"install":[],"client_id":"no id"}}"#, None),
    ] {
        let scripted = ScriptedPortal::answering(body).await;
        let told = info(scripted.address, CANARY, PATIENCE).await.unwrap();
        assert_eq!(told.portal.as_deref(), portal);
        assert_eq!(
            (told.client_id, told.member_id, told.installed),
            (None, None, None)
        );
    }
    for body in ["{}", r#"{"result":[]}"#, r#"{"result":null}"#] {
        let scripted = ScriptedPortal::answering(body).await;
        let told = info(scripted.address, CANARY, PATIENCE).await.unwrap_err();
        assert_eq!(
            told,
            OAuthError::Unanswered(Unanswered::NoResult { http_status: 200 })
        );
    }
}

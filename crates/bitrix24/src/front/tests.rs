//! Responses of servers in front of a portal.

use std::time::Duration;

use super::*;
use crate::answer::Answer;
use crate::echo::Sent;
use crate::front_refusal::FrontCause;
use crate::outcome::Outcome;

const PAGE: &str = "<html><h1>Sorry</h1></html>";
const WAIT: Duration = Duration::from_secs(30);

fn judged(http_status: u16, body: &str, retry_after: Option<Duration>) -> CallError {
    let body = body.as_bytes().to_vec();
    let response = HttpResponse::new(http_status, None, body, Sent::default());
    Answer::read(&response.with_retry_after(retry_after)).unwrap_err()
}

#[test]
fn a_limit_is_one_whatever_its_body() {
    for body in [
        PAGE,
        "",
        "Too Many Requests",
        "429",
        "{}",
        r#"{"message":"slow"}"#,
    ] {
        let error = judged(429, body, Some(WAIT));
        let expected = CallError::Limited {
            http_status: 429,
            retry_after: Some(WAIT),
        };
        assert_eq!(error, expected, "{body}");
        assert_eq!(error.outcome(), Outcome::NotExecuted);
        assert_eq!(error.pause(), Some(WAIT));
        assert!(error.is_rate_limit());
    }
}

#[test]
fn a_refusal_in_front_of_the_portal_has_a_cause() {
    for (http_status, cause) in [
        (400, FrontCause::Other),
        (401, FrontCause::Login),
        (403, FrontCause::Forbidden),
        (405, FrontCause::Other),
        (406, FrontCause::Other),
        (407, FrontCause::ProxyLogin),
        (413, FrontCause::TooLarge),
        (414, FrontCause::TooLarge),
        (431, FrontCause::TooLarge),
        (451, FrontCause::Legal),
        (495, FrontCause::Other),
    ] {
        let error = judged(http_status, PAGE, None);
        assert_eq!(error, FrontRefusal::new(http_status).into());
        assert_eq!(FrontRefusal::new(http_status).cause(), cause);
    }
}

#[test]
fn proxies_refuse_with_other_bodies_than_pages_too() {
    for body in [
        "",
        "RBAC: access denied",
        r#"{"message":"Forbidden"}"#,
        "[]",
        "null",
    ] {
        let error = judged(403, body, None);
        assert_eq!(error, FrontRefusal::new(403).into(), "{body}");
    }
}

#[test]
fn no_portal_is_where_the_address_is_not_known() {
    for (http_status, body) in [
        (404, PAGE),
        (404, "404"),
        (404, "404 page not found"),
        (410, PAGE),
        (421, PAGE),
        (403, "<html><body class=\"portal404\">"),
    ] {
        let error = judged(http_status, body, None);
        assert_eq!(error, CallError::NoPortal { http_status }, "{body}");
    }
}

#[test]
fn what_may_have_been_passed_on_is_unknown() {
    for (http_status, body) in [
        (408, PAGE),
        (460, PAGE),
        (499, PAGE),
        (502, PAGE),
        (503, PAGE),
        (504, PAGE),
        (200, PAGE),
        (404, ""),
        (404, "{}"),
        (400, ""),
        (403, r#"{"error"#),
        (400, r#"<b>Warning</b>: x {"error":"INTERNAL_SER"#),
        (403, r#"{"result":1}"#),
    ] {
        let error = judged(http_status, body, None);
        assert_eq!(error.outcome(), Outcome::Unknown, "{http_status} {body}");
    }
}

#[test]
fn a_server_that_asks_to_wait_may_have_passed_the_request_on() {
    for body in [PAGE, "", "{}"] {
        let error = judged(503, body, Some(WAIT));
        assert_eq!(error.outcome(), Outcome::Unknown, "{body}");
        assert_eq!(error.pause(), Some(WAIT), "{body}");
        assert!(!error.is_rate_limit());
    }
    assert_eq!(judged(502, PAGE, Some(WAIT)).pause(), None);
}

#[test]
fn a_code_of_bitrix24_with_a_wait_keeps_its_meaning() {
    let body = r#"{"error":"QUERY_LIMIT_EXCEEDED"}"#;
    let error = judged(503, body, Some(WAIT));
    assert_eq!(error.outcome(), Outcome::NotExecuted);
    assert!(error.is_rate_limit());
    assert_eq!(error.pause(), Some(WAIT));
}

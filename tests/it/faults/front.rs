//! Servers in front of the portal that answer in its place.

use http::{HeaderValue, header};
use sandbox::{Fault, FaultKind, Moment};
use tonic::Code;

use super::world;
use crate::support::Told;
use crate::support::conversations;
use crate::support::requests::crm_message;

/// The one place where the status can be wrong. A page with a 4xx status counts as a web server's
/// refusal in front of Bitrix24, but a server that inspects *responses* may refuse later.
#[tokio::test]
async fn a_page_with_a_client_error_is_taken_for_a_refusal_in_front_of_bitrix24() {
    let world = world().await;
    let mut client = world.client().await;
    for (status, code, reason) in [
        (401, Code::FailedPrecondition, "REFUSED_IN_FRONT_OF_PORTAL"),
        (403, Code::FailedPrecondition, "REFUSED_IN_FRONT_OF_PORTAL"),
        (404, Code::FailedPrecondition, "PORTAL_NOT_FOUND"),
        (413, Code::InvalidArgument, "TOO_LARGE_FOR_PORTAL"),
    ] {
        world
            .sandbox
            .inject(Fault::once(FaultKind::Html(Moment::Before, status)));
        let request = world.request(crm_message("page"));
        let told = client.send_crm_message(request).await.unwrap_err();
        assert_eq!(
            (told.code(), told.reason().as_str(), told.outcome().as_str()),
            (code, reason, "not_executed"),
            "{status}"
        );
    }
    assert_eq!(world.sandbox.record().times_delivered("page"), 0);
}

fn page_with_retry_after(status: u16, seconds: &'static str) -> Fault {
    Fault::once(FaultKind::Html(Moment::Before, status))
        .with_header(header::RETRY_AFTER, HeaderValue::from_static(seconds))
}

#[tokio::test]
async fn a_limit_in_front_of_the_portal_is_waited_for_and_the_call_delivered_once() {
    let world = world().await;
    world.sandbox.inject(page_with_retry_after(429, "1"));
    world.send(crm_message("limited")).await.unwrap();
    assert_eq!(world.sandbox.record().entries.len(), 2);
    assert_eq!(world.sandbox.record().times_delivered("limited"), 1);
}

#[tokio::test]
async fn a_portal_that_asks_to_wait_gets_no_call_meanwhile() {
    for (status, reason) in [(429, "PORTAL_RATE_LIMITED"), (503, "OUTCOME_UNKNOWN")] {
        let world = world().await;
        world.sandbox.inject(page_with_retry_after(status, "120"));
        let first = world.send(conversations::crm_message(1, "first")).await;
        assert_eq!(first.unwrap_err().reason(), reason);
        let second = world.send(conversations::crm_message(2, "second")).await;
        let second = second.unwrap_err();
        assert_eq!(
            (second.code(), second.reason().as_str()),
            (Code::ResourceExhausted, "WAIT_EXCEEDS_DEADLINE")
        );
        assert_eq!(world.sandbox.record().entries.len(), 1, "{status}");
    }
}

//! A portal that ends HTTP/2 requests and connections as the test says: the service sends again
//! what was not processed, once for each time, and nothing else.

use store::sealing::Key;
use tonic::Status;

use crate::support::deployment::Deployment;
use crate::support::http2_portal::{
    CANCEL, Http2Portal, INTERNAL_ERROR, NO_ERROR, REFUSED_STREAM, Reaction,
};
use crate::support::requests::crm_message;
use crate::support::{Fate, WEBHOOK, tenants};

/// Sends one message, and gives what the caller is told and how often the portal got it.
async fn send(script: &[Reaction]) -> (Result<(), Status>, usize) {
    let portal = Http2Portal::start(r#"{"result": 8441, "time": {}}"#, script).await;
    let store = tempfile::tempdir().unwrap();
    let url = format!("sqlite:{}", store.path().join("openlines.db").display());
    let tenants = tenants(portal.address).replace("http://", "https://");
    let deployment = Deployment::write(&url, &Key::generate().unwrap(), &tenants, "");
    let trusted = portal.certificate();
    let trusted = [("SSL_CERT_FILE", trusted.to_str().unwrap())];
    let mut service = deployment.start_in(&trusted).await;
    let mut message = crm_message("hello");
    message.tenant_id = WEBHOOK.to_owned();
    let told = service.client.send_crm_message(deployment.request(message));
    let told = told.await.map(|_| ());
    let bodies = portal.bodies();
    let messages = bodies.iter().filter(|body| body.contains("hello")).count();
    assert_eq!(messages, bodies.len(), "{bodies:?}");
    (told, messages)
}

#[tokio::test]
async fn a_request_that_was_not_processed_is_sent_again_once() {
    for reaction in [
        Reaction::GoAwayBelow(NO_ERROR),
        Reaction::GoAwayBelow(INTERNAL_ERROR),
    ] {
        let (told, requests) = send(&[reaction]).await;
        told.unwrap();
        assert_eq!(requests, 2, "{reaction:?}");
    }
}

#[tokio::test]
async fn each_end_before_the_request_is_followed_by_one_request() {
    let (told, requests) = send(&[Reaction::GoAwayBelow(NO_ERROR); 3]).await;
    told.unwrap();
    assert_eq!(requests, 4);
}

#[tokio::test]
async fn a_request_that_may_have_been_processed_is_not_sent_again() {
    for reaction in [
        Reaction::Reset(REFUSED_STREAM),
        Reaction::Reset(CANCEL),
        Reaction::GoAwayAndClose(NO_ERROR),
        Reaction::GoAwayAndClose(INTERNAL_ERROR),
        Reaction::GoAwayLaterAndClose,
        Reaction::Close,
    ] {
        let (told, requests) = send(&[reaction]).await;
        assert_eq!(Fate::of(&told), Fate::Unknown, "{reaction:?}: {told:?}");
        assert_eq!(requests, 1, "{reaction:?}");
    }
}

#[tokio::test]
async fn a_request_after_one_that_may_have_been_processed_is_not_sent_again_either() {
    let script = [Reaction::GoAwayBelow(NO_ERROR), Reaction::Reset(CANCEL)];
    let (told, requests) = send(&script).await;
    assert_eq!(Fate::of(&told), Fate::Unknown, "{told:?}");
    assert_eq!(requests, 2);
}

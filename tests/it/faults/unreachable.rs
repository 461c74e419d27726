//! Portals that cannot be reached, or that accept a connection and then say nothing.

use std::net::SocketAddr;
use std::time::Duration;

use sandbox::Fault;
use sandbox::{FaultKind, Moment};
use tokio::net::TcpListener;
use tonic::{Code, Status};

use crate::support::raw::{RawClient, SERVICE};
use crate::support::requests::crm_message;
use crate::support::{Service, Told, World, tenants, until};

/// An address at which nobody listens.
async fn closed_port() -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    listener.local_addr().unwrap()
}

/// Code, reason and outcome.
fn told(status: &Status) -> (Code, String, String) {
    (status.code(), status.reason(), status.outcome())
}

/// Sends one CRM message with the header `grpc-timeout`, through a client that keeps no deadline
/// itself.
async fn send(service: &Service, timeout: &str, text: &str) -> Status {
    let authorization = format!("Bearer {}", service.key.expose());
    let headers = [
        ("authorization", authorization.as_str()),
        ("grpc-timeout", timeout),
    ];
    let client = RawClient::connect(service.address).await;
    let path = format!("{SERVICE}/SendCrmMessage");
    client
        .call(&path, &headers, &crm_message(text))
        .await
        .status()
}

#[tokio::test]
async fn a_portal_that_refuses_connections_is_unavailable_and_the_call_may_be_repeated() {
    let service = Service::start(&[], &tenants(closed_port().await)).await;
    let request = service.request(crm_message("text"));
    let status = service
        .client()
        .await
        .send_crm_message(request)
        .await
        .unwrap_err();
    assert_eq!(
        told(&status),
        (
            Code::Unavailable,
            "PORTAL_UNREACHABLE".to_owned(),
            "not_executed".to_owned()
        )
    );
    assert_eq!(
        status.details_of().retry_info().unwrap().retry_delay,
        Some(Duration::from_secs(1))
    );
    assert_eq!(
        status.metadata().get("grpc-retry-pushback-ms").unwrap(),
        "1000"
    );
}

#[tokio::test]
async fn a_portal_whose_name_does_not_resolve_is_unavailable() {
    // The top-level domain `test` is reserved and has no names (RFC 6761).
    let tenants = "tenants:\n- {id: hook, portal: nobody.bitrix24.test, webhook: {user_id: 1, secret: {inline: abc}}}\n";
    let settings = [
        ("PORTALS_ALLOWED_SUFFIXES", "bitrix24.test"),
        ("PORTALS_CONNECT_TIMEOUT_SECONDS", "2"),
    ];
    let service = Service::start(&settings, tenants).await;
    let request = service.request(crm_message("text"));
    let status = service
        .client()
        .await
        .send_crm_message(request)
        .await
        .unwrap_err();
    assert_eq!(
        told(&status),
        (
            Code::Unavailable,
            "PORTAL_UNREACHABLE".to_owned(),
            "not_executed".to_owned()
        )
    );
}

#[tokio::test]
async fn a_portal_that_accepts_and_never_answers_leaves_the_outcome_unknown() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let service = Service::start(&[], &tenants(listener.local_addr().unwrap())).await;
    let (status, _accepted) = tokio::join!(send(&service, "500m", "text"), listener.accept());
    assert_eq!(
        told(&status),
        (
            Code::DeadlineExceeded,
            "OUTCOME_UNKNOWN".to_owned(),
            "unknown".to_owned()
        )
    );
}

#[tokio::test]
async fn a_deadline_that_has_all_but_passed_is_answered_before_anything_is_sent() {
    let world = World::start().await;
    for timeout in ["0m", "1n", "1u"] {
        assert_eq!(
            told(&send(&world.service, timeout, "text").await),
            (
                Code::DeadlineExceeded,
                "DEADLINE_BEFORE_SEND".to_owned(),
                "not_executed".to_owned()
            ),
            "{timeout}"
        );
    }
    assert_eq!(world.sandbox.record().entries, []);
}

/// Whatever the moment at which the time runs out: `not_executed` is said only of what was not
/// delivered.
#[tokio::test]
async fn a_deadline_at_any_moment_never_hides_a_delivery() {
    let world = World::start().await;
    let slow = FaultKind::Slow(Moment::After, Duration::from_millis(3));
    world.sandbox.inject(Fault::always(slow));
    let mut said_not_executed = Vec::new();
    for microseconds in (200..12_000).step_by(100) {
        let text = format!("within {microseconds} µs");
        let status = send(&world.service, &format!("{microseconds}u"), &text).await;
        match status.metadata_value("outcome").as_deref() {
            Some("not_executed") => said_not_executed.push(text),
            Some(other) => assert_eq!(other, "unknown", "{status:?}"),
            // An OK, or a status that says nothing.
            None => {}
        }
    }
    let is_done = || {
        let entries = world.sandbox.record().entries;
        entries.iter().all(|entry| entry.status.is_some())
    };
    until("the portal has worked off every request", is_done).await;
    let record = world.sandbox.record();
    for text in said_not_executed {
        assert_eq!(record.times_delivered(&text), 0, "{text}");
    }
    assert!(record.delivered_by_text().values().all(|count| *count == 1));
}

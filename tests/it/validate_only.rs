//! `validate_only`: calls that are checked and not sent.

use std::time::Duration;

use bitrix24_openlines::api::openlines::v1 as api;
use sandbox::{Fault, FaultKind, Gate, Moment, demo};
use tonic::{Code, Status};

use crate::support::admin::{free_address, until_queued};
use crate::support::requests::{
    connector_message, connector_messages, crm_message, network_message,
};
use crate::support::{Told as _, WEBHOOK, World, until};

/// A tenant whose portal takes a request at once, and then one every ten seconds.
const LIMITED: &str = "limited";

fn limited() -> String {
    format!(
        "- {{id: {LIMITED}, portal: 'http://PORTAL', plan: {{burst: 1, per_second: 0.1}}, \
         webhook: {{user_id: {user}, secret: {{inline: '{secret}'}}}}}}\n",
        user = demo::OWNER,
        secret = demo::WEBHOOK_SECRET,
    )
}

fn checked(message: api::SendCrmMessageRequest) -> api::SendCrmMessageRequest {
    api::SendCrmMessageRequest {
        validate_only: true,
        ..message
    }
}

/// What is expected of a call to a portal that has nothing to do.
fn at_once() -> Option<api::CallEstimate> {
    Some(api::CallEstimate {
        queue_duration: Some(prost_types::Duration::default()),
        ..Default::default()
    })
}

/// Code, reason, outcome and violations.
fn told(status: &Status) -> (Code, String, String, Vec<(String, String)>) {
    let (reason, outcome) = (status.reason(), status.outcome());
    (status.code(), reason, outcome, status.violations())
}

#[tokio::test]
async fn each_operation_is_checked_and_nothing_is_sent() {
    let world = World::start().await;
    let connector = api::SendConnectorMessagesRequest {
        validate_only: true,
        ..connector_messages(vec![connector_message("m", "text")])
    };
    let network = api::SendNetworkMessageRequest {
        validate_only: true,
        ..network_message("text")
    };
    let connector = world.send(connector).await.unwrap();
    let crm = world.send(checked(crm_message("text"))).await.unwrap();
    let network = world.send(network).await.unwrap();
    let expected = api::SendConnectorMessagesResponse {
        estimate: at_once(),
        ..Default::default()
    };
    assert_eq!(connector, expected);
    let expected = api::SendCrmMessageResponse {
        estimate: at_once(),
        ..Default::default()
    };
    assert_eq!(crm, expected);
    let expected = api::SendNetworkMessageResponse {
        estimate: at_once(),
        ..Default::default()
    };
    assert_eq!(network, expected);
    assert_eq!(world.sandbox.record().entries, []);
}

#[tokio::test]
async fn what_is_wrong_with_a_call_is_told_as_the_call_would_be_told() {
    let world = World::start().await;
    let broken = api::SendCrmMessageRequest {
        crm_entity_id: 0,
        request_id: "1".to_owned(),
        ..crm_message("")
    };
    let of_nobody = api::SendCrmMessageRequest {
        tenant_id: "ghost".to_owned(),
        ..crm_message("text")
    };
    for message in [broken, of_nobody] {
        let called = world.send(message.clone()).await.unwrap_err();
        let checked = world.send(checked(message)).await.unwrap_err();
        assert_eq!(told(&checked), told(&called));
    }
    let without_application = api::SendConnectorMessagesRequest {
        tenant_id: WEBHOOK.to_owned(),
        validate_only: true,
        ..connector_messages(vec![connector_message("m", "text")])
    };
    let checked = world.send(without_application).await.unwrap_err();
    assert_eq!(checked.code(), Code::FailedPrecondition);
    assert_eq!(checked.reason(), "WRONG_AUTHORIZATION_TYPE");
    assert_eq!(world.sandbox.record().entries, []);
}

#[tokio::test]
async fn the_wait_at_the_portals_rate_limit_is_told_and_takes_nothing_from_it() {
    let world = World::with_tenants(&[], &limited()).await;
    let message = |text: &str| api::SendCrmMessageRequest {
        tenant_id: LIMITED.to_owned(),
        ..crm_message(text)
    };
    for _ in 0..20 {
        let response = world.send(checked(message("text"))).await.unwrap();
        let wait = response.estimate.unwrap().queue_duration;
        assert_eq!(wait, Some(prost_types::Duration::default()));
    }
    // The only request that the portal takes now is still there.
    world.send(message("sent")).await.unwrap();
    let response = world.send(checked(message("text"))).await.unwrap();
    let estimate = response.estimate.unwrap();
    let wait = Duration::try_from(estimate.queue_duration.unwrap()).unwrap();
    assert!(wait > Duration::from_secs(1), "{wait:?}");
    assert!(wait <= Duration::from_secs(10), "{wait:?}");

    // A call that cannot wait so long is told what it would be told.
    let mut client = world.client().await;
    let mut request = world.request(checked(message("text")));
    request.set_timeout(Duration::from_secs(1));
    let checked = client.send_crm_message(request).await.unwrap_err();
    assert_eq!(checked.code(), Code::ResourceExhausted);
    assert_eq!(checked.reason(), "WAIT_EXCEEDS_DEADLINE");
    assert_eq!(checked.outcome(), "not_executed");
    assert_eq!(world.sandbox.record().entries.len(), 1);
}

#[tokio::test]
async fn what_is_left_of_the_operating_time_is_told() {
    let world = World::with_tenants(&[], &limited().replace("0.1", "100")).await;
    world.sandbox.limit(|limits| {
        limits.operating_limit_seconds = Some(480.0);
        limits.operating_seconds_per_call = Some(6.0);
    });
    let message = || api::SendCrmMessageRequest {
        tenant_id: LIMITED.to_owned(),
        ..crm_message("text")
    };
    let unknown = world.send(checked(message())).await.unwrap();
    assert_eq!(unknown.estimate.unwrap().remaining_operating_duration, None);
    let called = world.send(message()).await.unwrap();
    let reported = called.operating_budget.unwrap().remaining_duration;
    assert!(reported.is_some());
    let known = world.send(checked(message())).await.unwrap();
    let left = known.estimate.unwrap().remaining_operating_duration;
    assert_eq!(left, reported);
}

#[tokio::test]
async fn a_check_waits_for_no_call_and_no_call_waits_for_it() {
    let admin = free_address();
    let world = World::with_settings(&[("ADMIN_LISTEN", &admin.to_string())]).await;
    let gate = Gate::closed();
    let held = FaultKind::Held(Moment::After, gate.clone());
    world.sandbox.inject(Fault::once(held));
    let client = world.client().await;
    let send = |message| {
        let (mut client, request) = (client.clone(), world.request(message));
        async move { client.send_crm_message(request).await }
    };
    // All to one chat, over one connection.
    let checking = async {
        let come = || !world.sandbox.record().entries.is_empty();
        until("the portal has the first call", come).await;
        let first = send(checked(crm_message("checked"))).await.unwrap();
        let queued = async {
            until_queued(admin, 1).await;
            let second = send(checked(crm_message("checked"))).await.unwrap();
            gate.open();
            second
        };
        let (called, second) = tokio::join!(send(crm_message("second")), queued);
        called.unwrap();
        [first, second].map(|response| response.into_inner().estimate.unwrap().queued_calls)
    };
    let (called, waiting) = tokio::join!(send(crm_message("first")), checking);
    called.unwrap();
    assert_eq!(waiting, [0, 1]);
    let record = world.sandbox.record();
    let delivered: Vec<&str> = record
        .deliveries()
        .map(|delivery| delivery.text())
        .collect();
    assert_eq!(delivered, ["first", "second"]);
}

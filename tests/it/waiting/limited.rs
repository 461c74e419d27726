//! A portal that takes few requests: who goes first, who is refused at once, and that everybody is
//! told the truth.

use std::time::{Duration, Instant};

use bitrix24_openlines::api::openlines::v1 as api;
use sandbox::{Intensity, demo};
use tonic::Code;

use super::{begin, requests_at_portal, within};
use crate::support::{Told, World, conversations};

/// The tenant whose plan says what its portal takes.
const LIMITED: &str = "limited";

/// A portal that takes so many requests, and a tenant whose plan says so.
pub(super) async fn world(burst: u32, per_second: f64) -> World {
    world_with(&[], burst, per_second).await
}

/// The same with settings.
pub(super) async fn world_with(settings: &[(&str, &str)], burst: u32, per_second: f64) -> World {
    let tenant = format!(
        "- {{id: {LIMITED}, portal: 'http://PORTAL', webhook: {{user_id: {user}, secret: {{inline: '{secret}'}}}},\n\
         \x20  plan: {{burst: {burst}, per_second: {per_second}}}}}\n",
        user = demo::OWNER,
        secret = demo::WEBHOOK_SECRET,
    );
    let world = World::with_tenants(settings, &tenant).await;
    world.sandbox.limit(|limits| {
        limits.intensity = Some(Intensity {
            burst,
            drain_per_second: per_second,
        });
    });
    conversations::add(&world.sandbox, 500);
    world
}

pub(super) fn message(conversation: i64, text: &str) -> api::SendCrmMessageRequest {
    api::SendCrmMessageRequest {
        tenant_id: LIMITED.to_owned(),
        ..conversations::crm_message(conversation, text)
    }
}

/// A call that takes a request for itself.
fn alone(conversation: i64, text: &str, priority: api::CallPriority) -> api::SendCrmMessageRequest {
    api::SendCrmMessageRequest {
        disable_batching: true,
        priority: priority.into(),
        ..message(conversation, text)
    }
}

pub(super) fn interactive(conversation: i64, text: &str) -> api::SendCrmMessageRequest {
    alone(conversation, text, api::CallPriority::Interactive)
}

fn bulk(conversation: i64, text: &str) -> api::SendCrmMessageRequest {
    alone(conversation, text, api::CallPriority::Bulk)
}

/// Sends all at once in this order. Every call succeeds.
pub(super) async fn send_all(world: &World, messages: Vec<api::SendCrmMessageRequest>) {
    let client = world.client().await;
    let calls: Vec<_> = messages
        .into_iter()
        .map(|message| {
            let request = world.request(message);
            let mut client = client.clone();
            // A task for each: they begin in this order.
            tokio::spawn(async move { client.send_crm_message(request).await.map(drop) })
        })
        .collect();
    for (number, call) in calls.into_iter().enumerate() {
        let answer = call.await.unwrap();
        assert!(answer.is_ok(), "call {number}: {answer:?}");
    }
}

/// Uses up what the portal takes at once.
pub(super) async fn fill(world: &World, requests: i64) {
    for number in 0..requests {
        send_all(world, vec![interactive(400 + number, "fill")]).await;
    }
}

fn delivered(world: &World) -> Vec<String> {
    let record = world.sandbox.record();
    assert_eq!(record.refused_with("QUERY_LIMIT_EXCEEDED"), 0);
    let texts = record.deliveries().map(|delivery| delivery.text());
    let texts = texts.filter(|text| *text != "fill");
    texts.map(str::to_owned).collect()
}

#[tokio::test]
async fn interactive_calls_go_before_bulk_calls_that_came_before_them() {
    let world = world(2, 2.0).await;
    fill(&world, 2).await;
    let slow = (0..4).map(|number| bulk(number, "bulk"));
    let urgent = (4..8).map(|number| interactive(number, "interactive"));
    send_all(&world, slow.chain(urgent).collect()).await;
    let delivered = delivered(&world);
    assert_eq!(delivered.len(), 8);
    let last = delivered.iter().rposition(|text| text == "interactive");
    let sooner = delivered[..last.unwrap()]
        .iter()
        .filter(|text| *text == "bulk");
    // One may have gone before the others had come.
    assert!(sooner.count() <= 1, "{delivered:?}");
}

#[tokio::test]
async fn bulk_calls_get_their_turn_among_interactive_ones() {
    let world = world(2, 20.0).await;
    fill(&world, 2).await;
    let urgent = (0..40).map(|number| interactive(number, "interactive"));
    let slow = (40..42).map(|number| bulk(number, "bulk"));
    send_all(&world, urgent.chain(slow).collect()).await;
    let delivered = delivered(&world);
    let first = delivered.iter().position(|text| text == "bulk").unwrap();
    assert!(first < 30, "{delivered:?}");
}

#[tokio::test]
async fn waiting_calls_travel_in_batches_in_order_and_none_is_refused_or_doubled() {
    let world = world(10, 5.0).await;
    // What waits for the tenant to be read from the store is overtaken by what comes behind it.
    fill(&world, 1).await;
    let messages = (0..400)
        .map(|number| message(number % 20, &format!("{number:03}")))
        .collect();
    send_all(&world, messages).await;
    let texts = delivered(&world);
    for conversation in 0..20 {
        let numbers: Vec<u32> = texts
            .iter()
            .map(|text| text.parse::<u32>().unwrap())
            .filter(|number| number % 20 == conversation)
            .collect();
        assert_eq!(numbers.len(), 20, "{numbers:?}");
        assert!(
            numbers.is_sorted(),
            "conversation {conversation}: {numbers:?}"
        );
    }
    let requests = world.sandbox.record().entries.len();
    assert!(requests < 100, "{requests} requests");
}

#[tokio::test]
async fn what_a_caller_cancels_while_it_waits_for_room_is_not_sent() {
    let world = world(2, 1.0).await;
    fill(&world, 2).await;
    let mut calls = Vec::new();
    for number in 0..3 {
        let text = format!("call {number}");
        calls.push(begin(&world, interactive(number, &text)).await);
    }
    calls.remove(1).abort();
    for call in calls {
        call.await.unwrap().unwrap();
    }
    // Had it been kept, its turn would have come.
    tokio::time::sleep(Duration::from_millis(1500)).await;
    let mut delivered = delivered(&world);
    delivered.sort();
    assert_eq!(delivered, ["call 0", "call 2"]);
    requests_at_portal(&world, 4).await;
}

#[tokio::test]
async fn what_cannot_be_sent_in_time_is_refused_at_once_and_told_when_to_try_again() {
    // The next one could be sent in 20 seconds.
    let world = world(2, 0.05).await;
    fill(&world, 2).await;
    let begun = Instant::now();
    let status = within(10, &world, &interactive(0, "too late")).await;
    assert!(begun.elapsed() < Duration::from_secs(9));
    assert_eq!(
        (
            status.code(),
            status.reason().as_str(),
            status.outcome().as_str()
        ),
        (
            Code::ResourceExhausted,
            "WAIT_EXCEEDS_DEADLINE",
            "not_executed"
        )
    );
    let retry = status.details_of().retry_info().unwrap().retry_delay;
    assert!(retry >= Some(Duration::from_secs(1)), "{retry:?}");
    let pushback = status.metadata().get("grpc-retry-pushback-ms").unwrap();
    let pushback: u128 = pushback.to_str().unwrap().parse().unwrap();
    assert_eq!(pushback, retry.unwrap().as_millis());
    assert_eq!(delivered(&world), [""; 0]);
}

//! The operating budget: a method is refused before the portal refuses it.

use std::time::Duration;

use bitrix24_openlines::api::openlines::v1 as api;
use futures_util::future::join_all;
use jiff::Timestamp;
use sandbox::{BatchCharging, Record, demo};
use tonic::{Code, Status};

use crate::support::requests::{crm_message, network_message};
use crate::support::{Told, World};

/// A tenant whose portal has a plan, and so a limit of operating time.
const LIMITED: &str = "limited";

/// How many seconds every call counts as, of 480.
const COST: f64 = 6.0;

const CODE: &str = "OPERATION_TIME_LIMIT";

async fn world(charging: BatchCharging) -> World {
    let tenant = format!(
        "- {{id: {LIMITED}, portal: 'http://PORTAL', plan: {{burst: 1000, per_second: 100}}, \
         webhook: {{user_id: {user}, secret: {{inline: '{secret}'}}}}}}\n",
        user = demo::OWNER,
        secret = demo::WEBHOOK_SECRET,
    );
    let world = World::with_tenants(&[], &tenant).await;
    world
        .sandbox
        .switch(|switches| switches.batch_charging = charging);
    world.sandbox.limit(|limits| {
        limits.operating_limit_seconds = Some(480.0);
        limits.operating_seconds_per_call = Some(COST);
    });
    world
}

/// Sends messages, ten at a time, until some are refused. Gives how many were sent and the
/// refusals.
async fn use_up(world: &World) -> (usize, Vec<Status>) {
    let client = world.client().await;
    let mut sent = 0;
    loop {
        let calls = (0..10).map(|number| {
            let mut client = client.clone();
            let message = api::SendCrmMessageRequest {
                tenant_id: LIMITED.to_owned(),
                ..crm_message(&format!("message {sent} {number}"))
            };
            let request = world.request(message);
            async move { client.send_crm_message(request).await }
        });
        let (answered, refused): (Vec<_>, Vec<_>) =
            join_all(calls).await.into_iter().partition(Result::is_ok);
        sent += answered.len();
        if !refused.is_empty() {
            let refused = refused.into_iter().filter_map(Result::err);
            return (sent, refused.collect());
        }
        assert!(sent < 1000, "nothing is refused");
    }
}

/// How often the portal has refused for its limit, single commands too.
fn refused_by_the_portal(record: &Record) -> usize {
    let commands = record.entries.iter().flat_map(|entry| &entry.commands);
    let commands = commands.filter(|command| command.error.as_deref() == Some(CODE));
    record.refused_with(CODE) + commands.count()
}

async fn is_refused_in_time(charging: BatchCharging, at_least: usize) {
    let world = world(charging).await;
    let (sent, refused) = use_up(&world).await;
    let record = world.sandbox.record();
    assert_eq!(refused_by_the_portal(&record), 0, "after {sent}");
    assert!(sent >= at_least, "{sent}");
    assert_eq!(record.deliveries().count(), sent);

    let (now, first) = (Timestamp::now(), record.entries[0].time);
    let reset = 600.0 - now.duration_since(first).as_secs_f64();
    for status in &refused {
        assert_eq!(status.code(), Code::ResourceExhausted);
        assert_eq!(status.reason(), "OPERATING_LIMIT");
        assert_eq!(status.outcome(), "not_executed");
        let delay = status.details_of().retry_info().unwrap().retry_delay;
        let delay = delay.unwrap_or(Duration::ZERO).as_secs_f64();
        // The portal tells whole seconds.
        assert!((delay - reset).abs() <= 1.1, "{delay}, {reset}");
    }

    let message = api::SendNetworkMessageRequest {
        tenant_id: LIMITED.to_owned(),
        ..network_message("another method")
    };
    let mut client = world.client().await;
    let other = client.send_network_message(world.request(message));
    other.await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_method_is_refused_before_the_portal_refuses_it() {
    // 79 would be all.
    is_refused_in_time(BatchCharging::Commands, 75).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn where_batches_are_charged_themselves_single_calls_use_the_methods_own_budget() {
    // As many in batches and as many singly.
    is_refused_in_time(BatchCharging::Batch, 140).await;
}

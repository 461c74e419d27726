//! Calls of health and reflection, which need no credential.

use std::time::{Duration, Instant};

use futures_util::{StreamExt, stream};
use tonic::transport::Channel;
use tonic::{Code, Streaming};
use tonic_health::pb::health_client::HealthClient;
use tonic_health::pb::{HealthCheckRequest, HealthCheckResponse};
use tonic_reflection::pb::v1::ServerReflectionRequest;
use tonic_reflection::pb::v1::server_reflection_client::ServerReflectionClient;
use tonic_reflection::pb::v1::server_reflection_request::MessageRequest;

use super::answered;
use crate::support::World;
use crate::support::raw::{RawAnswer, RawClient, framed};

const CHECK: &str = "/grpc.health.v1.Health/Check";

/// How long the service may take beyond its settings, on a machine that is busy with other tests.
const SOON: Duration = Duration::from_secs(20);

/// A request of which only the headers arrive.
async fn half(client: RawClient) -> RawAnswer {
    client
        .call_bytes(CHECK, &[], stream::pending())
        .await
        .unwrap()
}

async fn is_well(world: &World) {
    let mut health = HealthClient::new(world.service.channel().await);
    let check = health.check(HealthCheckRequest::default());
    let checked = tokio::time::timeout(SOON, check).await;
    checked.expect("a probe waits").unwrap();
}

#[tokio::test]
async fn a_probe_whose_request_does_not_arrive_ends_at_the_deadline() {
    let world = World::with_settings(&[("SERVER_HEALTH_DEADLINE_SECONDS", "1")]).await;
    let client = RawClient::connect(world.service.address).await;
    let begun = Instant::now();
    let answer = tokio::time::timeout(SOON, half(client)).await.unwrap();
    assert_eq!(answer.status().code(), Code::DeadlineExceeded);
    assert!(begun.elapsed() >= Duration::from_secs(1));
    is_well(&world).await;
}

#[tokio::test]
async fn if_there_are_too_many_the_oldest_gives_way_and_whole_probes_are_answered() {
    let world = World::with_settings(&[
        ("SERVER_HEALTH_DEADLINE_SECONDS", "60"),
        ("SERVER_HEALTH_MAXIMUM_CALLS", "4"),
    ])
    .await;
    let client = RawClient::connect(world.service.address).await;
    let oldest = tokio::spawn(half(client.clone()));
    tokio::time::sleep(Duration::from_millis(100)).await;
    let others: Vec<_> = (0..4).map(|_| tokio::spawn(half(client.clone()))).collect();
    let answer = tokio::time::timeout(SOON, oldest).await.unwrap().unwrap();
    assert_eq!(answer.status().code(), Code::ResourceExhausted);
    assert!(others.iter().all(|other| !other.is_finished()));
    for _ in 0..20 {
        is_well(&world).await;
    }
    answered(&world).await;
}

async fn watch(client: &mut HealthClient<Channel>) -> Watched {
    client
        .watch(HealthCheckRequest::default())
        .await
        .map(tonic::Response::into_inner)
        .map_err(|status| status.code())
}

type Watched = Result<Streaming<HealthCheckResponse>, Code>;

#[tokio::test]
async fn watches_are_limited_on_a_connection_and_in_all() {
    let world = World::with_settings(&[
        ("SERVER_HEALTH_MAXIMUM_WATCHES", "3"),
        ("SERVER_HEALTH_MAXIMUM_WATCHES_PER_CONNECTION", "2"),
    ])
    .await;
    let mut first = HealthClient::new(world.service.channel().await);
    let mut watches = Vec::new();
    for _ in 0..2 {
        watches.push(watch(&mut first).await.unwrap());
    }
    let refused = watch(&mut first).await.unwrap_err();
    assert_eq!(refused, Code::ResourceExhausted, "on a connection");

    let mut second = HealthClient::new(world.service.channel().await);
    watches.push(watch(&mut second).await.unwrap());
    let refused = watch(&mut second).await.unwrap_err();
    assert_eq!(refused, Code::ResourceExhausted, "in all");
    for watch in &mut watches {
        assert!(watch.message().await.unwrap().is_some());
    }

    // Watches that have ended make place.
    watches.clear();
    let limit = Instant::now() + SOON;
    while watch(&mut second).await.is_err() {
        assert!(Instant::now() < limit, "ended watches are still counted");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    is_well(&world).await;
}

#[tokio::test]
async fn a_watch_outlives_the_deadline_of_a_probe() {
    let world = World::with_settings(&[("SERVER_HEALTH_DEADLINE_SECONDS", "1")]).await;
    let mut client = HealthClient::new(world.service.channel().await);
    let mut watch = watch(&mut client).await.unwrap();
    assert!(watch.message().await.unwrap().is_some());
    let next = tokio::time::timeout(Duration::from_secs(3), watch.message()).await;
    assert!(next.is_err(), "it has ended: {next:?}");
}

#[tokio::test]
async fn a_request_for_health_is_not_read_beyond_a_name() {
    let world = World::start().await;
    let client = RawClient::connect(world.service.address).await;
    // The first byte of a message of 3 MiB is enough to refuse it.
    let begin = framed(&vec![0; 3_000_000]).slice(..100);
    let body = stream::iter([begin]).chain(stream::pending());
    let answered = client.call_bytes(CHECK, &[], body);
    let answer = tokio::time::timeout(SOON, answered).await.unwrap().unwrap();
    assert_eq!(answer.status().code(), Code::OutOfRange);
}

#[tokio::test]
async fn a_reflection_stream_ends_at_the_deadline() {
    let world = World::with_settings(&[
        ("SERVER_REFLECTION", "true"),
        ("SERVER_HEALTH_DEADLINE_SECONDS", "1"),
    ])
    .await;
    let mut client = ServerReflectionClient::new(world.service.channel().await);
    let list = ServerReflectionRequest {
        message_request: Some(MessageRequest::ListServices(String::new())),
        ..Default::default()
    };
    let requests = stream::iter([list]).chain(stream::pending());
    let mut answers = client
        .server_reflection_info(requests)
        .await
        .unwrap()
        .into_inner();
    assert!(answers.message().await.unwrap().is_some());
    let ended = tokio::time::timeout(SOON, answers.message()).await.unwrap();
    assert_eq!(ended.unwrap_err().code(), Code::DeadlineExceeded);
}

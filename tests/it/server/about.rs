//! What the server says of itself: health and reflection.

use tokio_stream::iter;
use tonic::{Code, Status};
use tonic_health::pb::HealthCheckRequest;
use tonic_health::pb::health_check_response::ServingStatus;
use tonic_health::pb::health_client::HealthClient;
use tonic_reflection::pb::{v1, v1alpha};

use crate::support::World;

const SERVICE: &str = "openlines.v1.OpenLinesService";

fn health_of(service: &str) -> HealthCheckRequest {
    HealthCheckRequest {
        service: service.to_owned(),
    }
}

#[tokio::test]
async fn the_server_and_the_service_are_healthy_without_a_key() {
    let world = World::start().await;
    let mut client = HealthClient::new(world.service.channel().await);
    for service in ["", SERVICE] {
        let answer = client.check(health_of(service)).await.unwrap();
        assert_eq!(
            answer.get_ref().status(),
            ServingStatus::Serving,
            "{service:?}"
        );
    }
    let status = client.check(health_of("other.Service")).await.unwrap_err();
    assert_eq!(status.code(), Code::NotFound);
}

#[tokio::test]
async fn watchers_of_health_are_told_that_the_server_stops_and_then_let_go() {
    for service in ["", SERVICE] {
        let mut world = World::start().await;
        let mut client = HealthClient::new(world.service.channel().await);
        let mut watch = client.watch(health_of(service)).await.unwrap().into_inner();
        let first = watch.message().await.unwrap().unwrap();
        assert_eq!(first.status(), ServingStatus::Serving);

        world.service.stop();
        let second = watch.message().await.unwrap().unwrap();
        assert_eq!(second.status(), ServingStatus::NotServing, "{service:?}");
        assert!(
            !matches!(watch.message().await, Ok(Some(_))),
            "the stream ends"
        );
        world.service.stopped().await.unwrap();
    }
}

/// What reflection of version 1 lists.
async fn listed_v1(world: &World) -> Result<Vec<String>, Status> {
    use v1::server_reflection_request::MessageRequest;
    use v1::server_reflection_response::MessageResponse;
    let channel = world.service.channel().await;
    let mut client = v1::server_reflection_client::ServerReflectionClient::new(channel);
    let request = v1::ServerReflectionRequest {
        message_request: Some(MessageRequest::ListServices(String::new())),
        ..Default::default()
    };
    let mut answers = client
        .server_reflection_info(iter([request]))
        .await?
        .into_inner();
    let answer = answers.message().await?.unwrap().message_response;
    let Some(MessageResponse::ListServicesResponse(list)) = answer else {
        panic!("{answer:?}")
    };
    let names = list.service.into_iter().map(|service| service.name);
    Ok(names.collect())
}

/// What reflection of version 1alpha lists, which many tools still ask.
async fn listed_v1alpha(world: &World) -> Result<Vec<String>, Status> {
    use v1alpha::server_reflection_request::MessageRequest;
    use v1alpha::server_reflection_response::MessageResponse;
    let channel = world.service.channel().await;
    let mut client = v1alpha::server_reflection_client::ServerReflectionClient::new(channel);
    let request = v1alpha::ServerReflectionRequest {
        message_request: Some(MessageRequest::ListServices(String::new())),
        ..Default::default()
    };
    let mut answers = client
        .server_reflection_info(iter([request]))
        .await?
        .into_inner();
    let answer = answers.message().await?.unwrap().message_response;
    let Some(MessageResponse::ListServicesResponse(list)) = answer else {
        panic!("{answer:?}")
    };
    let names = list.service.into_iter().map(|service| service.name);
    Ok(names.collect())
}

#[tokio::test]
async fn reflection_lists_the_service_in_both_versions_when_it_is_on() {
    let world = World::with_settings(&[("SERVER_REFLECTION", "true")]).await;
    for listed in [
        listed_v1(&world).await.unwrap(),
        listed_v1alpha(&world).await.unwrap(),
    ] {
        for service in [SERVICE, "grpc.health.v1.Health"] {
            assert!(listed.iter().any(|name| name == service), "{listed:?}");
        }
    }
}

#[tokio::test]
async fn reflection_describes_the_messages() {
    use v1::server_reflection_request::MessageRequest;
    use v1::server_reflection_response::MessageResponse;
    let world = World::with_settings(&[("SERVER_REFLECTION", "true")]).await;
    let channel = world.service.channel().await;
    let mut client = v1::server_reflection_client::ServerReflectionClient::new(channel);
    for symbol in [
        SERVICE,
        "openlines.v1.SendCrmMessageRequest",
        "openlines.v1.Bitrix24Error",
        "google.rpc.Status",
    ] {
        let request = v1::ServerReflectionRequest {
            message_request: Some(MessageRequest::FileContainingSymbol(symbol.to_owned())),
            ..Default::default()
        };
        let mut answers = client
            .server_reflection_info(iter([request]))
            .await
            .unwrap()
            .into_inner();
        let answer = answers.message().await.unwrap().unwrap().message_response;
        let described = matches!(
            &answer,
            Some(MessageResponse::FileDescriptorResponse(files)) if !files.file_descriptor_proto.is_empty()
        );
        assert!(described, "{symbol}: {answer:?}");
    }
}

#[tokio::test]
async fn reflection_is_not_served_unless_it_is_switched_on() {
    let world = World::start().await;
    for answer in [listed_v1(&world).await, listed_v1alpha(&world).await] {
        assert_eq!(answer.unwrap_err().code(), Code::Unimplemented);
    }
}

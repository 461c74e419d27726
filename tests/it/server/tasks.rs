//! A task ends that the service cannot do without: the service ends, too, in order.

use std::time::Duration;

use bitrix24_openlines::testing::app::AppError;
use bitrix24_openlines::testing::tasks::TaskFailed;
use sandbox::{Fault, FaultKind, Gate, Moment};
use tokio_stream::StreamExt;
use tonic_health::pb::HealthCheckRequest;
use tonic_health::pb::health_check_response::ServingStatus;
use tonic_health::pb::health_client::HealthClient;

use crate::support::requests::crm_message;
use crate::support::{World, until};

/// Far longer than it takes.
const PATIENCE: Duration = Duration::from_secs(20);

#[tokio::test]
async fn a_task_that_panics_takes_the_service_out_of_service_and_ends_it_after_its_calls() {
    let settings = [
        ("SERVER_SHUTDOWN_DELAY_SECONDS", "1"),
        ("SERVER_DRAIN_SECONDS", "10"),
    ];
    let world = World::with_settings(&settings).await;
    let mut health = HealthClient::new(world.service.channel().await);
    let watch = health.watch(HealthCheckRequest::default()).await;
    let mut watch = watch.unwrap().into_inner();
    let serving = watch.next().await.unwrap().unwrap();
    assert_eq!(serving.status(), ServingStatus::Serving);
    let gate = Gate::closed();
    let held = FaultKind::Held(Moment::Before, gate.clone());
    world.sandbox.inject(Fault::once(held));
    let mut client = world.client().await;
    let request = world.request(crm_message("in progress"));
    let in_progress = tokio::spawn(async move { client.send_crm_message(request).await });
    until("the call is at the portal", || {
        !world.sandbox.record().entries.is_empty()
    })
    .await;

    let planted = async { panic!("planted") };
    world.service.tasks.spawn_lasting("planted", planted);
    let serving = tokio::time::timeout(PATIENCE, watch.next()).await;
    let serving = serving.expect("the service goes on").unwrap().unwrap();
    assert_eq!(serving.status(), ServingStatus::NotServing);
    gate.open();
    in_progress.await.unwrap().expect("the call ends well");
    let ended = world.service.stopped().await;
    let failed = TaskFailed {
        name: "planted",
        has_panicked: true,
    };
    assert!(
        matches!(ended, Err(AppError::Task(task)) if task == failed),
        "{ended:?}"
    );
}

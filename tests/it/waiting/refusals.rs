//! Calls that a portal refuses for a reason that is not theirs.

use std::time::Duration;

use sandbox::{Fault, FaultKind, Gate, Moment, SystemError};
use tonic::Code;

use super::limited::{message, send_all, world};
use super::{begin, refusing, requests_at_portal, within};
use crate::support::admin::{free_address, until_queued};
use crate::support::requests::crm_message;
use crate::support::{Told, World};

#[tokio::test]
async fn calls_over_the_portals_limit_are_retried_until_it_takes_them() {
    let world = world(50, 20.0).await;
    let full = refusing(SystemError::QUERY_LIMIT_EXCEEDED);
    world.sandbox.inject(Fault::next(6, full));
    let messages = (0..100).map(|number| message(number, "text")).collect();
    send_all(&world, messages).await;
    let record = world.sandbox.record();
    assert_eq!(record.deliveries().count(), 100);
    assert_eq!(record.refused_with("QUERY_LIMIT_EXCEEDED"), 6);
}

#[tokio::test]
async fn calls_go_singly_to_a_portal_that_has_no_batch() {
    let admin = free_address();
    let world = World::with_settings(&[("ADMIN_LISTEN", &admin.to_string())]).await;
    let unknown = refusing(SystemError::METHOD_NOT_FOUND);
    world
        .sandbox
        .inject(Fault::always(unknown).for_method("batch"));
    for round in 0..2 {
        let gate = Gate::closed();
        let held = FaultKind::Held(Moment::After, gate.clone());
        world
            .sandbox
            .inject(Fault::once(held).for_method("imopenlines.crm.message.add"));
        let before = world.sandbox.record().entries.len();
        let mut calls = vec![begin(&world, crm_message("first")).await];
        requests_at_portal(&world, before + 1).await;
        for number in 0..3 {
            calls.push(begin(&world, crm_message("behind")).await);
            until_queued(admin, number + 1).await;
        }
        gate.open();
        for call in calls {
            call.await.unwrap().unwrap();
        }
        // The second time the portal is not asked again.
        let requests = world.sandbox.record().entries.len() - before;
        assert_eq!(requests, 5 - round);
    }
    assert_eq!(world.sandbox.record().deliveries().count(), 8);
}

#[tokio::test]
async fn a_blocked_tenant_is_told_the_reason_at_once_and_the_portal_is_not_asked_again() {
    for (error, reason, seconds) in [
        (SystemError::OVERLOAD_LIMIT, "PORTAL_BLOCKED", 300),
        (
            SystemError::AUTHORIZATION_ERROR,
            "REAUTHORIZATION_REQUIRED",
            60,
        ),
    ] {
        let world = World::start().await;
        world.sandbox.inject(Fault::once(refusing(error)));
        for _ in 0..3 {
            let status = within(20, &world, &crm_message("blocked")).await;
            assert_eq!(status.code(), Code::FailedPrecondition);
            assert_eq!(status.reason(), reason);
            assert_eq!(status.outcome(), "not_executed");
            let retry = status.details_of().retry_info().unwrap().retry_delay;
            let retry = retry.unwrap();
            let longest = Duration::from_secs(seconds);
            assert!(
                retry <= longest && retry + Duration::from_secs(20) > longest,
                "{retry:?}"
            );
        }
        assert_eq!(world.sandbox.record().entries.len(), 1);
    }
}

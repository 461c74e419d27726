//! What a call waits for before it is sent, and that other calls do not wait for it.

use std::time::Duration;

use bitrix24_openlines::api::openlines::v1 as api;
use sandbox::{Fault, FaultKind, Gate, Moment};
use sqlx::{Connection, SqliteConnection};
use uuid::Uuid;

use super::limited::{fill, interactive, message, send_all, world_with};
use super::{begin, requests_at_portal};
use crate::support::admin::{free_address, until_in_progress, until_queued};
use crate::support::requests::crm_message;
use crate::support::stores::Stores;
use crate::support::{REFRESHABLE, WEBHOOK, World, conversations, refreshable};

/// The authorization server answers its next request when the gate opens.
fn hold_refresh(world: &World) -> Gate {
    let gate = Gate::closed();
    let held = FaultKind::Held(Moment::Before, gate.clone());
    world.sandbox.inject(Fault::once(held).for_oauth());
    gate
}

fn of_refreshable(message: api::SendCrmMessageRequest) -> api::SendCrmMessageRequest {
    api::SendCrmMessageRequest {
        tenant_id: REFRESHABLE.to_owned(),
        ..message
    }
}

/// They need more requests than the portal takes at once: the bucket must drain.
#[tokio::test]
async fn calls_without_a_key_go_on_while_the_ledger_stalls() {
    let (stores, admin) = (Stores::sqlite(), free_address());
    let admin_text = admin.to_string();
    let settings = [("STORE_URL", stores.url()), ("ADMIN_LISTEN", &admin_text)];
    let world = world_with(&settings, 4, 4.0).await;
    fill(&world, 1).await;
    let mut other = SqliteConnection::connect(stores.url()).await.unwrap();
    let lock = sqlx::raw_sql("BEGIN IMMEDIATE");
    lock.execute(&mut other).await.unwrap();
    let with_key = api::SendCrmMessageRequest {
        request_id: Uuid::new_v4().to_string(),
        ..message(0, "with a key")
    };
    let recorded = begin(&world, with_key).await;
    until_in_progress(admin, 1).await;
    until_queued(admin, 1).await;
    let others = (1..=12).map(|number| interactive(number, "without"));
    send_all(&world, others.collect()).await;
    assert_eq!(world.sandbox.record().times_delivered("with a key"), 0);
    other.close().await.unwrap();
    recorded.await.unwrap().unwrap();
    assert_eq!(world.sandbox.record().times_delivered("with a key"), 1);
}

#[tokio::test]
async fn other_tenants_do_not_wait_for_the_refresh_of_a_token() {
    let admin = free_address();
    let settings = [
        ("ADMIN_LISTEN", &*admin.to_string()),
        ("DISPATCH_PARALLEL_REQUESTS_PER_PORTAL", "1"),
    ];
    let world = World::with_tenants(&settings, &refreshable(REFRESHABLE)).await;
    conversations::add(&world.sandbox, 2);
    let gate = Gate::closed();
    let held = FaultKind::Held(Moment::After, gate.clone());
    world.sandbox.inject(Fault::once(held));
    let of_webhook = |conversation, text| api::SendCrmMessageRequest {
        tenant_id: WEBHOOK.to_owned(),
        ..conversations::crm_message(conversation, text)
    };
    let before = begin(&world, of_webhook(0, "before")).await;
    requests_at_portal(&world, 1).await;
    let first = begin(&world, of_refreshable(crm_message("first"))).await;
    until_queued(admin, 1).await;
    let other = begin(&world, of_webhook(1, "other")).await;
    until_queued(admin, 2).await;
    world
        .sandbox
        .inject(Fault::once(FaultKind::expired_token()));
    let refreshing = hold_refresh(&world);
    gate.open();
    before.await.unwrap().unwrap();
    let other = tokio::time::timeout(Duration::from_secs(10), other).await;
    other.expect("it waits").unwrap().unwrap();
    refreshing.open();
    first.await.unwrap().unwrap();
}

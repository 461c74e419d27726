//! Events that come late, to another replica or after a restart.

use bitrix24_openlines::testing::install::EventResult;
use sandbox::{Event, demo};
use secrecy::ExposeSecret;

use super::house::{APPLICATION, House, install, uninstall};
use crate::support::stores::{Stores, on_both_stores};

on_both_stores!(
    an_older_event_undoes_nothing_that_another_replica_or_an_earlier_process_has_applied,
    an_event_that_changes_nothing_makes_older_ones_late_too,
    a_late_installation_does_not_bring_a_deleted_tenant_back,
);

/// The form of an event that Bitrix24 sent so many seconds ago.
fn sent_before(house: &House, event: Event, seconds: i64) -> String {
    let at = house.sandbox.now().as_second() - seconds;
    house.form(demo::HOST, event.with("ts", Some(&at.to_string())))
}

async fn refresh_token(house: &House) -> String {
    let tenant = house.only_tenant().await;
    let application = tenant.application().unwrap();
    let token = application.refresh_token.as_ref().unwrap();
    token.expose_secret().to_owned()
}

async fn an_older_event_undoes_nothing_that_another_replica_or_an_earlier_process_has_applied(
    stores: Stores,
) {
    let mut house = House::on(stores, |_| {}).await;
    let oldest = sent_before(&house, install(), 60);
    house.post(APPLICATION, &oldest).await;
    house.comes_to("install", EventResult::Created, 1).await;
    let older = sent_before(&house, install(), 40);
    let removal = sent_before(&house, uninstall(), 30);
    let newest = sent_before(&house, install(), 10);
    house.post(APPLICATION, &newest).await;
    house.comes_to("install", EventResult::Reinstalled, 1).await;
    let token = refresh_token(&house).await;
    for late in 1..=2 {
        house.go_on_elsewhere().await;
        house.post(APPLICATION, &removal).await;
        house
            .comes_to("uninstall", EventResult::OutOfTime, late)
            .await;
        house.post(APPLICATION, &older).await;
        house
            .comes_to("install", EventResult::OutOfTime, 2 * late - 1)
            .await;
        house.post(APPLICATION, &oldest).await;
        house
            .comes_to("install", EventResult::OutOfTime, 2 * late)
            .await;
        assert_eq!(house.only_tenant().await.reauthorization, None);
        assert_eq!(refresh_token(&house).await, token);
        house.restart().await;
    }
}

async fn an_event_that_changes_nothing_makes_older_ones_late_too(stores: Stores) {
    let mut house = House::on(stores, |_| {}).await;
    let first = sent_before(&house, install(), 60);
    house.post(APPLICATION, &first).await;
    house.comes_to("install", EventResult::Created, 1).await;
    let removal = sent_before(&house, uninstall(), 30);
    house.post(APPLICATION, &removal).await;
    house
        .comes_to("uninstall", EventResult::Uninstalled, 1)
        .await;
    let between = sent_before(&house, install(), 20);
    let again = sent_before(&house, uninstall(), 10);
    house.post(APPLICATION, &again).await;
    house
        .comes_to("uninstall", EventResult::AlreadyKnown, 1)
        .await;
    house.go_on_elsewhere().await;
    house.post(APPLICATION, &between).await;
    house.comes_to("install", EventResult::OutOfTime, 1).await;
    assert!(house.only_tenant().await.reauthorization.is_some());
}

async fn a_late_installation_does_not_bring_a_deleted_tenant_back(stores: Stores) {
    let mut house = House::on(stores, |_| {}).await;
    let late = sent_before(&house, install(), 30);
    let newest = sent_before(&house, install(), 20);
    house.post(APPLICATION, &newest).await;
    house.comes_to("install", EventResult::Created, 1).await;
    let tenant = house.only_tenant().await;
    house.store.delete(&tenant.id, None).await.unwrap();
    house.go_on_elsewhere().await;
    house.post(APPLICATION, &late).await;
    house.comes_to("install", EventResult::OutOfTime, 1).await;
    assert!(house.tenants().await.is_empty());
    // One that was sent later does.
    house.send(APPLICATION, demo::HOST, install()).await;
    house.comes_to("install", EventResult::Created, 2).await;
}

//! The removal of an application, and its forgeries.

use bitrix24_openlines::testing::install::EventResult;
use sandbox::{Event, demo};

use super::house::{APPLICATION, House, OTHER_PORTAL, SECOND, install, member_id, uninstall};

/// A house with the demonstration portal as its tenant.
async fn installed() -> House {
    let house = House::open().await;
    house.send(APPLICATION, demo::HOST, install()).await;
    house.comes_to("install", EventResult::Created, 1).await;
    house
}

#[tokio::test]
async fn a_removal_marks_the_tenant_and_removes_its_tokens_if_the_administrator_says_so() {
    for (clean, keeps_tokens) in [("1", false), ("0", true)] {
        let house = installed().await;
        let event = uninstall().with("data[CLEAN]", Some(clean));
        let form = house.form(demo::HOST, event);
        assert_eq!(house.post(APPLICATION, &form).await, 200);
        house
            .comes_to("uninstall", EventResult::Uninstalled, 1)
            .await;
        let tenant = house.only_tenant().await;
        assert_eq!(
            tenant.reauthorization.as_ref().unwrap().cause,
            "uninstalled"
        );
        assert!(!tenant.disabled);
        let application = tenant.application().unwrap();
        assert_eq!(application.access_token.is_some(), keeps_tokens);
        assert_eq!(application.access_token_expires_at.is_some(), keeps_tokens);
        assert_eq!(application.refresh_token.is_some(), keeps_tokens);
        assert!(application.application_token.is_some());

        house.post(APPLICATION, &form).await;
        house
            .comes_to("uninstall", EventResult::AlreadyKnown, 1)
            .await;
        assert_eq!(house.only_tenant().await.revision, tenant.revision);
    }
}

#[tokio::test]
async fn an_installation_after_a_removal_brings_the_tenant_back() {
    let house = installed().await;
    house.send(APPLICATION, demo::HOST, uninstall()).await;
    house
        .comes_to("uninstall", EventResult::Uninstalled, 1)
        .await;
    house.send(APPLICATION, demo::HOST, install()).await;
    house.comes_to("install", EventResult::Reinstalled, 1).await;
    let tenant = house.only_tenant().await;
    assert_eq!(tenant.reauthorization, None);
    assert!(tenant.application().unwrap().refresh_token.is_some());
}

#[tokio::test]
async fn a_removal_needs_the_application_token_of_the_installation() {
    let house = installed().await;
    let before = house.only_tenant().await;
    for (count, token) in (1..).zip([
        "forged",
        "5a6d0b0c8e1f2750000000000000demO",
        "5a6d0b0c8e1f275",
    ]) {
        let event = uninstall().with("auth[application_token]", Some(token));
        assert_eq!(house.send(APPLICATION, demo::HOST, event).await, 200);
        house
            .comes_to("uninstall", EventResult::WrongApplicationToken, count)
            .await;
    }
    assert_eq!(house.only_tenant().await.revision, before.revision);
}

#[tokio::test]
async fn an_old_removal_that_comes_again_after_a_reinstallation_is_refused() {
    let house = installed().await;
    let removal = house.form(demo::HOST, uninstall());
    house.post(APPLICATION, &removal).await;
    house
        .comes_to("uninstall", EventResult::Uninstalled, 1)
        .await;
    let again = Event {
        renews_application_token: true,
        ..install()
    };
    house.send(APPLICATION, demo::HOST, again).await;
    house.comes_to("install", EventResult::Reinstalled, 1).await;
    let before = house.only_tenant().await;
    house.post(APPLICATION, &removal).await;
    house
        .comes_to("uninstall", EventResult::WrongApplicationToken, 1)
        .await;
    let after = house.only_tenant().await;
    assert_eq!(
        (after.revision, after.reauthorization),
        (before.revision, None)
    );
}

#[tokio::test]
async fn a_removal_from_before_the_newest_installation_is_refused_even_with_the_same_token() {
    let house = installed().await;
    let now = house.sandbox.now().as_second();
    let late = uninstall().with("ts", Some(&(now - 60).to_string()));
    house.send(APPLICATION, demo::HOST, late).await;
    house.comes_to("uninstall", EventResult::OutOfTime, 1).await;
    assert_eq!(house.only_tenant().await.reauthorization, None);
}

#[tokio::test]
async fn removals_of_unknown_portals_and_applications_change_nothing() {
    let house = installed().await;
    let other = member_id(OTHER_PORTAL);
    let foreign = uninstall().with("auth[member_id]", Some(&other));
    house.send(APPLICATION, demo::HOST, foreign).await;
    house
        .comes_to("uninstall", EventResult::UnknownPortal, 1)
        .await;
    house.send(SECOND, demo::HOST, uninstall()).await;
    house
        .comes_to("uninstall", EventResult::UnknownPortal, 2)
        .await;
    let old = uninstall().with("ts", Some("1466439714"));
    house.send(APPLICATION, demo::HOST, old).await;
    house.comes_to("uninstall", EventResult::OutOfTime, 1).await;
    assert_eq!(house.only_tenant().await.reauthorization, None);
}

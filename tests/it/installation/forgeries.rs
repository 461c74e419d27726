//! Events that are not what they say, and events that come again. All are answered 200, and change
//! nothing.

use bitrix24::TenantId;
use bitrix24::{HostName, Policy};
use bitrix24_openlines::testing::install::EventResult;
use jiff::{SignedDuration, Timestamp};
use sandbox::{Event, demo};
use secrecy::ExposeSecret;
use store::{Origin, StoredCredentials, StoredTenant};
use tokio::net::TcpListener;

use super::house::{APPLICATION, House, OTHER_PORTAL, SECOND, install, member_id};

/// Seconds since 1970, so many from now.
fn in_seconds(seconds: i64) -> String {
    let time = Timestamp::now() + SignedDuration::from_secs(seconds);
    time.as_second().to_string()
}

/// Sends an event that has to come to this, and to no tenant.
async fn refused(event: Event, outcome: EventResult) -> House {
    let house = House::open().await;
    assert_eq!(house.send(APPLICATION, demo::HOST, event).await, 200);
    house.comes_to("install", outcome, 1).await;
    assert!(house.tenants().await.is_empty(), "{outcome:?}");
    house
}

#[tokio::test]
async fn a_token_that_bitrix24_does_not_know_is_refused_after_three_questions() {
    let event = install().with("auth[access_token]", Some("forged"));
    let house = refused(event, EventResult::TokenRefused).await;
    assert_eq!(house.questions(), 3);
}

#[tokio::test]
async fn an_authorization_server_outside_the_list_is_not_asked() {
    let forged = TcpListener::bind("127.0.0.1:0").await.unwrap();
    for server in [
        "https://oauth.evil.example/rest/".to_owned(),
        "https://oauth.bitrix.info.evil.example/rest/".to_owned(),
        "http://10.0.0.1:80/rest/".to_owned(),
        "https://169.254.169.254/".to_owned(),
        format!("https://{}/rest/", forged.local_addr().unwrap()),
    ] {
        let event = install().with("auth[server_endpoint]", Some(&server));
        let house = refused(event, EventResult::ServerNotListed).await;
        assert_eq!(house.questions(), 0);
    }
}

#[tokio::test]
async fn plain_servers_and_portals_are_refused_unless_the_operator_allows_them() {
    let house = House::with(|ends| {
        ends.policy = Policy {
            authorization_servers: vec![HostName::parse("oauth.bitrix.info").unwrap()],
            ..Policy::default()
        }
    })
    .await;
    assert_eq!(house.send(APPLICATION, demo::HOST, install()).await, 200);
    house
        .comes_to("install", EventResult::ServerNotListed, 1)
        .await;
    let listed = install().with(
        "auth[server_endpoint]",
        Some("https://oauth.bitrix.info/rest/"),
    );
    assert_eq!(house.send(APPLICATION, demo::HOST, listed).await, 200);
    house
        .comes_to("install", EventResult::PortalNotAllowed, 1)
        .await;
    assert_eq!(house.questions(), 0);
}

#[tokio::test]
async fn a_portal_that_the_operator_does_not_allow_is_refused() {
    for (field, value) in [
        ("auth[domain]", "evil.example"),
        ("auth[client_endpoint]", "https://evil.example/rest/"),
        ("auth[client_endpoint]", "http://crm.acme.example/rest/"),
        ("auth[client_endpoint]", "https://user@acme.bitrix24.com/"),
        ("auth[domain]", "169.254.169.254"),
    ] {
        let house = refused(
            install().with(field, Some(value)),
            EventResult::PortalNotAllowed,
        )
        .await;
        assert_eq!(house.questions(), 0);
    }
}

#[tokio::test]
async fn an_address_that_is_not_the_portals_own_is_refused() {
    for (field, value) in [
        ("auth[domain]", "127.0.0.1:9"),
        ("auth[client_endpoint]", "http://127.0.0.1:9/rest/"),
    ] {
        let house = refused(
            install().with(field, Some(value)),
            EventResult::ForeignPortal,
        )
        .await;
        assert_eq!(house.questions(), 1);
    }
}

#[tokio::test]
async fn a_token_of_another_portal_is_refused() {
    let other = member_id(OTHER_PORTAL);
    let event = install().with("auth[member_id]", Some(&other));
    refused(event, EventResult::ForeignPortal).await;
}

#[tokio::test]
async fn a_token_of_another_application_is_refused() {
    let house = House::open().await;
    assert_eq!(house.send(SECOND, demo::HOST, install()).await, 200);
    house
        .comes_to("install", EventResult::ForeignApplication, 1)
        .await;
    assert!(house.tenants().await.is_empty());
}

#[tokio::test]
async fn events_of_another_time_are_refused() {
    for seconds in [-660, 360] {
        let event = install().with("ts", Some(&in_seconds(seconds)));
        let house = refused(event, EventResult::OutOfTime).await;
        assert_eq!(house.questions(), 0);
    }
    let house = House::open().await;
    for (count, seconds) in [(1, -540), (2, 240)] {
        let event = install().with("ts", Some(&in_seconds(seconds)));
        house.send(APPLICATION, demo::HOST, event).await;
        let outcome = if count == 1 {
            EventResult::Created
        } else {
            EventResult::Reinstalled
        };
        house.comes_to("install", outcome, 1).await;
    }
}

#[tokio::test]
async fn an_event_that_comes_again_changes_nothing() {
    let house = House::open().await;
    let form = house.form(demo::HOST, install());
    house.post(APPLICATION, &form).await;
    house.comes_to("install", EventResult::Created, 1).await;
    let before = house.only_tenant().await;
    house.marked_and_disabled(&before.id).await;
    house.post(APPLICATION, &form).await;
    house
        .comes_to("install", EventResult::AlreadyKnown, 1)
        .await;
    let after = house.only_tenant().await;
    assert!(after.reauthorization.is_some());
    assert_eq!(after.application().unwrap().generation, 1);
    assert_eq!(house.questions(), 1);
}

#[tokio::test]
async fn an_old_event_that_comes_again_after_a_refresh_changes_nothing() {
    let house = House::open().await;
    let form = house.form(demo::HOST, install());
    house.post(APPLICATION, &form).await;
    house.comes_to("install", EventResult::Created, 1).await;
    let tenant = house.only_tenant().await;
    // The pair of the event is used up, as a refresh does, and another one is stored.
    for pair in house.sandbox.pairs(demo::HOST, demo::CLIENT_ID) {
        house.sandbox.revoke(pair.refresh_token.expose_secret());
    }
    let refreshed = house.store.modify(&tenant.id, |tenant| {
        if let StoredCredentials::Application(application) = &mut tenant.credentials {
            application.access_token = Some("newer".into());
            application.refresh_token = Some("newer".into());
        }
        Ok::<(), ()>(())
    });
    let refreshed = refreshed.await.unwrap();
    house.post(APPLICATION, &form).await;
    house
        .comes_to("install", EventResult::TokenRefused, 1)
        .await;
    assert_eq!(house.only_tenant().await.revision, refreshed.revision);
}

#[tokio::test]
async fn of_two_installations_the_newer_one_stays_whichever_comes_first() {
    let house = House::open().await;
    let older = house.form(demo::HOST, install().with("ts", Some(&in_seconds(-30))));
    let newer = house.form(demo::HOST, install());
    house.post(APPLICATION, &newer).await;
    house.comes_to("install", EventResult::Created, 1).await;
    let before = house.only_tenant().await;
    house.post(APPLICATION, &older).await;
    house.comes_to("install", EventResult::OutOfTime, 1).await;
    assert_eq!(house.only_tenant().await.revision, before.revision);
}

#[tokio::test]
async fn a_tenant_that_is_somebody_elses_is_not_taken() {
    let house = House::open().await;
    let id = TenantId::parse(&format!("chat.{}", member_id(demo::HOST))).unwrap();
    let stranger = StoredTenant {
        id: id.clone(),
        display_name: String::new(),
        portal: "stranger.bitrix24.com".to_owned(),
        member_id: None,
        plan: None,
        credentials: StoredCredentials::Webhook {
            user_id: 1,
            secret: "abc".into(),
        },
        disabled: false,
        reauthorization: None,
        origin: Origin::Api,
        file_fingerprint: None,
        last_event: None,
        revision: 0,
        created_at: Timestamp::UNIX_EPOCH,
        updated_at: Timestamp::UNIX_EPOCH,
    };
    house.store.create(&stranger).await.unwrap();
    house.send(APPLICATION, demo::HOST, install()).await;
    house.comes_to("install", EventResult::IdTaken, 1).await;
    let tenant = house.only_tenant().await;
    assert_eq!(
        (tenant.portal.as_str(), tenant.revision),
        ("stranger.bitrix24.com", 1)
    );
}

//! Installation without hands: the sandbox clicks Install, and a real store has the tenant.

mod door;
mod flood;
mod forgeries;
mod house;
mod order;
mod removal;
mod trouble;

use bitrix24_openlines::testing::install::EventResult;
use jiff::Timestamp;
use sandbox::{Event, EventScope, decode_form, demo};
use secrecy::ExposeSecret;
use serde_json::Value;
use store::Origin;

use crate::support::stores::{Stores, on_both_stores};

use house::{APPLICATION, House, OTHER_PORTAL, SECOND, SECOND_ID, install, member_id};

/// What the sandbox has put into an event.
fn told(form: &str, field: &str) -> String {
    let form = Value::Object(decode_form(form));
    form["auth"][field].as_str().unwrap().to_owned()
}

#[tokio::test]
async fn a_portal_is_a_tenant_after_its_administrator_has_clicked_install() {
    for scope in [EventScope::Comma, EventScope::Space, EventScope::CommaSpace] {
        let house = House::open().await;
        house
            .sandbox
            .switch(|switches| switches.event_scope = scope);
        let form = house.form(demo::HOST, install());
        assert_eq!(house.post(APPLICATION, &form).await, 200);
        house.comes_to("install", EventResult::Created, 1).await;

        let tenant = house.only_tenant().await;
        assert_eq!(
            tenant.id.as_str(),
            format!("chat.{}", member_id(demo::HOST))
        );
        let portal = format!("http://{}", house.sandbox.address());
        assert_eq!(
            (tenant.portal.as_str(), tenant.display_name.as_str()),
            (portal.as_str(), "127.0.0.1")
        );
        assert_eq!(
            tenant.member_id.as_ref().unwrap().as_str(),
            member_id(demo::HOST)
        );
        assert_eq!(
            (tenant.origin, tenant.disabled),
            (Origin::Installation, false)
        );
        assert_eq!(tenant.reauthorization, None);
        let application = tenant.application().unwrap();
        assert_eq!(
            application.client_id.as_ref().unwrap().as_str(),
            demo::CLIENT_ID
        );
        assert!(application.client_secret.is_none());
        assert_eq!(
            application.authorization_server.as_deref(),
            Some(portal.as_str())
        );
        assert_eq!(
            application.scopes,
            ["imopenlines", "imconnector", "im", "crm"]
        );
        assert_eq!(application.generation, 1);
        for (secret, field) in [
            (&application.access_token, "access_token"),
            (&application.refresh_token, "refresh_token"),
            (&application.application_token, "application_token"),
        ] {
            assert_eq!(secret.as_ref().unwrap().expose_secret(), told(&form, field));
        }
        let left = application
            .access_token_expires_at
            .unwrap()
            .duration_since(Timestamp::now());
        assert!((3500..=3600).contains(&left.as_secs()), "{left}");
    }
}

#[tokio::test]
async fn the_event_is_taken_from_the_sandbox_itself() {
    let house = House::open().await;
    let status = house
        .sandbox
        .install(demo::HOST, demo::CLIENT_ID, &house.handler(APPLICATION))
        .await;
    assert_eq!(status.unwrap(), 200);
    house.comes_to("install", EventResult::Created, 1).await;
    let live = house
        .sandbox
        .current_pair(demo::HOST, demo::CLIENT_ID)
        .unwrap();
    let tenant = house.only_tenant().await;
    let refresh_token = tenant
        .application()
        .unwrap()
        .refresh_token
        .as_ref()
        .unwrap();
    assert_eq!(
        refresh_token.expose_secret(),
        live.refresh_token.expose_secret()
    );
}

#[tokio::test]
async fn what_an_event_may_lack_is_not_missed() {
    let house = House::open().await;
    let mut event = install();
    for field in [
        "auth[expires]",
        "auth[expires_in]",
        "auth[scope]",
        "auth[domain]",
        "auth[client_endpoint]",
        "auth[status]",
        "auth[user_id]",
        "event_handler_id",
        "data[VERSION]",
    ] {
        event = event.with(field, None);
    }
    assert_eq!(house.send(APPLICATION, demo::HOST, event).await, 200);
    house.comes_to("install", EventResult::Created, 1).await;
    let tenant = house.only_tenant().await;
    assert_eq!(tenant.portal, format!("http://{}", house.sandbox.address()));
    assert_eq!(tenant.application().unwrap().scopes.len(), 4);
}

#[tokio::test]
async fn each_portal_and_each_application_makes_a_tenant_of_its_own() {
    let house = House::open().await;
    assert_eq!(house.send(APPLICATION, demo::HOST, install()).await, 200);
    assert_eq!(
        house
            .send(SECOND, demo::HOST, install().of(SECOND_ID))
            .await,
        200
    );
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    house.sandbox.listen(listener, OTHER_PORTAL).unwrap();
    assert_eq!(house.send(APPLICATION, OTHER_PORTAL, install()).await, 200);
    house.comes_to("install", EventResult::Created, 3).await;
    let ids: Vec<String> = house
        .tenants()
        .await
        .iter()
        .map(|tenant| tenant.id.to_string())
        .collect();
    let mut expected = [
        format!("chat.{}", member_id(demo::HOST)),
        format!("chat.{}", member_id(OTHER_PORTAL)),
        format!("crm.{}", member_id(demo::HOST)),
    ];
    expected.sort();
    assert_eq!(ids, expected);
}

#[tokio::test]
async fn a_reinstallation_replaces_the_grant_and_ends_the_wait_for_a_person() {
    let house = House::open().await;
    house.send(APPLICATION, demo::HOST, install()).await;
    house.comes_to("install", EventResult::Created, 1).await;
    let before = house.only_tenant().await;
    house.marked_and_disabled(&before.id).await;

    let again = Event {
        renews_application_token: true,
        ..install()
    };
    let form = house.form(demo::HOST, again);
    assert_eq!(house.post(APPLICATION, &form).await, 200);
    house.comes_to("install", EventResult::Reinstalled, 1).await;
    let after = house.only_tenant().await;
    assert_eq!(
        (&after.id, after.created_at),
        (&before.id, before.created_at)
    );
    assert_eq!(after.reauthorization, None);
    assert!(
        after.disabled,
        "whether a tenant is disabled is the operator's matter"
    );
    let application = after.application().unwrap();
    assert_eq!(application.generation, 2);
    for (secret, field) in [
        (&application.access_token, "access_token"),
        (&application.refresh_token, "refresh_token"),
        (&application.application_token, "application_token"),
    ] {
        assert_eq!(secret.as_ref().unwrap().expose_secret(), told(&form, field));
    }
    let token = before
        .application()
        .unwrap()
        .application_token
        .clone()
        .unwrap();
    assert_ne!(token.expose_secret(), told(&form, "application_token"));
}

#[tokio::test]
async fn a_reinstallation_brings_the_new_address_of_a_renamed_portal() {
    let house = House::open().await;
    house.send(APPLICATION, demo::HOST, install()).await;
    house.comes_to("install", EventResult::Created, 1).await;
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let new = house.sandbox.rename(listener, demo::HOST).unwrap();
    house.send(APPLICATION, demo::HOST, install()).await;
    house.comes_to("install", EventResult::Reinstalled, 1).await;
    assert_eq!(house.only_tenant().await.portal, format!("http://{new}"));
}

on_both_stores!(
    the_same_event_many_times_at_once_makes_one_tenant,
    what_became_of_a_portal_is_stored,
);

async fn the_same_event_many_times_at_once_makes_one_tenant(stores: Stores) {
    let house = House::on(stores, |_| {}).await;
    let form = house.form(demo::HOST, install());
    let posts = (0..30).map(|_| house.post(APPLICATION, &form));
    let statuses = futures_util::future::join_all(posts).await;
    assert_eq!(statuses, vec![200; 30]);
    house
        .comes_to("install", EventResult::AlreadyKnown, 29)
        .await;
    house.comes_to("install", EventResult::Created, 1).await;
    assert_eq!(house.only_tenant().await.revision, 1);
}

async fn what_became_of_a_portal_is_stored(stores: Stores) {
    let house = House::on(stores, |_| {}).await;
    house.send(APPLICATION, demo::HOST, install()).await;
    house.comes_to("install", EventResult::Created, 1).await;
    assert_eq!(
        house.only_tenant().await.application().unwrap().generation,
        1
    );
    house
        .send(APPLICATION, demo::HOST, house::uninstall())
        .await;
    house
        .comes_to("uninstall", EventResult::Uninstalled, 1)
        .await;
    let tenant = house.only_tenant().await;
    assert_eq!(tenant.reauthorization.unwrap().cause, "uninstalled");
    house.send(APPLICATION, demo::HOST, install()).await;
    house.comes_to("install", EventResult::Reinstalled, 1).await;
    let tenant = house.only_tenant().await;
    assert_eq!(tenant.reauthorization, None);
    let live = house
        .sandbox
        .current_pair(demo::HOST, demo::CLIENT_ID)
        .unwrap();
    let application = tenant.application().unwrap();
    // The removal has taken the first pair away, which counts as another pair.
    assert_eq!(application.generation, 3);
    assert_eq!(
        application.refresh_token.as_ref().unwrap().expose_secret(),
        live.refresh_token.expose_secret()
    );
}

#[tokio::test]
async fn no_secret_of_an_event_shows_in_any_line_of_the_log() {
    let log = crate::support::log::Log::default();
    let _writing = log.start();
    let house = House::open().await;
    let mut secrets = vec![demo::CLIENT_SECRET.to_owned()];
    let mut post = async |event: Event| {
        let form = house.form(demo::HOST, event);
        for field in ["access_token", "refresh_token", "application_token"] {
            secrets.extend(
                decode_form(&form)["auth"][field]
                    .as_str()
                    .map(str::to_owned),
            );
        }
        house.post(APPLICATION, &form).await;
    };
    post(install()).await;
    house.comes_to("install", EventResult::Created, 1).await;
    let canary = "s3cr3tcanary.example";
    for (field, value) in [
        (
            "auth[server_endpoint]",
            "https://s3cr3tcanary.example/rest/",
        ),
        ("auth[access_token]", canary),
        ("auth[member_id]", canary),
        ("auth[domain]", canary),
    ] {
        post(install().with(field, Some(value))).await;
    }
    post(Event {
        renews_application_token: true,
        ..install()
    })
    .await;
    house
        .comes_to("install", EventResult::TokenRefused, 1)
        .await;
    house.comes_to("install", EventResult::Reinstalled, 1).await;
    post(house::uninstall()).await;
    house
        .comes_to("uninstall", EventResult::Uninstalled, 1)
        .await;
    let text = log.text();
    for line in [
        "processed an installation event",
        "refused an installation event",
        "audit",
    ] {
        assert!(text.contains(line), "{line} is not in\n{text}");
    }
    secrets.push("s3cr3tcanary".to_owned());
    assert!(secrets.len() > 15);
    for secret in secrets {
        assert!(!text.contains(&secret), "{secret} is in\n{text}");
    }
}

#[test]
fn the_page_names_every_outcome() {
    let page = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/installation.md");
    let page = std::fs::read_to_string(page).unwrap();
    for outcome in EventResult::ALL {
        let row = format!("\n| `{}` | ", outcome.as_str());
        assert!(page.contains(&row), "{outcome:?} is not in the table");
    }
}

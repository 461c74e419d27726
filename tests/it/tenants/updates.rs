//! What updates do to portals, credentials and tokens.

use bitrix24_openlines::api::openlines::tenants::v1 as api;
use bitrix24_openlines::api::openlines::tenants::v1::tenant::{Credentials, Origin, State};
use sandbox::{Fault, FaultKind, Gate, Moment, demo};

use super::office::{Desk, Office, application, application_of, webhook};
use crate::support::{APPLICATION, Told, WEBHOOK, until};

fn portal(address: &str) -> api::Tenant {
    api::Tenant {
        portal: address.to_owned(),
        ..Default::default()
    }
}

/// A change of the application's credentials alone.
fn tokens(credentials: api::ApplicationCredentials) -> api::Tenant {
    application("", credentials)
}

async fn refused(desk: &mut Desk, tenant: api::Tenant) -> Vec<(String, String)> {
    desk.update("acme", tenant, &[])
        .await
        .unwrap_err()
        .violations()
}

#[tokio::test]
async fn a_new_webhook_secret_is_used_by_the_next_call() {
    let office = Office::open().await;
    let mut desk = office.manager().await;
    let wrong = webhook(&office.portal(), demo::OWNER, "wrong");
    desk.create("acme", wrong).await.unwrap();
    assert_eq!(
        office.send("acme").await.unwrap_err().reason(),
        "REAUTHORIZATION_REQUIRED"
    );
    let right = webhook("", 0, demo::WEBHOOK_SECRET);
    let updated = desk.update("acme", right, &[]).await.unwrap();
    assert_eq!(updated.state(), State::Active);
    office.send("acme").await.unwrap();
}

#[tokio::test]
async fn new_tokens_end_the_need_for_a_person() {
    let office = Office::open().await;
    let mut desk = office.manager().await;
    let dead = api::ApplicationCredentials {
        access_token: String::new(),
        refresh_token: "dead".to_owned(),
        ..application_of(&office.application()).clone()
    };
    desk.create("acme", application(&office.portal(), dead))
        .await
        .unwrap();
    assert_eq!(
        office.send("acme").await.unwrap_err().reason(),
        "REAUTHORIZATION_REQUIRED"
    );
    let marked = desk.get("acme").await.unwrap();
    assert_eq!(marked.state(), State::ReauthorizationRequired);
    let required = marked.reauthorization.unwrap();
    assert_eq!(required.cause, "invalid_grant");
    assert!(required.occur_time.unwrap().seconds > 1_700_000_000);

    // Another name is no reason to try again.
    let named = api::Tenant {
        display_name: "Acme".to_owned(),
        ..Default::default()
    };
    let renamed = desk.update("acme", named, &[]).await.unwrap();
    assert_eq!(renamed.state(), State::ReauthorizationRequired);

    let alive = tokens(api::ApplicationCredentials {
        refresh_token: demo::REFRESH_TOKEN.to_owned(),
        ..Default::default()
    });
    let updated = desk.update("acme", alive, &[]).await.unwrap();
    assert_eq!(updated.state(), State::Active);
    assert_eq!(updated.reauthorization, None);
    let (before, after) = (application_of(&renamed), application_of(&updated));
    assert!(after.token_generation > before.token_generation);
    office.send("acme").await.unwrap();
}

#[tokio::test]
async fn another_name_does_not_touch_the_tokens() {
    let office = Office::open().await;
    let mut desk = office.manager().await;
    let created = desk.create("acme", office.application()).await.unwrap();
    let named = api::Tenant {
        display_name: "Acme".to_owned(),
        ..Default::default()
    };
    let updated = desk.update("acme", named, &[]).await.unwrap();
    assert_eq!(updated.credentials, created.credentials);
    office.send("acme").await.unwrap();
    assert_eq!(office.sandbox.record().refreshes(), 0);
}

#[tokio::test]
async fn a_refresh_token_without_its_access_token_replaces_both() {
    let office = Office::open().await;
    let mut desk = office.manager().await;
    let expiry = prost_types::Timestamp {
        seconds: 4_000_000_000,
        nanos: 0,
    };
    let credentials = api::ApplicationCredentials {
        access_token_expire_time: Some(expiry),
        ..application_of(&office.application()).clone()
    };
    desk.create("acme", application(&office.portal(), credentials))
        .await
        .unwrap();
    let change = || api::ApplicationCredentials {
        refresh_token: demo::REFRESH_TOKEN.to_owned(),
        ..Default::default()
    };
    let updated = desk.update("acme", tokens(change()), &[]).await.unwrap();
    let application = application_of(&updated);
    assert!(!application.has_access_token && application.has_refresh_token);
    assert_eq!(application.access_token_expire_time, None);

    // A time without its token says nothing.
    let change = tokens(api::ApplicationCredentials {
        access_token_expire_time: Some(expiry),
        ..Default::default()
    });
    let updated = desk.update("acme", change, &[]).await.unwrap();
    assert_eq!(application_of(&updated).access_token_expire_time, None);
    let change = tokens(api::ApplicationCredentials {
        access_token: demo::ACCESS_TOKEN.to_owned(),
        access_token_expire_time: Some(expiry),
        ..Default::default()
    });
    let updated = desk.update("acme", change, &[]).await.unwrap();
    let application = application_of(&updated);
    assert!(application.has_access_token && application.has_refresh_token);
    assert_eq!(application.access_token_expire_time, Some(expiry));
    office.send("acme").await.unwrap();
}

#[tokio::test]
async fn stored_credentials_are_not_sent_to_another_portal() {
    let office = Office::open().await;
    let mut desk = office.manager().await;
    let needed = [("tenant.portal".to_owned(), "CREDENTIALS_NEEDED".to_owned())];
    let other = "other.bitrix24.com";

    desk.create("acme", office.webhook()).await.unwrap();
    assert_eq!(refused(&mut desk, portal(other)).await, needed);
    let user_only = webhook(other, 7, "");
    assert_eq!(refused(&mut desk, user_only).await[0], needed[0]);
    // The same portal once more is no other one.
    desk.update("acme", portal(&office.portal()), &[])
        .await
        .unwrap();
    let moved = desk
        .update("acme", webhook(other, 0, "n3w"), &[])
        .await
        .unwrap();
    assert_eq!(moved.portal, other);
    desk.delete("acme", "").await.unwrap();

    let credentials = api::ApplicationCredentials {
        application_token: "events".to_owned(),
        ..application_of(&office.application()).clone()
    };
    desk.create("acme", application(&office.portal(), credentials))
        .await
        .unwrap();
    assert_eq!(refused(&mut desk, portal(other)).await, needed);
    let mut change = tokens(api::ApplicationCredentials {
        access_token: "n3w".to_owned(),
        ..Default::default()
    });
    change.portal = other.to_owned();
    let moved = desk.update("acme", change, &[]).await.unwrap();
    let application = application_of(&moved);
    // What belonged to the old portal is gone; what identifies the application is not.
    assert!(application.has_access_token && application.has_client_secret);
    assert!(!application.has_refresh_token && !application.has_application_token);
    assert_eq!(application.client_id, demo::CLIENT_ID);
}

#[tokio::test]
async fn a_webhook_gives_way_to_an_application_and_back() {
    let office = Office::open().await;
    let mut desk = office.manager().await;
    desk.create("acme", office.webhook()).await.unwrap();
    let half = tokens(api::ApplicationCredentials {
        client_id: demo::CLIENT_ID.to_owned(),
        ..Default::default()
    });
    let expected = [("tenant.application".to_owned(), "TOKEN_REQUIRED".to_owned())];
    assert_eq!(refused(&mut desk, half).await, expected);

    let whole = application_of(&office.application()).clone();
    let updated = desk.update("acme", tokens(whole), &[]).await.unwrap();
    assert!(application_of(&updated).has_refresh_token);
    office.send("acme").await.unwrap();

    let expected = [("tenant.webhook.user_id".to_owned(), "REQUIRED".to_owned())];
    assert_eq!(refused(&mut desk, webhook("", 0, "x")).await, expected);
    let back = webhook("", demo::OWNER, demo::WEBHOOK_SECRET);
    let updated = desk.update("acme", back, &["webhook"]).await.unwrap();
    assert!(matches!(updated.credentials, Some(Credentials::Webhook(_))));
    office.send("acme").await.unwrap();
}

#[tokio::test]
async fn a_tenant_of_the_file_can_be_changed_like_any_other() {
    let office = Office::open().await;
    let mut desk = office.manager().await;
    for id in [APPLICATION, WEBHOOK] {
        let named = api::Tenant {
            display_name: "by hand".to_owned(),
            ..Default::default()
        };
        let updated = desk.update(id, named, &[]).await.unwrap();
        assert_eq!(updated.display_name, "by hand");
        assert_eq!(updated.origin(), Origin::File);
    }
    let change = webhook("", 0, "other");
    desk.update(WEBHOOK, change, &[]).await.unwrap();
    assert_eq!(
        office.send(WEBHOOK).await.unwrap_err().reason(),
        "REAUTHORIZATION_REQUIRED"
    );
}

#[tokio::test]
async fn credentials_that_the_settings_no_longer_complete_do_not_keep_a_tenant_from_being_renamed()
{
    let office = Office::open().await;
    let mut desk = office.manager().await;
    // An entry of the file may lack what the service asks of new credentials.
    let named = api::Tenant {
        display_name: "x".to_owned(),
        ..Default::default()
    };
    desk.update(APPLICATION, named, &["display_name"])
        .await
        .unwrap();
}

#[tokio::test]
async fn credentials_that_are_entered_while_a_refresh_is_under_way_stay() {
    let office = Office::open().await;
    let mut desk = office.manager().await;
    let to_webhook = || webhook("", demo::OWNER, demo::WEBHOOK_SECRET);
    let to_tokens = || {
        tokens(api::ApplicationCredentials {
            access_token: "entered".to_owned(),
            refresh_token: "entered".to_owned(),
            ..Default::default()
        })
    };
    for (id, entered) in [("acme", to_tokens()), ("beta", to_webhook())] {
        let credentials = api::ApplicationCredentials {
            access_token: String::new(),
            ..application_of(&office.application()).clone()
        };
        desk.create(id, application(&office.portal(), credentials))
            .await
            .unwrap();
        let gate = Gate::closed();
        let held = FaultKind::Held(Moment::After, gate.clone());
        office.sandbox.inject(Fault::once(held).for_oauth());
        let change = async {
            until("the refresh has reached the server", || {
                !office.sandbox.record().entries.is_empty()
            })
            .await;
            let updated = desk.update(id, entered, &[]).await.unwrap();
            gate.open();
            updated
        };
        let (_sent, entered) = tokio::join!(office.send(id), change);
        let after = desk.get(id).await.unwrap();
        assert_eq!(after, entered, "{id}");
        office.sandbox.clear_record();
    }
}

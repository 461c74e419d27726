//! Changes that were made from an old version.

use bitrix24_openlines::api::openlines::tenants::v1 as api;
use tonic::{Code, Status};

use super::office::Office;
use crate::support::Told;

fn named(display_name: &str, etag: &str) -> api::Tenant {
    api::Tenant {
        display_name: display_name.to_owned(),
        etag: etag.to_owned(),
        ..Default::default()
    }
}

fn assert_changed(refused: &Status) {
    assert_eq!(refused.code(), Code::Aborted);
    assert_eq!(refused.reason(), "TENANT_CHANGED");
    assert_eq!(refused.outcome(), "not_executed");
}

#[tokio::test]
async fn a_change_from_an_old_version_is_refused() {
    let office = Office::open().await;
    let mut desk = office.manager().await;
    let first = desk.create("acme", office.webhook()).await.unwrap().etag;
    let second = desk
        .update("acme", named("a", &first), &[])
        .await
        .unwrap()
        .etag;
    assert_ne!(first, second);
    for old in [first.as_str(), "nonsense"] {
        assert_changed(&desk.update("acme", named("b", old), &[]).await.unwrap_err());
        assert_changed(&desk.disable("acme", old).await.unwrap_err());
        assert_changed(&desk.enable("acme", old).await.unwrap_err());
        assert_changed(&desk.delete("acme", old).await.unwrap_err());
    }
    assert_eq!(desk.get("acme").await.unwrap().etag, second);
    let third = desk.disable("acme", &second).await.unwrap().etag;
    let fourth = desk.enable("acme", &third).await.unwrap().etag;
    desk.delete("acme", &fourth).await.unwrap();
}

#[tokio::test]
async fn what_changes_nothing_makes_no_new_version() {
    let office = Office::open().await;
    let mut desk = office.manager().await;
    let created = desk.create("acme", office.webhook()).await.unwrap();
    let same = desk
        .update("acme", named("", ""), &["display_name"])
        .await
        .unwrap();
    assert_eq!(same, created);
    assert_eq!(desk.enable("acme", "").await.unwrap(), created);
}

#[tokio::test]
async fn of_changes_from_the_same_version_one_wins() {
    let office = Office::open().await;
    let mut desk = office.manager().await;
    for round in 0..3 {
        let etag = if round == 0 {
            desk.create("acme", office.webhook()).await.unwrap().etag
        } else {
            desk.get("acme").await.unwrap().etag
        };
        let changes = (0..20).map(|number| {
            let (office, etag) = (&office, &etag);
            async move {
                let name = format!("{round}-{number}");
                let mut desk = office.manager().await;
                desk.update("acme", named(&name, etag), &[]).await
            }
        });
        let done = futures_util::future::join_all(changes).await;
        let (won, lost): (Vec<_>, Vec<_>) = done.into_iter().partition(Result::is_ok);
        assert_eq!(won.len(), 1);
        for refused in lost {
            assert_changed(&refused.unwrap_err());
        }
        let winner = won.into_iter().next().unwrap().unwrap();
        assert_eq!(desk.get("acme").await.unwrap(), winner);
    }
}

#[tokio::test]
async fn changes_of_different_fields_at_once_all_remain() {
    let office = Office::open().await;
    let mut desk = office.manager().await;
    desk.create("acme", office.webhook()).await.unwrap();
    let rename = async {
        let mut desk = office.manager().await;
        for number in 0..10 {
            desk.update("acme", named(&format!("n{number}"), ""), &[])
                .await
                .unwrap();
        }
    };
    let switch = async {
        let mut desk = office.manager().await;
        for _ in 0..5 {
            desk.disable("acme", "").await.unwrap();
            desk.enable("acme", "").await.unwrap();
        }
        desk.disable("acme", "").await.unwrap();
    };
    tokio::join!(rename, switch);
    let tenant = desk.get("acme").await.unwrap();
    assert_eq!(tenant.display_name, "n9");
    assert_eq!(tenant.state(), api::tenant::State::Disabled);
}

#[tokio::test]
async fn a_tenant_that_was_deleted_and_created_again_is_another_version() {
    let office = Office::open().await;
    let mut desk = office.manager().await;
    let first = desk.create("acme", office.webhook()).await.unwrap().etag;
    desk.delete("acme", "").await.unwrap();
    desk.create("acme", office.webhook()).await.unwrap();
    assert_changed(
        &desk
            .update("acme", named("b", &first), &[])
            .await
            .unwrap_err(),
    );
}

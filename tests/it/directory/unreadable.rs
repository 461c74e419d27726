//! Rows of the store that cannot be read: they concern nobody but their own tenant, and not for
//! longer than they last.

use super::office;
use crate::support::Told;
use crate::support::stores::{Stores, change, on_both_stores};

on_both_stores!(
    a_row_that_cannot_be_understood_hides_no_change_of_another_tenant,
    a_tenant_whose_secrets_did_not_open_works_as_soon_as_they_do,
);

/// Changes a row past the store, so that the directories notice.
async fn tamper(stores: &Stores, tenant: &str, assignment: &str) {
    stores
        .execute("UPDATE change_counter SET last_change = last_change + 1")
        .await;
    let number = "(SELECT last_change FROM change_counter)";
    let tamper =
        format!("UPDATE tenants SET {assignment}, change_number = {number} WHERE id = '{tenant}'");
    assert_eq!(stores.execute(&tamper).await, 1);
}

async fn a_row_that_cannot_be_understood_hides_no_change_of_another_tenant(stores: Stores) {
    let (office, _) = office(stores, &[]).await;
    for name in ["broken", "sound"] {
        office.store.create(&office.hook(name)).await.unwrap();
        office.soon(&office.service, name, "OK").await;
    }
    tamper(&office.stores, "broken", "plan = 'own'").await;
    change(&office.store, "sound", |tenant| tenant.disabled = true).await;
    office
        .soon(&office.service, "sound", "TENANT_DISABLED")
        .await;
    let told = office.call_of(&office.service, "broken", "Hello").await;
    let told = told.unwrap_err();
    assert_eq!(
        (told.reason(), told.outcome()),
        ("INTERNAL".to_owned(), "not_executed".to_owned())
    );

    tamper(&office.stores, "broken", "plan = NULL").await;
    office.soon(&office.service, "broken", "OK").await;
}

async fn a_tenant_whose_secrets_did_not_open_works_as_soon_as_they_do(stores: Stores) {
    let (office, _) = office(stores, &[]).await;
    for name in ["one", "other"] {
        office.store.create(&office.hook(name)).await.unwrap();
    }
    office.soon(&office.service, "one", "OK").await;
    let copy = "webhook_secret = (SELECT webhook_secret FROM tenants WHERE id = 'other')";
    office
        .stores
        .execute("CREATE TABLE kept AS SELECT webhook_secret FROM tenants WHERE id = 'one'")
        .await;
    tamper(&office.stores, "one", copy).await;
    office.soon(&office.service, "one", "TENANT_SEALED").await;
    // Nobody tells the directories: as when a key comes back into the keyring.
    office
        .stores
        .execute("UPDATE tenants SET webhook_secret = (SELECT webhook_secret FROM kept) WHERE id = 'one'")
        .await;
    office
        .call_of(&office.service, "one", "Hello")
        .await
        .unwrap();
}

//! Reading and changing tenants.

use bitrix24::Plan;
use bitrix24::{ClientId, MemberId};
use jiff::Timestamp;
use store::{
    Counts, CreateError, DeleteError, ModifyError, Origin, StoredCredentials, StoredTenant,
};

use crate::support::everything;
use crate::support::stores::{
    Stores, application, application_of, change, id, keyring, on_both_stores, webhook,
};

on_both_stores!(
    a_tenant_is_read_as_it_was_created,
    an_id_is_given_once,
    tenants_come_in_pages_in_the_order_of_their_ids,
    a_tenant_is_found_by_its_application_and_portal,
    a_change_is_stored_as_the_next_revision,
    every_field_can_be_changed,
    a_new_pair_of_tokens_is_a_new_generation,
    a_change_that_changes_nothing_writes_nothing,
    a_refused_change_writes_nothing,
    a_tenant_is_deleted_only_at_the_revision_that_was_named,
    a_tenant_with_an_old_id_is_never_taken_for_the_old_one,
    tenants_are_counted_by_their_states,
);

/// No field but those that must be there.
fn bare(name: &str) -> StoredTenant {
    let mut tenant = application(name);
    *application_of(&mut tenant) = Default::default();
    tenant.display_name = String::new();
    tenant.member_id = None;
    tenant.plan = None;
    tenant.disabled = false;
    tenant.reauthorization = None;
    tenant.origin = Origin::Installation;
    tenant.file_fingerprint = None;
    tenant
}

async fn a_tenant_is_read_as_it_was_created(stores: Stores) {
    let store = stores.open(&keyring()).await;
    assert!(store.tenant(&id("acme")).await.unwrap().is_none());
    for tenant in [application("acme"), webhook("hook"), bare("bare")] {
        let before = Timestamp::now().as_millisecond();
        let created = store.create(&tenant).await.unwrap();
        assert_eq!(created.revision, 1);
        assert!((before..=before + 20_000).contains(&created.created_at.as_millisecond()));
        assert_eq!(created.updated_at, created.created_at);

        let mut expected = tenant.clone();
        expected.revision = 1;
        expected.created_at = created.created_at;
        expected.updated_at = created.updated_at;
        if expected.application().is_some() {
            application_of(&mut expected).generation = 1;
        }
        assert_eq!(everything(&created), everything(&expected));
        let read = store.tenant(&tenant.id).await.unwrap().unwrap();
        assert_eq!(everything(&read), everything(&expected));
    }
}

async fn an_id_is_given_once(stores: Stores) {
    let store = stores.open(&keyring()).await;
    store.create(&webhook("acme")).await.unwrap();
    let last = store.last_change().await.unwrap();
    let again = store.create(&application("acme")).await;
    assert!(matches!(again, Err(CreateError::AlreadyExists)));
    assert_eq!(store.last_change().await.unwrap(), last);
    let kept = store.tenant(&id("acme")).await.unwrap().unwrap();
    assert!(kept.application().is_none());
}

async fn tenants_come_in_pages_in_the_order_of_their_ids(stores: Stores) {
    let store = stores.open(&keyring()).await;
    // In the order of their bytes, which is not that of any language.
    let sorted = ["0", "a", "a-b", "a.b", "a0", "a_b", "ab", "z"];
    for name in ["z", "a_b", "ab", "a", "a.b", "0", "a0", "a-b"] {
        store.create(&webhook(name)).await.unwrap();
    }
    let mut seen = Vec::new();
    let mut after = None;
    loop {
        let page = store.tenants(after.as_ref(), 3).await.unwrap();
        assert!(page.len() <= 3);
        let Some(last) = page.last() else { break };
        after = Some(last.as_ref().unwrap().id.clone());
        seen.extend(
            page.into_iter()
                .map(|tenant| tenant.unwrap().id.to_string()),
        );
    }
    assert_eq!(seen, sorted);
}

async fn a_tenant_is_found_by_its_application_and_portal(stores: Stores) {
    let store = stores.open(&keyring()).await;
    let client = ClientId::parse("local.5a6d.1000").unwrap();
    let member = MemberId::parse("a223c6b3710f85df22e9377d6c4f7553").unwrap();
    assert!(store.of_member(&client, &member).await.unwrap().is_none());
    store.create(&bare("bare")).await.unwrap();
    store.create(&webhook("hook")).await.unwrap();
    store.create(&application("acme")).await.unwrap();
    let found = store.of_member(&client, &member).await.unwrap().unwrap();
    assert_eq!(found.id, id("acme"));
    let other = MemberId::parse("a223c6b3710f85df22e9377d6c4f7554").unwrap();
    assert!(store.of_member(&client, &other).await.unwrap().is_none());
}

async fn a_change_is_stored_as_the_next_revision(stores: Stores) {
    let store = stores.open(&keyring()).await;
    let created = store.create(&webhook("acme")).await.unwrap();
    let changed = store
        .modify(&created.id, |tenant| {
            tenant.display_name = "Acme".to_owned();
            // Not the caller's to decide.
            tenant.id = id("other");
            tenant.revision = 99;
            tenant.created_at = Timestamp::UNIX_EPOCH;
            Ok::<_, ()>(())
        })
        .await
        .unwrap();
    assert_eq!(changed.id, created.id);
    assert_eq!(changed.revision, 2);
    assert_eq!(changed.display_name, "Acme");
    assert_eq!(changed.created_at, created.created_at);
    assert!(changed.updated_at >= created.updated_at);
    let read = store.tenant(&created.id).await.unwrap().unwrap();
    assert_eq!(everything(&read), everything(&changed));
    assert!(store.tenant(&id("other")).await.unwrap().is_none());

    let missing = store.modify(&id("none"), |_| Ok::<_, ()>(())).await;
    assert!(matches!(missing, Err(ModifyError::NotFound)));
}

async fn every_field_can_be_changed(stores: Stores) {
    let store = stores.open(&keyring()).await;
    let full = application("acme");
    let changes: [fn(&mut StoredTenant); 18] = [
        |tenant| tenant.display_name.push('!'),
        |tenant| tenant.portal.push('x'),
        |tenant| tenant.member_id = None,
        |tenant| tenant.plan = Some(Plan::Enterprise),
        |tenant| tenant.plan = None,
        |tenant| tenant.disabled = !tenant.disabled,
        |tenant| tenant.reauthorization = None,
        |tenant| tenant.origin = Origin::File,
        |tenant| tenant.file_fingerprint = Some([8; 32]),
        |tenant| application_of(tenant).client_id = None,
        |tenant| application_of(tenant).client_secret = Some("new".into()),
        |tenant| application_of(tenant).authorization_server = None,
        |tenant| application_of(tenant).application_token = Some("new".into()),
        |tenant| application_of(tenant).scopes.clear(),
        |tenant| application_of(tenant).access_token = Some("new".into()),
        |tenant| application_of(tenant).access_token_expires_at = None,
        |tenant| application_of(tenant).refresh_token = Some("new".into()),
        |tenant| tenant.credentials = webhook("acme").credentials,
    ];
    store.create(&full).await.unwrap();
    for (revision, part) in (2..).zip(changes) {
        let mut expected = String::new();
        let changed = change(&store, "acme", |tenant| {
            part(tenant);
            expected = everything(tenant);
        })
        .await;
        assert_eq!(changed.revision, revision);
        let read = store.tenant(&full.id).await.unwrap().unwrap();
        assert_eq!(everything(&read), everything(&changed));
        assert_eq!(comparable(&expected), comparable(&everything(&read)));
    }
}

/// Without what the store decides.
fn comparable(everything: &str) -> String {
    let pattern = "(generation|revision): [0-9]+|(created_at|updated_at): [^ ,]+";
    let pattern = regex::Regex::new(pattern).unwrap();
    pattern.replace_all(everything, "").into_owned()
}

async fn a_new_pair_of_tokens_is_a_new_generation(stores: Stores) {
    let store = stores.open(&keyring()).await;
    store.create(&application("acme")).await.unwrap();
    let generation_after = async |part: fn(&mut StoredTenant)| {
        let changed = change(&store, "acme", part).await;
        changed
            .application()
            .map(|application| application.generation)
    };
    let renamed = generation_after(|tenant| tenant.portal.push('x')).await;
    assert_eq!(renamed, Some(1));
    let refreshed = generation_after(|tenant| {
        application_of(tenant).access_token = Some("a2".into());
        application_of(tenant).refresh_token = Some("r2".into());
        // Whether the caller counts too makes no difference.
        application_of(tenant).generation += 1;
    });
    assert_eq!(refreshed.await, Some(2));
    let refreshed =
        generation_after(|tenant| application_of(tenant).access_token = Some("a3".into()));
    assert_eq!(refreshed.await, Some(3));
    // A webhook between two applications makes the second one's pair no old one.
    generation_after(|tenant| tenant.credentials = webhook("acme").credentials).await;
    let again = generation_after(|tenant| tenant.credentials = application("acme").credentials);
    assert!(again.await > Some(3));
}

async fn a_change_that_changes_nothing_writes_nothing(stores: Stores) {
    let store = stores.open(&keyring()).await;
    for tenant in [webhook("hook"), application("acme")] {
        let created = store.create(&tenant).await.unwrap();
        let last = store.last_change().await.unwrap();
        let modify = store.modify(&tenant.id, |found| {
            found.credentials = tenant.credentials.clone();
            Ok::<_, ()>(())
        });
        let same = modify.await.unwrap();
        assert_eq!(everything(&same), everything(&created));
        assert_eq!(store.last_change().await.unwrap(), last);
    }
}

async fn a_refused_change_writes_nothing(stores: Stores) {
    let store = stores.open(&keyring()).await;
    let created = store.create(&application("acme")).await.unwrap();
    let last = store.last_change().await.unwrap();
    let refused = store.modify(&created.id, |tenant| {
        tenant.display_name = "never".to_owned();
        Err("no")
    });
    assert!(matches!(refused.await, Err(ModifyError::Refused("no"))));
    let read = store.tenant(&created.id).await.unwrap().unwrap();
    assert_eq!(everything(&read), everything(&created));
    assert_eq!(store.last_change().await.unwrap(), last);
}

async fn a_tenant_is_deleted_only_at_the_revision_that_was_named(stores: Stores) {
    let store = stores.open(&keyring()).await;
    store.create(&webhook("acme")).await.unwrap();
    store.create(&webhook("other")).await.unwrap();
    let changed = store.delete(&id("acme"), Some(2)).await;
    assert!(matches!(changed, Err(DeleteError::Changed)));
    assert!(store.tenant(&id("acme")).await.unwrap().is_some());
    store.delete(&id("acme"), Some(1)).await.unwrap();
    assert!(store.tenant(&id("acme")).await.unwrap().is_none());
    let gone = store.delete(&id("acme"), None).await;
    assert!(matches!(gone, Err(DeleteError::NotFound)));
    store.delete(&id("other"), None).await.unwrap();
    assert!(store.tenants(None, 10).await.unwrap().is_empty());
}

async fn a_tenant_with_an_old_id_is_never_taken_for_the_old_one(stores: Stores) {
    let store = stores.open(&keyring()).await;
    store.create(&application("acme")).await.unwrap();
    store.delete(&id("acme"), None).await.unwrap();
    let again = store.create(&application("acme")).await.unwrap();
    assert_eq!(again.revision, 2);
    assert_eq!(again.application().unwrap().generation, 2);
    let stale = store.delete(&id("acme"), Some(1)).await;
    assert!(matches!(stale, Err(DeleteError::Changed)));
}

async fn tenants_are_counted_by_their_states(stores: Stores) {
    let store = stores.open(&keyring()).await;
    assert_eq!(store.count().await.unwrap(), Counts::default());
    store.last_change().await.unwrap();
    let mut disabled = webhook("disabled");
    disabled.reauthorization = None;
    let mut waiting = webhook("waiting");
    waiting.disabled = false;
    for tenant in [webhook("both"), disabled, waiting, bare("neither")] {
        store.create(&tenant).await.unwrap();
    }
    let expected = Counts {
        tenants: 4,
        disabled: 2,
        reauthorization_required: 2,
    };
    assert_eq!(store.count().await.unwrap(), expected);
    let webhook = store.tenant(&id("both")).await.unwrap().unwrap();
    assert!(matches!(
        webhook.credentials,
        StoredCredentials::Webhook { user_id: 7, .. }
    ));
}

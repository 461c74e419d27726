//! A secret goes only where it was sealed for.

use bitrix24::{ClientId, MemberId};
use secrecy::ExposeSecret;
use store::sealing::DoesNotOpen;
use store::{Access, Keyring, StoreError, StoredApplication, StoredCredentials};

use crate::support::everything;
use crate::support::stores::{
    Stores, application, application_of, change, id, keyring, on_both_stores, webhook,
};

on_both_stores!(
    a_secret_does_not_open_when_its_destination_was_changed_past_the_service,
    a_change_by_the_service_takes_the_secrets_along,
    seals_of_an_earlier_version_are_resealed_at_the_start_and_open_nowhere_else,
    a_row_that_calls_itself_old_is_judged_by_its_seals,
    a_tenant_without_secrets_cannot_be_invented_or_diverted,
);

async fn a_secret_does_not_open_when_its_destination_was_changed_past_the_service(stores: Stores) {
    let store = stores.open(&keyring()).await;
    store.create(&application("app")).await.unwrap();
    store.create(&webhook("hook")).await.unwrap();
    for (tenant, column, elsewhere) in [
        ("app", "portal", "'thief.bitrix24.example'"),
        ("app", "portal", "'APP.bitrix24.example'"),
        ("app", "member_id", "'b223c6b3710f85df22e9377d6c4f7553'"),
        ("app", "member_id", "NULL"),
        ("app", "client_id", "'local.thief'"),
        ("app", "authorization_server", "'oauth.bitrix24.tech'"),
        ("app", "authorization_server", "NULL"),
        ("hook", "portal", "'thief.bitrix24.example'"),
        ("hook", "webhook_user_id", "1"),
        ("hook", "member_id", "NULL"),
    ] {
        let before = store.tenant(&id(tenant)).await.unwrap().unwrap();
        stores
            .execute("CREATE TABLE kept AS SELECT * FROM tenants")
            .await;
        let divert = format!("UPDATE tenants SET {column} = {elsewhere} WHERE id = '{tenant}'");
        assert_eq!(stores.execute(&divert).await, 1);
        let opened = store.tenant(&id(tenant)).await;
        assert!(
            matches!(
                opened,
                Err(StoreError::Sealed {
                    source: DoesNotOpen::Forged,
                    ..
                })
            ),
            "{column} {elsewhere}: {opened:?}"
        );
        // Nor does the command seal it anew for its new destination.
        let resealed = store.reseal().await.unwrap();
        assert_eq!(resealed.tenants, 0);
        let back = format!(
            "UPDATE tenants SET {column} = (SELECT {column} FROM kept WHERE id = '{tenant}') WHERE id = '{tenant}'"
        );
        assert_eq!(stores.execute(&back).await, 1);
        stores.execute("DROP TABLE kept").await;
        let after = store.tenant(&id(tenant)).await.unwrap().unwrap();
        assert_eq!(everything(&after), everything(&before));
    }
}

async fn a_change_by_the_service_takes_the_secrets_along(stores: Stores) {
    let store = stores.open(&keyring()).await;
    store.create(&application("app")).await.unwrap();
    store.create(&webhook("hook")).await.unwrap();
    for name in ["app", "hook"] {
        let moved = change(&store, name, |tenant| {
            tenant.portal = "new.bitrix24.example".to_owned();
            if let StoredCredentials::Webhook { user_id, .. } = &mut tenant.credentials {
                *user_id = 8;
            }
        });
        let moved = moved.await;
        let stored = store.tenant(&id(name)).await.unwrap().unwrap();
        assert_eq!(everything(&stored), everything(&moved));
    }
}

/// The key of the rows below.
pub(crate) const OLD_KEY: &str =
    "b24s_oldformoldfo_abcdefghijklmnopqrstuvwxyz234567abcdefghijklmnopqrst";

/// Rows as version 0.1.0 wrote them before its tables knew of forms, with other columns at their
/// usual values.
pub(crate) fn old_row(stores: &Stores, name: &str, column: &str, sealed: &str) -> String {
    let bytes = |hexadecimal: &str| {
        if stores.is_shared() {
            format!("'\\x{hexadecimal}'")
        } else {
            format!("x'{hexadecimal}'")
        }
    };
    let (credentials, user_id) = match column {
        "webhook_secret" => ("webhook", "7"),
        _ => ("application", "NULL"),
    };
    format!(
        "INSERT INTO tenants (id, display_name, portal, credentials, webhook_user_id, scopes, {column}, \
         generation, disabled, origin, sealing_key, sealed_values, revision, change_number, created_at, \
         updated_at) VALUES ('{name}', '', '{name}.bitrix24.example', '{credentials}', {user_id}, '[]', {}, \
         1, FALSE, 'api', 'oldformoldfo', 1, 1, (SELECT COALESCE(MAX(change_number), 0) + 1 FROM tenants), 0, 0)",
        bytes(sealed),
    )
}

const OLD_WEBHOOK_SECRET: &str = "016F6C64666F726D6F6C64666F957758FB9AB1FB837E049D7861B748FDAD35782E83B9F4333ED90F5FE6769966F3AF196A54C3DDCCFEB4A1542D729B936B4521681E9692467BEFF35C1C5F5EDBFE";
pub(crate) const OLD_ACCESS_TOKEN: &str = "016F6C64666F726D6F6C64666F1A228617689B28C10249465C8A1B1B0CEF87DF0CF9DA4DAAA925D4F2B2046002200004F161AFC65D49892C0D7D22C2E5D4A8765B5815B56439165A717D1FBBDE";

async fn seals_of_an_earlier_version_are_resealed_at_the_start_and_open_nowhere_else(
    stores: Stores,
) {
    let keyring = Keyring::parse(OLD_KEY).unwrap();
    let store = stores.open(&keyring).await;
    for (name, column, sealed) in [
        ("hook", "webhook_secret", OLD_WEBHOOK_SECRET),
        ("acme", "access_token", OLD_ACCESS_TOKEN),
    ] {
        stores
            .execute(&old_row(&stores, name, column, sealed))
            .await;
        let opened = store.tenant(&id(name)).await;
        assert!(
            matches!(
                opened,
                Err(StoreError::Sealed {
                    source: DoesNotOpen::Unaddressed,
                    ..
                })
            ),
            "{opened:?}"
        );
    }
    drop(store);
    let store = stores.open(&keyring).await;
    let hook = store.tenant(&id("hook")).await.unwrap().unwrap();
    let StoredCredentials::Webhook { secret, .. } = &hook.credentials else {
        panic!("{hook:?}")
    };
    assert_eq!(secret.expose_secret(), "hook-webhook-s3cr3tcanary");
    let acme = store.tenant(&id("acme")).await.unwrap().unwrap();
    let token = acme.application().unwrap().access_token.as_ref().unwrap();
    assert_eq!(token.expose_secret(), "acme-access-s3cr3tcanary");
    assert_eq!(acme.revision, 1);
    let forms = stores.texts("SELECT CAST(sealed_form AS TEXT) FROM tenants");
    assert_eq!(forms.await, ["2", "2"]);

    // A value of before, put back beside another portal, does not open any more.
    stores
        .execute("DELETE FROM tenants WHERE id = 'hook'")
        .await;
    let again = old_row(&stores, "hook", "webhook_secret", OLD_WEBHOOK_SECRET);
    stores.execute(&again).await;
    stores
        .execute("UPDATE tenants SET portal = 'thief.bitrix24.example', sealed_form = 2 WHERE id = 'hook'")
        .await;
    drop(store);
    let store = stores.open(&keyring).await;
    let opened = store.tenant(&id("hook")).await;
    assert!(
        matches!(opened, Err(StoreError::Sealed { .. })),
        "{opened:?}"
    );
    // The operator's command re-seals what is old, too.
    stores
        .execute("UPDATE tenants SET portal = id || '.bitrix24.example', sealed_form = 1")
        .await;
    let command = stores
        .try_open(&keyring, Access::Maintenance)
        .await
        .unwrap();
    assert_eq!(command.reseal().await.unwrap().tenants, 2);
    assert!(store.tenant(&id("hook")).await.unwrap().is_some());
}

async fn a_row_that_calls_itself_old_is_judged_by_its_seals(stores: Stores) {
    let keyring = keyring();
    let store = stores.open(&keyring).await;
    store.create(&webhook("hook")).await.unwrap();
    stores
        .execute("UPDATE tenants SET portal = 'thief.bitrix24.example', sealed_form = 1")
        .await;
    drop(store);
    let store = stores.open(&keyring).await;
    let opened = store.tenant(&id("hook")).await;
    assert!(
        matches!(opened, Err(StoreError::Sealed { .. })),
        "{opened:?}"
    );
}

/// Such a tenant gets the tokens of the next installation on its portal.
async fn a_tenant_without_secrets_cannot_be_invented_or_diverted(stores: Stores) {
    let keyring = keyring();
    let store = stores.open(&keyring).await;
    let mut bare = application("bare");
    *application_of(&mut bare) = StoredApplication::default();
    let created = store.create(&bare).await.unwrap();
    let opened = store.tenant(&created.id).await.unwrap().unwrap();
    assert_eq!(everything(&opened), everything(&created));
    stores
        .execute("UPDATE tenants SET member_id = 'b223c6b3710f85df22e9377d6c4f7553'")
        .await;
    for (name, form) in [("old", 1), ("new", 2)] {
        let invented = format!(
            "INSERT INTO tenants (id, display_name, portal, member_id, client_id, credentials, scopes, generation, \
             disabled, origin, sealed_values, revision, change_number, created_at, updated_at, sealed_form) VALUES \
             ('{name}', '', 'x.bitrix24.example', 'b223', 'local.1', 'application', '[]', 1, FALSE, 'api', 0, 1, \
             (SELECT MAX(change_number) + 1 FROM tenants), 0, 0, {form})"
        );
        assert_eq!(stores.execute(&invented).await, 1);
    }
    for _ in 0..2 {
        let tenants = store.tenants(None, 10).await.unwrap();
        assert_eq!(tenants.len(), 3);
        for tenant in tenants {
            let source = tenant.unwrap_err().source;
            assert!(matches!(source, StoreError::Sealed { .. }), "{source:?}");
        }
        assert_eq!(store.reseal().await.unwrap().tenants, 0);
    }
    let (client, member) = (
        ClientId::parse("local.1").unwrap(),
        MemberId::parse("b223").unwrap(),
    );
    assert!(store.of_member(&client, &member).await.is_err());
}

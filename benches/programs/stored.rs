//! Tenants in the store of a service that has not started yet.

use std::path::Path;

use bitrix24::TenantId;
use jiff::Timestamp;
use store::sealing::Keyring;
use store::{Access, Origin, Store, StoreUrl, StoredCredentials, StoredTenant};

/// Opens the store of these files, or the one at this URL.
pub(crate) async fn open(folder: &Path, store_url: Option<&str>) -> Store {
    let keyring = std::fs::read_to_string(folder.join("keyring")).unwrap();
    let keyring = Keyring::parse(&keyring).unwrap();
    let sqlite = format!("sqlite:{}", folder.join("openlines.db").display());
    let url = StoreUrl::parse(store_url.unwrap_or(&sqlite)).unwrap();
    Store::open(&url, keyring, Access::Service).await.unwrap()
}

/// Adds a tenant to it.
pub(crate) async fn add(store: &Store, id: &str, portal: String, credentials: StoredCredentials) {
    let tenant = StoredTenant {
        id: TenantId::parse(id).unwrap(),
        display_name: String::new(),
        portal,
        member_id: None,
        plan: None,
        credentials,
        disabled: false,
        reauthorization: None,
        origin: Origin::Api,
        file_fingerprint: None,
        last_event: None,
        revision: 0,
        created_at: Timestamp::UNIX_EPOCH,
        updated_at: Timestamp::UNIX_EPOCH,
    };
    store.create(&tenant).await.unwrap();
}

//! What processes that serve from a store tell of themselves.

use std::time::Duration;

use store::Access;
use store::sealing::Key;
use uuid::Uuid;

use crate::support::stores::{Stores, keyring_of, on_both_stores};

on_both_stores!(a_heartbeat_tells_where_a_process_runs_and_which_keys_it_has);

const MINUTE: Duration = Duration::from_secs(60);

async fn a_heartbeat_tells_where_a_process_runs_and_which_keys_it_has(stores: Stores) {
    let (old, new) = (Key::generate().unwrap(), Key::generate().unwrap());
    let keyring = keyring_of(&[&old]);
    let store = stores.open(&keyring).await;
    let command = stores
        .try_open(&keyring, Access::Maintenance)
        .await
        .unwrap();
    assert_eq!(command.serving(MINUTE).await.unwrap(), []);
    let one = Uuid::new_v4();
    store.beat(one, Some("pod-1")).await.unwrap();
    let serving = command.serving(MINUTE).await.unwrap();
    assert_eq!(serving.len(), 1);
    assert_eq!(serving[0].id, one.to_string());
    assert_eq!(serving[0].host.as_deref(), Some("pod-1"));
    assert_eq!(serving[0].sealing_keys, Some(vec![old.id().clone()]));
    // A changed keyring is told with the next one.
    keyring.replace(keyring_of(&[&new, &old]));
    store.beat(one, Some("pod-1")).await.unwrap();
    let serving = command.serving(MINUTE).await.unwrap();
    let both = vec![new.id().clone(), old.id().clone()];
    assert_eq!(serving[0].sealing_keys, Some(both));
    // One of an earlier version tells nothing.
    stores
        .execute("INSERT INTO replicas (id, seen_at) SELECT 'old', now_milliseconds FROM clock")
        .await;
    let serving = command.serving(MINUTE).await.unwrap();
    let silent = serving.iter().find(|replica| replica.id == "old").unwrap();
    assert_eq!((&silent.host, &silent.sealing_keys), (&None, &None));
    store.depart(one).await.unwrap();
    assert_eq!(command.serving(MINUTE).await.unwrap().len(), 1);
}

//! PostgreSQL goes away: tenants in memory go on, and what was changed meanwhile is caught up with.

use std::time::Duration;

use tokio::time::Instant;

use super::office;
use crate::support::REFRESHABLE;
use crate::support::Told;
use crate::support::proxy::{Mode, Proxy};
use crate::support::stores::{Stores, change};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn calls_go_on_while_the_database_is_away_and_changes_are_caught_up_with() {
    let Some(stores) = Stores::postgresql().await else {
        return;
    };
    let (proxy, url) = Proxy::before(stores.url()).await;
    let (office, _) = office(stores, &[("STORE_URL", &url)]).await;
    for name in ["hook", "other"] {
        office.store.create(&office.hook(name)).await.unwrap();
        office.soon(&office.service, name, "OK").await;
    }
    office.call("before").await.unwrap();

    for (mode, unknown) in [(Mode::Cut, "unknown"), (Mode::Silent, "unknown-too")] {
        proxy.set(mode);
        // Past the proxy, as another replica would.
        change(&office.store, "hook", |tenant| tenant.disabled = true).await;
        let begun = Instant::now();
        while begun.elapsed() < Duration::from_secs(3) {
            for name in [REFRESHABLE, "hook", "other"] {
                office
                    .call_of(&office.service, name, "Hello")
                    .await
                    .unwrap();
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        let status = office.call_of(&office.service, unknown, "Hello").await;
        assert_eq!(status.unwrap_err().reason(), "STORE_UNAVAILABLE");
        proxy.set(Mode::Open);
        let begun = Instant::now();
        loop {
            match office.call_of(&office.service, "hook", "Hello").await {
                Err(status) => {
                    assert_eq!(status.reason(), "TENANT_DISABLED");
                    break;
                }
                Ok(()) => assert!(begun.elapsed() < Duration::from_secs(15), "{mode:?}"),
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        change(&office.store, "hook", |tenant| tenant.disabled = false).await;
        office.soon(&office.service, "hook", "OK").await;
        office
            .soon(&office.service, unknown, "TENANT_NOT_PERMITTED")
            .await;
    }
}

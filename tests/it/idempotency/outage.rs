//! The database goes away, before and after a call is sent.

use std::time::Duration;

use futures_util::future::join_all;
use tokio::time::Instant;
use tonic::Code;
use uuid::Uuid;

use super::site::Site;
use crate::support::Told as _;
use crate::support::admin::until_queued;
use crate::support::proxy::{Mode, Proxy};
use crate::support::requests::crm_message;
use crate::support::stores::Stores;

/// A service with a proxy in front of PostgreSQL, whose tenant is in memory and which has a
/// connection to its portal.
async fn behind_a_proxy() -> Option<(Proxy, Site)> {
    let stores = Stores::postgresql().await?;
    let (proxy, url) = Proxy::before(stores.url()).await;
    let site = Site::with_store_url(stores, &url).await;
    site.crm(Uuid::new_v4(), "first").await.executed_now();
    Some((proxy, site))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn while_the_store_is_away_nothing_is_sent_with_an_id() {
    let Some((proxy, site)) = behind_a_proxy().await else {
        return;
    };
    let id = Uuid::new_v4();
    proxy.set(Mode::Cut);
    let refused = site.crm(id, "text").await.failed();
    assert_eq!(refused.reason(), "STORE_UNAVAILABLE");
    assert_eq!(refused.outcome(), "not_executed");
    proxy.set(Mode::Silent);
    let refused = site.crm_within(id, "text", "700m").await;
    assert_eq!(refused.code(), Code::Unavailable, "{refused:?}");
    assert_eq!(refused.reason(), "STORE_UNAVAILABLE");
    assert_eq!(refused.outcome(), "not_executed");
    assert_eq!(site.delivered("text"), 0);
    proxy.set(Mode::Cut);
    proxy.set(Mode::Open);
    comes_back(&site, id).await;
    assert_eq!(site.delivered("text"), 1);
}

/// The read was answered and the start is not: the call does not leave, and is not said to have
/// left.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_call_that_cannot_be_written_down_before_its_deadline_was_certainly_not_sent() {
    let Some((proxy, site)) = behind_a_proxy().await else {
        return;
    };
    let id = Uuid::new_v4();
    // It waits behind a call of its chat when the store falls silent.
    let gate = site.hold();
    let waiting = async {
        site.requests_have_come(2).await;
        site.crm_within(id, "text", "2S").await
    };
    let silence = async {
        until_queued(site.admin, 1).await;
        proxy.set(Mode::Silent);
        gate.open();
    };
    let before = site.send_crm(crm_message("before"));
    let (before, refused, ()) = tokio::join!(before, waiting, silence);
    before.executed_now();
    assert_eq!(refused.outcome(), "not_executed", "{refused:?}");
    proxy.set(Mode::Cut);
    proxy.set(Mode::Open);
    comes_back(&site, id).await;
    assert_eq!(site.delivered("text"), 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_caller_is_answered_if_the_store_goes_away_behind_the_call_and_the_answer_is_kept() {
    let Some((proxy, site)) = behind_a_proxy().await else {
        return;
    };
    let id = Uuid::new_v4();
    let gate = site.hold();
    let outage = async {
        site.requests_have_come(2).await;
        proxy.set(Mode::Cut);
        gate.open();
    };
    let (first, ()) = tokio::join!(site.crm(id, "text"), outage);
    let first = first.executed_now();
    // From memory.
    assert_eq!(site.crm(id, "text").await.replayed(), first);
    proxy.set(Mode::Open);
    let states = format!("SELECT state FROM ledger WHERE request_id = '{id}'");
    let patience = Instant::now() + Duration::from_secs(20);
    while site.stores.texts(&states).await != ["answered"] {
        assert!(Instant::now() < patience, "the answer was not written");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    assert_eq!(site.crm(id, "text").await.replayed(), first);
    assert_eq!(site.delivered("text"), 1);
}

/// All of them would fail, or wait for ten seconds, if they asked the database anything.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn calls_without_an_id_do_not_touch_the_database() {
    let Some((proxy, site)) = behind_a_proxy().await else {
        return;
    };
    for mode in [Mode::Silent, Mode::Cut] {
        proxy.set(mode);
        let begun = Instant::now();
        let calls = (0..50).map(|_| site.send_crm(crm_message("text")));
        for told in join_all(calls).await {
            told.executed_now();
        }
        assert!(begun.elapsed() < Duration::from_secs(5));
    }
    assert_eq!(site.delivered("text"), 100);
}

/// Repeats a call until the store is there again, and the call with it.
async fn comes_back(site: &Site, id: Uuid) {
    let patience = Instant::now() + Duration::from_secs(20);
    loop {
        let told = site.crm(id, "text").await;
        let Err(status) = &told.result else {
            told.executed_now();
            return;
        };
        assert_eq!(status.reason(), "STORE_UNAVAILABLE", "{status:?}");
        assert!(Instant::now() < patience, "{status:?}");
    }
}

//! Exchanges of replicas about the budgets of portals.

use std::time::Duration;

use futures_util::future::join_all;
use store::{Access, Asked, Budgets, KnownAccount, Store, StoreUrl, StoredBudget};

use crate::support::proxy::{Mode, Proxy};
use crate::support::stores::{Stores, keyring};

fn asked(portal: &str, ask: &str, known: Option<(i64, &str)>) -> Asked {
    Asked {
        portal: portal.to_owned(),
        ask: ask.to_owned(),
        known: known.map(|(number, account)| KnownAccount {
            number,
            account: account.to_owned(),
        }),
    }
}

async fn budgets(url: &str) -> Budgets {
    let url = StoreUrl::parse(url).unwrap();
    let store = Store::open(&url, keyring(), Access::Service).await;
    store.unwrap().budgets().unwrap()
}

async fn exchange(
    budgets: &Budgets,
    portal: &str,
    ask: &str,
    known: Option<(i64, &str)>,
) -> StoredBudget {
    let rows = budgets.exchange(&[asked(portal, ask, known)]).await;
    let [row] = rows.unwrap().try_into().unwrap();
    row
}

/// The asks of a row, without their times.
fn asks(row: &StoredBudget) -> Vec<&str> {
    assert!(row.asks.is_sorted_by_key(|(at, _)| *at), "{row:?}");
    row.asks.iter().map(|(_, ask)| ask.as_str()).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn asks_are_kept_in_order_until_an_account_covers_them() {
    let Some(stores) = Stores::postgresql().await else {
        return;
    };
    let (one, other) = (budgets(stores.url()).await, budgets(stores.url()).await);
    let row = exchange(&one, "portal", "one's first", None).await;
    assert_eq!(
        (row.account.as_str(), asks(&row)),
        ("", vec!["one's first"])
    );
    let begin = row.number;
    exchange(&other, "portal", "the other's first", None).await;
    // The account covers one's own first ask, and not the other's.
    let row = exchange(&one, "portal", "one's second", Some((begin + 1, "after 1"))).await;
    assert_eq!((row.account.as_str(), row.number), ("after 1", begin + 1));
    assert_eq!(asks(&row), ["the other's first", "one's second"]);
    // Who knows less than the row, or another row, changes nothing but the asks.
    for known in [Some((begin, "after 0")), Some((begin + 9, "after 9")), None] {
        let row = exchange(&other, "portal", "one more", known).await;
        assert_eq!((row.account.as_str(), row.number), ("after 1", begin + 1));
    }
    let row = exchange(&other, "portal", "last", Some((begin + 6, "after 6"))).await;
    assert_eq!(
        (row.account.as_str(), asks(&row)),
        ("after 6", vec!["last"])
    );
    assert_eq!(one.forget(Duration::ZERO).await.unwrap(), 1);
    // The numbers of the row that is gone are not taken for those of the new one.
    exchange(&other, "portal", "again", None).await;
    let row = exchange(&one, "portal", "old", Some((begin + 1, "of the old row"))).await;
    assert_eq!(
        (row.account.as_str(), asks(&row)),
        ("", vec!["again", "old"])
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_exchange_about_a_hundred_portals_is_one_round_trip() {
    let Some(stores) = Stores::postgresql().await else {
        return;
    };
    let (proxy, url) = Proxy::before(stores.url()).await;
    let budgets = budgets(&url).await;
    let portals: Vec<Asked> = (0..100)
        .map(|portal| asked(&format!("portal {portal:03}"), "{}", None))
        .collect();
    // It connects, and prepares the statement.
    proxy.set(Mode::RoundTrip(Duration::from_millis(5)));
    assert_eq!(budgets.exchange(&portals).await.unwrap().len(), 100);
    let before = proxy.round_trips();
    assert_eq!(budgets.exchange(&portals).await.unwrap().len(), 100);
    assert_eq!(proxy.round_trips() - before, 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn exchanges_at_the_same_time_lose_no_ask_and_end_no_transaction() {
    let Some(stores) = Stores::postgresql().await else {
        return;
    };
    let replicas = join_all((0..4).map(|_| budgets(stores.url()))).await;
    let exchanging = replicas.iter().enumerate().map(async |(replica, budgets)| {
        for turn in 0..25 {
            let ask = format!("{replica} {turn}");
            let mut portals = vec![asked("b", &ask, None), asked("a", &ask, None)];
            if replica % 2 == 0 {
                portals.reverse();
            }
            let rows = budgets.exchange(&portals).await.unwrap();
            for row in &rows {
                assert_eq!(row.asks.last().unwrap().1, ask);
            }
        }
    });
    join_all(exchanging).await;
    let row = exchange(&replicas[0], "a", "last", None).await;
    assert_eq!(asks(&row).len(), 101);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_connection_that_was_cut_while_nobody_used_it_fails_no_exchange() {
    let Some(stores) = Stores::postgresql().await else {
        return;
    };
    let (proxy, url) = Proxy::before(stores.url()).await;
    let budgets = budgets(&url).await;
    exchange(&budgets, "portal", "before", None).await;
    proxy.set(Mode::Cut);
    proxy.set(Mode::Open);
    let row = exchange(&budgets, "portal", "after", None).await;
    assert_eq!(asks(&row), ["before", "after"]);
    // Nobody listens there.
    proxy.lead_to(1);
    proxy.set(Mode::Cut);
    proxy.set(Mode::Open);
    let refused = budgets.exchange(&[asked("portal", "{}", None)]).await;
    refused.unwrap_err();
    assert!(!budgets.is_connected());
}

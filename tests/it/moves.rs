//! Portals that get another address: followed when the authorization server confirms it, else
//! refused.

mod refused;

use std::net::SocketAddr;
use std::time::Duration;

use futures_util::future::join_all;
use sandbox::demo;
use tokio::net::TcpListener;
use tokio::time::Instant;

use crate::refresh::{Office, Opening};
use crate::support::admin::sample;
use crate::support::log::Log;
use crate::support::stores::{Stores, on_both_stores};
use crate::support::{REFRESHABLE, WEBHOOK};

on_both_stores!(
    a_renamed_portal_is_followed_by_one_question_for_many_calls,
    the_next_call_goes_to_the_new_address_at_once,
    a_portal_that_moves_twice_is_followed_twice,
    a_token_that_has_expired_at_the_portal_is_refreshed_before_the_move_is_confirmed,
);

/// An office with an admin port and a tenant with a webhook.
async fn office(stores: Stores) -> (Office, SocketAddr) {
    office_with(stores, &[]).await
}

async fn office_with(stores: Stores, settings: &[(&str, &str)]) -> (Office, SocketAddr) {
    let hook = format!(
        "- {{id: {WEBHOOK}, portal: 'http://PORTAL', webhook: {{user_id: {}, secret: {{inline: '{}'}}}}}}\n",
        demo::OWNER,
        demo::WEBHOOK_SECRET
    );
    let opening = Opening {
        settings,
        more_tenants: &hook,
        ..Opening::default()
    };
    let office = Office::begin(stores, opening).await;
    let admin = office.admin;
    (office, admin)
}

impl Office {
    /// Gives the portal another address, and returns that as the store keeps it.
    async fn rename(&self) -> String {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = self.sandbox.rename(listener, demo::HOST).unwrap();
        format!("http://{address}")
    }

    /// How often the authorization server was asked where the portal is.
    fn questions(&self) -> usize {
        let entries = self.sandbox.record().entries;
        let questions = entries.iter().filter(|entry| entry.method == "app.info");
        questions.count()
    }

    /// How often the portal has redirected.
    fn redirects(&self) -> usize {
        let entries = self.sandbox.record().entries;
        entries
            .iter()
            .filter(|entry| entry.status == Some(302))
            .count()
    }
}

/// How many redirects came to this end.
async fn moves(admin: SocketAddr, end: &str) -> u64 {
    sample(
        admin,
        &format!("openlines_portal_moves_total{{end=\"{end}\"}}"),
    )
    .await
}

async fn a_renamed_portal_is_followed_by_one_question_for_many_calls(stores: Stores) {
    let (office, admin) = office(stores).await;
    let new = office.rename().await;
    let texts: Vec<String> = (0..50).map(|number| format!("call {number}")).collect();
    let answers = join_all(texts.iter().map(|text| office.call(text))).await;
    assert!(answers.iter().all(Result::is_ok), "{answers:?}");
    let record = office.sandbox.record();
    for text in &texts {
        assert_eq!(record.times_delivered(text), 1, "{text}");
    }
    assert_eq!(office.questions(), 1);
    assert_eq!(office.tenant().await.portal, new);
    assert_eq!(office.refreshes(), 0);
    assert_eq!(moves(admin, "followed").await, 1);
    assert_eq!(moves(admin, "refused").await, 0);
}

async fn the_next_call_goes_to_the_new_address_at_once(stores: Stores) {
    let (office, _) = office(stores).await;
    office.rename().await;
    office.call("first").await.unwrap();
    assert_eq!(office.redirects(), 1);
    office.sandbox.clear_record();
    office.call("second").await.unwrap();
    assert_eq!(office.sandbox.record().entries.len(), 1);
    assert_eq!(office.sandbox.record().times_delivered("second"), 1);
}

async fn a_portal_that_moves_twice_is_followed_twice(stores: Stores) {
    let (office, admin) = office(stores).await;
    office.rename().await;
    office.call("first").await.unwrap();
    let newest = office.rename().await;
    office.call("second").await.unwrap();
    assert_eq!(office.tenant().await.portal, newest);
    assert_eq!(office.sandbox.record().times_delivered("second"), 1);
    assert_eq!(moves(admin, "followed").await, 2);
}

async fn a_token_that_has_expired_at_the_portal_is_refreshed_before_the_move_is_confirmed(
    stores: Stores,
) {
    let (office, admin) = office(stores).await;
    let new = office.rename().await;
    // The service does not know of the expiry, and the portal that would tell it has moved.
    office.expire();
    let answers = join_all((0..10).map(|_| office.call("Hello"))).await;
    assert!(answers.iter().all(Result::is_ok), "{answers:?}");
    assert_eq!(office.sandbox.record().times_delivered("Hello"), 10);
    assert_eq!(office.refreshes(), 1);
    assert_eq!(office.tenant().await.portal, new);
    assert!(office.has_the_live_pair().await);
    assert_eq!(moves(admin, "followed").await, 1);
}

#[tokio::test]
async fn the_audit_trail_tells_from_where_to_where() {
    let log = Log::default();
    let _guards = log.start();
    // The log of the test is that of its own thread.
    let settings = [("SERVER_WORKERS", "0")];
    let (office, _) = office_with(Stores::sqlite(), &settings).await;
    let old = office.tenant().await.portal;
    let new = office.rename().await;
    office.call("Hello").await.unwrap();
    let text = log.text();
    let lines: Vec<&str> = text
        .lines()
        .filter(|line| line.contains("portal_moved"))
        .collect();
    assert_eq!(lines.len(), 1, "{lines:?}");
    let facts = format!(
        "from {} to {}",
        &old["http://".len()..],
        &new["http://".len()..]
    );
    for part in ["openlines::audit", "actor=service", REFRESHABLE, &facts] {
        assert!(lines[0].contains(part), "{part} is not in {}", lines[0]);
    }
    assert!(!text.contains(demo::ACCESS_TOKEN));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn another_replica_knows_the_new_address_within_two_seconds() {
    let Some(stores) = Stores::postgresql().await else {
        return;
    };
    let (office, _) = office(stores).await;
    let replica = office.replica().await;
    for service in [&office.service, &replica] {
        office
            .call_of(service, REFRESHABLE, "before")
            .await
            .unwrap();
    }
    office.rename().await;
    office.call("first").await.unwrap();
    let moved = Instant::now();
    tokio::time::sleep(Duration::from_millis(1900)).await;
    office.sandbox.clear_record();
    office
        .call_of(&replica, REFRESHABLE, "second")
        .await
        .unwrap();
    assert_eq!(office.redirects(), 0, "after {:?}", moved.elapsed());
    assert_eq!(office.sandbox.record().times_delivered("second"), 1);
}

/// Two replicas come to the same redirect at the same time.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_replicas_follow_the_same_move() {
    let Some(stores) = Stores::postgresql().await else {
        return;
    };
    let (office, _) = office(stores).await;
    let replica = office.replica().await;
    let new = office.rename().await;
    let calls = (0..20).map(|number| {
        let service = if number % 2 == 0 {
            &office.service
        } else {
            &replica
        };
        office.call_of(service, REFRESHABLE, "Hello")
    });
    let answers = join_all(calls).await;
    assert!(answers.iter().all(Result::is_ok), "{answers:?}");
    assert_eq!(office.sandbox.record().times_delivered("Hello"), 20);
    assert_eq!(office.tenant().await.portal, new);
    assert!(office.questions() <= 2, "{}", office.questions());
}

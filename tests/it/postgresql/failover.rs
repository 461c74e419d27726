//! A standby takes over while calls come in.

use std::sync::atomic::{AtomicUsize, Ordering};

use futures_util::future::join_all;
use tokio::time::Instant;
use uuid::Uuid;

use super::server::{Server, Stop};
use super::users::Users;
use crate::support::Told;
use crate::support::proxy::{Mode, Proxy};

/// What the standby knows of these calls.
async fn known(standby: &Server) -> Vec<String> {
    let query = "SELECT request_id FROM ledger WHERE state = 'answered'";
    standby.texts(query).await
}

/// Waits until the standby has what the other server has.
async fn catch_up(standby: &Server, ids: &[Uuid]) {
    let begun = Instant::now();
    while known(standby).await.len() < ids.len() {
        assert!(
            begun.elapsed().as_secs() < 30,
            "the standby does not follow"
        );
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
    }
}

/// New calls, which are answered.
async fn answered(users: &Users, count: usize) -> Vec<Uuid> {
    let ids: Vec<Uuid> = (0..count).map(|_| Uuid::new_v4()).collect();
    for id in &ids {
        assert!(!users.send(*id, &id.to_string()).await.unwrap());
    }
    ids
}

/// Calls without a pause, until `over`: with what became of each.
async fn load(users: &Users, over: &AtomicUsize) -> Vec<(Uuid, Result<bool, tonic::Status>)> {
    let mut told = Vec::new();
    while over.load(Ordering::SeqCst) == 0 {
        let id = Uuid::new_v4();
        told.push((id, users.send(id, &id.to_string()).await));
    }
    told
}

/// The first server is gone; the standby takes over, and the address leads to it.
fn fail_over(first: &Server, standby: &Server, proxy: &Proxy) {
    first.stop(Stop::Immediate);
    standby.promote();
    proxy.lead_to(standby.port);
    proxy.set(Mode::Cut);
    proxy.set(Mode::Open);
}

/// Both halves of the promise: what the standby knew is answered from there, and what it did not
/// know is sent again, which only a synchronous standby prevents.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_the_standby_knew_is_not_sent_again_and_what_was_not_replicated_is() {
    let Some(first) = Server::start(&[]) else {
        return;
    };
    let standby = first.standby();
    let (proxy, url) = Proxy::before(&first.url()).await;
    let users = Users::start(&url).await;
    let replicated = answered(&users, 10).await;
    catch_up(&standby, &replicated).await;
    standby
        .execute("ALTER SYSTEM SET primary_conninfo = ''")
        .await;
    standby.execute("SELECT pg_reload_conf()").await;
    until_alone(&first).await;
    let lost = answered(&users, 5).await;

    let over = AtomicUsize::new(0);
    let failover = async {
        tokio::task::block_in_place(|| fail_over(&first, &standby, &proxy));
        let begun = Instant::now();
        let new = Uuid::new_v4();
        users.send_until_told(new, &new.to_string()).await;
        over.store(1, Ordering::SeqCst);
        begun.elapsed()
    };
    let (under_way, back_after) = tokio::join!(load(&users, &over), failover);
    for (_, result) in &under_way {
        if let Err(status) = result {
            assert_eq!(status.reason(), "STORE_UNAVAILABLE", "{status:?}");
        }
    }
    let has = known(&standby).await;
    let again = |ids: Vec<Uuid>| {
        let sending = ids.into_iter().map(async |id| {
            let is_replayed = users.send_until_told(id, &id.to_string()).await;
            (id, is_replayed, users.delivered(&id.to_string()))
        });
        join_all(sending.collect::<Vec<_>>())
    };
    for (id, is_replayed, delivered) in again(replicated).await {
        assert!(
            is_replayed && delivered == 1,
            "{id} is known to the standby"
        );
    }
    for (id, is_replayed, delivered) in again(lost).await {
        assert!(!is_replayed && delivered == 2, "{id} was never replicated");
    }
    let refused = under_way.iter().filter(|(_, told)| told.is_err()).count();
    let ids = under_way.iter().map(|(id, _)| *id).collect();
    let mut doubled = 0;
    for (id, _, delivered) in again(ids).await {
        doubled += delivered - 1;
        let was_known = has.contains(&id.to_string());
        assert!(delivered == 1 || !was_known, "{id} is known to the standby");
    }
    println!(
        "{} calls during the failover, {refused} of them refused; back after {back_after:?}; of 10 \
         replicated calls 0 doubled, of 5 others 5, of those during the failover {doubled}",
        under_way.len()
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn with_a_synchronous_standby_nothing_that_was_acknowledged_is_lost() {
    let Some(first) = Server::start(&[]) else {
        return;
    };
    let standby = first.standby();
    first
        .execute("ALTER SYSTEM SET synchronous_standby_names = '*'")
        .await;
    first.execute("SELECT pg_reload_conf()").await;
    let (proxy, url) = Proxy::before(&first.url()).await;
    let users = Users::start(&url).await;
    let over = AtomicUsize::new(0);
    let failover = async {
        let before = answered(&users, 10).await;
        tokio::task::block_in_place(|| fail_over(&first, &standby, &proxy));
        let begun = Instant::now();
        let new = Uuid::new_v4();
        users.send_until_told(new, &new.to_string()).await;
        over.store(1, Ordering::SeqCst);
        (before, begun.elapsed())
    };
    let (under_way, (before, back_after)) = tokio::join!(load(&users, &over), failover);
    let acknowledged = under_way.iter().filter(|(_, told)| told.is_ok());
    let acknowledged: Vec<Uuid> = acknowledged.map(|(id, _)| *id).chain(before).collect();
    for id in &acknowledged {
        assert!(users.send_until_told(*id, &id.to_string()).await, "{id}");
        assert_eq!(users.delivered(&id.to_string()), 1, "{id}");
    }
    println!(
        "{} acknowledged calls, 0 lost, 0 doubled; back after {back_after:?}",
        acknowledged.len()
    );
}

/// Waits until no standby follows.
async fn until_alone(first: &Server) {
    let begun = Instant::now();
    let followers = "SELECT application_name FROM pg_stat_replication";
    while !first.texts(followers).await.is_empty() {
        assert!(begun.elapsed().as_secs() < 30, "the standby goes on");
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
    }
}

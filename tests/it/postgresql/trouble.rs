//! The server restarts under load, has no connection left, or keeps our tables locked.

use std::sync::Arc;
use std::time::Duration;

use futures_util::future::join_all;
use sqlx::{Connection, PgConnection};
use tokio::time::Instant;
use uuid::Uuid;

use super::server::{Server, Stop};
use super::users::Users;
use crate::support::Told;

/// Beyond which a caller that was promised an early answer has not got one, on any machine.
const LATE: Duration = Duration::from_secs(15);
/// Who sends one message after the other while the server restarts.
const SENDERS: usize = 10;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn restarts_under_load_lose_nothing_and_double_nothing() {
    let Some(server) = Server::start(&[]) else {
        return;
    };
    let server = Arc::new(server);
    let users = Users::start(&server.url()).await;
    users.send(Uuid::new_v4(), "before").await.unwrap();
    let mut ids = Vec::new();
    for how in [Stop::Fast, Stop::Immediate, Stop::Fast] {
        let restarted = Arc::clone(&server);
        let restart = tokio::task::spawn_blocking(move || {
            restarted.stop(how);
            restarted.start_again();
        });
        let senders = (0..SENDERS).map(async |_| {
            let mut sent = Vec::new();
            while !restart.is_finished() {
                let id = Uuid::new_v4();
                sent.push(id);
                users.send_until_told(id, &id.to_string()).await;
            }
            sent
        });
        ids.extend(join_all(senders).await.into_iter().flatten());
        restart.await.unwrap();
    }
    let text = |id: &Uuid| id.to_string();
    for id in &ids {
        assert!(users.send_until_told(*id, &text(id)).await, "{id}");
        assert_eq!(users.delivered(&text(id)), 1, "{id}");
    }
    println!(
        "{} calls during three restarts, 0 lost, 0 doubled",
        ids.len()
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_a_free_connection_calls_with_a_key_are_refused_early_and_others_go_on() {
    // A superuser's connections are the last ones.
    let Some(server) =
        Server::start(&["max_connections = 12", "superuser_reserved_connections = 0"])
    else {
        return;
    };
    let users = Users::start(&server.url()).await;
    let before = Uuid::new_v4();
    users.send(before, "before").await.unwrap();
    // Ours too: the service has to connect anew, and cannot.
    let mut held: Vec<PgConnection> = Vec::new();
    let mut ended = server.connect().await;
    let end = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'openlines'";
    let begun = Instant::now();
    while held.len() < 11 {
        sqlx::raw_sql(end).execute(&mut ended).await.unwrap();
        if let Ok(connection) = PgConnection::connect(&server.url()).await {
            held.push(connection);
        }
        assert!(begun.elapsed() < Duration::from_secs(60));
    }
    sqlx::raw_sql(end).execute(&mut ended).await.unwrap();
    users.send_unrecorded("without a key").await;
    let begun = Instant::now();
    let id = Uuid::new_v4();
    let refused = users.send(id, "with a key").await.unwrap_err();
    assert_eq!(refused.reason(), "STORE_UNAVAILABLE");
    assert!(begun.elapsed() < LATE, "{:?}", begun.elapsed());
    println!("refused after {:?}", begun.elapsed());
    for connection in held {
        connection.close().await.unwrap();
    }
    users.send_until_told(id, "with a key").await;
    assert_eq!(users.delivered("with a key"), 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn while_our_tables_are_locked_calls_with_a_key_are_refused_and_others_go_on() {
    let Some(server) = Server::start(&[]) else {
        return;
    };
    let users = Users::start(&server.url()).await;
    users.send(Uuid::new_v4(), "before").await.unwrap();
    let mut locker = server.connect().await;
    let mut lock = locker.begin().await.unwrap();
    sqlx::raw_sql("LOCK TABLE ledger, portal_accounts IN ACCESS EXCLUSIVE MODE")
        .execute(&mut *lock)
        .await
        .unwrap();
    let id = Uuid::new_v4();
    let begun = Instant::now();
    users.send_unrecorded("without a key").await;
    let refused = users.send(id, "with a key").await.unwrap_err();
    assert_eq!(refused.reason(), "STORE_UNAVAILABLE");
    assert!(begun.elapsed() < LATE, "{:?}", begun.elapsed());
    println!("refused after {:?}", begun.elapsed());
    // Statements that nobody waits for any more end by themselves.
    let waiting = "SELECT query FROM pg_stat_activity WHERE wait_event_type = 'Lock'";
    let waiting = server.texts(waiting).await.len();
    assert!(waiting <= 5, "{waiting} statements wait");
    lock.rollback().await.unwrap();
    users.send_until_told(id, "with a key").await;
    assert_eq!(users.delivered("with a key"), 1);
}

//! `PgBouncer` before the database.

use std::process::{Command, Stdio};
use std::time::Duration;

use store::{Access, OpenError, Store, StoreUrl};
use uuid::Uuid;

use super::server::{Running, Server, USER, as_owner, give};
use super::users::Users;
use crate::support::admin::free_address;
use crate::support::stores::keyring;
use crate::support::{tell, until};

/// Where Debian has it.
const PROGRAM: &str = "/usr/sbin/pgbouncer";

/// Whether it is installed. In CI it must be.
fn is_installed() -> bool {
    let mut version = Command::new(PROGRAM);
    let found = version.arg("--version").stdout(Stdio::null()).status();
    let found = found.is_ok_and(|status| status.success());
    let is_ci = std::env::var_os("CI").is_some();
    assert!(found || !is_ci, "PgBouncer is not installed");
    if !found {
        tell("did not run, because PgBouncer is not installed");
    }
    found
}

/// Starts one, and gives the URL of the database through it.
async fn pooler(server: &Server, mode: &str) -> (Running, String) {
    let port = free_address().port();
    let folder = server.folder.path().display();
    let users = server.path("users.txt");
    std::fs::write(&users, format!("\"{USER}\" \"{}\"\n", server.password)).unwrap();
    give(&users);
    let settings = server.path(&format!("pgbouncer-{mode}.ini"));
    let text = format!(
        "[databases]\npostgres = host=127.0.0.1 port={}\n[pgbouncer]\nlisten_addr = 127.0.0.1\n\
         listen_port = {port}\nunix_socket_dir =\nauth_type = plain\nauth_file = {folder}/users.txt\n\
         pool_mode = {mode}\nlogfile = {folder}/pgbouncer-{mode}.log\n",
        server.port
    );
    std::fs::write(&settings, text).unwrap();
    give(&settings);
    let mut command = as_owner(std::path::Path::new(PROGRAM));
    command.arg("--quiet").arg(&settings);
    let running = Running(command.spawn().unwrap());
    let listens = || std::net::TcpStream::connect(("127.0.0.1", port)).is_ok();
    until("the pooler listens", listens).await;
    let url = server
        .url()
        .replace(&format!(":{}/", server.port), &format!(":{port}/"));
    (running, url)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_pooler_that_shares_sessions_is_refused_at_the_start_and_one_that_keeps_them_works() {
    if !is_installed() {
        return;
    }
    let Some(server) = Server::start(&[]) else {
        return;
    };
    for mode in ["transaction", "statement"] {
        let (_pooler, url) = pooler(&server, mode).await;
        let url = StoreUrl::parse(&url).unwrap();
        for access in [Access::Service, Access::Maintenance] {
            let refused = Store::open(&url, keyring(), access).await.unwrap_err();
            assert!(matches!(refused, OpenError::Pooler), "{mode}: {refused:?}");
        }
    }
    let (_pooler, url) = pooler(&server, "session").await;
    let users = Users::start(&url).await;
    let id = Uuid::new_v4();
    assert!(!users.send(id, "text").await.unwrap());
    assert!(users.send(id, "text").await.unwrap());
    assert_eq!(users.delivered("text"), 1);
    let url = StoreUrl::parse(&url).unwrap();
    let store = Store::open(&url, keyring(), Access::Maintenance);
    let budgets = store.await.unwrap().budgets().unwrap();
    budgets.connect().await.unwrap();
    assert_eq!(budgets.forget(Duration::ZERO).await.unwrap(), 0);
}

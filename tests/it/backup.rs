//! A backup made beside a running service with the commands of docs/store.md, and what a service on
//! the restored store does with calls from before.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use bitrix24_openlines::api::openlines::v1 as api;
use sandbox::{Fault, FaultKind, Moment, Portal, Sandbox};
use store::sealing::Key;
use tokio::net::TcpListener;
use uuid::Uuid;

use crate::support::deployment::{Deployment, Running};
use crate::support::requests::crm_message;
use crate::support::stores::{Stores, on_both_stores};
use crate::support::{Told as _, tenants, until};

on_both_stores!(after_a_restore_no_call_of_the_backup_is_sent_twice);

/// Runs a program to its end, and fails with what it says.
fn succeed<Words: AsRef<OsStr>>(program: &Path, words: &[Words]) {
    let output = Command::new(program).args(words).output().unwrap();
    let told = [output.stdout, output.stderr].concat();
    assert!(
        output.status.success(),
        "{program:?}: {}",
        String::from_utf8_lossy(&told)
    );
}

/// A program of PostgreSQL, which Debian keeps beside its server.
fn postgresql(name: &str) -> PathBuf {
    let mut found: Vec<PathBuf> = std::fs::read_dir("/usr/lib/postgresql")
        .map(|versions| versions.map(|version| version.unwrap().path().join("bin").join(name)))
        .map(|programs| programs.filter(|program| program.exists()).collect())
        .unwrap_or_default();
    found.sort();
    found.pop().unwrap_or_else(|| PathBuf::from(name))
}

/// The statement that the page gives to `sqlite3`, executed by the library in Python: not every
/// machine has the program.
fn vacuum(file: &Path, into: &Path) {
    let program =
        "import sqlite3, sys; sqlite3.connect(sys.argv[1]).execute('VACUUM INTO ?', sys.argv[2:])";
    let words = [
        OsStr::new("-c"),
        program.as_ref(),
        file.as_ref(),
        into.as_ref(),
    ];
    succeed(Path::new("python3"), &words);
}

/// Makes a backup of the store beside its service.
fn back_up(stores: &Stores, backup: &Path) {
    match stores.file() {
        Some(file) => vacuum(&file, backup),
        None => {
            let words = [
                "--format=custom",
                "--file",
                backup.to_str().unwrap(),
                stores.url(),
            ];
            succeed(&postgresql("pg_dump"), &words);
        }
    }
}

/// A store of the backup alone.
async fn restore(stores: Stores, backup: &Path) -> Stores {
    match stores.file() {
        Some(file) => {
            // The rest belongs to the file that is replaced.
            for end in ["", "-wal", "-shm"] {
                let mut name = file.clone().into_os_string();
                name.push(end);
                let _ = std::fs::remove_file(name);
            }
            std::fs::copy(backup, file).unwrap();
            stores
        }
        None => {
            let restored = Stores::postgresql().await.unwrap();
            let words = [
                "--no-owner",
                "--dbname",
                restored.url(),
                backup.to_str().unwrap(),
            ];
            succeed(&postgresql("pg_restore"), &words);
            restored
        }
    }
}

fn message(number: u128, text: &str) -> api::SendCrmMessageRequest {
    api::SendCrmMessageRequest {
        request_id: Uuid::from_u128(number).to_string(),
        ..crm_message(text)
    }
}

async fn after_a_restore_no_call_of_the_backup_is_sent_twice(stores: Stores) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let sandbox = Sandbox::start(listener, vec![Portal::demo()]).unwrap();
    let key = Key::generate().unwrap();
    let listed = tenants(sandbox.address());
    let site = Deployment::write(stores.url(), &key, &listed, "");
    let running = site.start().await;
    let send = async |site: &Deployment, running: &Running, number, text| {
        let mut client = running.client.clone();
        let mut request = site.request(message(number, text));
        request.set_timeout(Duration::from_secs(50));
        client.send_crm_message(request).await
    };
    let answered = send(&site, &running, 1, "answered")
        .await
        .unwrap()
        .into_inner();

    // The backup is made while the portal has the second call and has not answered it.
    let slow = FaultKind::Slow(Moment::After, Duration::from_secs(300));
    sandbox.inject(Fault::next(1, slow));
    let folder = tempfile::tempdir().unwrap();
    let backup = folder.path().join("backup");
    let beside = async {
        until("the portal has the call", || {
            sandbox.record().deliveries().count() == 2
        })
        .await;
        back_up(&stores, &backup);
    };
    tokio::select! {
        () = beside => {}
        ended = send(&site, &running, 2, "in flight") => panic!("{ended:?}"),
    }
    running.process.kill();

    let restored = restore(stores, &backup).await;
    let site = Deployment::write(restored.url(), &key, &listed, "");
    let running = site.start().await;
    let again = send(&site, &running, 1, "answered").await.unwrap();
    let replayed = api::SendCrmMessageResponse {
        replayed: true,
        ..answered
    };
    assert_eq!(again.into_inner(), replayed);
    let unknown = send(&site, &running, 2, "in flight").await.unwrap_err();
    assert_eq!(unknown.reason(), "OUTCOME_UNKNOWN", "{unknown:?}");
    let record = sandbox.record();
    let delivered = record.delivered_by_text();
    assert_eq!(delivered.get("answered"), Some(&1));
    assert_eq!(delivered.get("in flight"), Some(&1));
    running.process.terminate();
    assert!(running.process.ended().await.0.success());
}

#[test]
fn the_page_has_the_commands_of_this_test() {
    let page = include_str!("../../docs/store.md");
    for command in [
        "\"VACUUM INTO 'backup.db'\"",
        "pg_dump --format=custom --file ",
        "pg_restore --no-owner --dbname ",
    ] {
        assert!(page.contains(command), "{command}");
    }
}

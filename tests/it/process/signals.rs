//! SIGTERM at the wrong moments.

use std::io::Write;
use std::net::TcpListener;
use std::process::{Command, ExitStatus};
use std::time::Duration;

use bitrix24_openlines::api::openlines::v1::SendCrmMessageResponse;
use bitrix24_openlines::api::openlines::v1::open_lines_service_client::OpenLinesServiceClient;
use bitrix24_openlines::testing::auth::NewKey;
use sandbox::{Fault, FaultKind, Gate, Moment, Portal, Sandbox};
use tokio::task::JoinHandle;
use tonic::transport::Endpoint;
use tonic::{Response, Status};

use crate::support::process::{ANOTHER_REQUEST, Files, Process, openlines};
use crate::support::requests::crm_message;
use crate::support::{caller, tenants, until, with_key};

/// Far longer than an end takes, and far shorter than the drain of the tests.
const PATIENCE: Duration = Duration::from_secs(20);

/// Far longer than the half second that an end at once may take: the machine may be busy.
const AT_ONCE: Duration = Duration::from_secs(5);

fn serve(files: &Files) -> Command {
    openlines(&["serve", "--config", files.settings().to_str().unwrap()])
}

async fn end_in(time: Duration, process: Process) -> (ExitStatus, String) {
    let ended = tokio::time::timeout(time, process.ended()).await;
    ended.expect("the process goes on")
}

/// A store that takes a connection and then says nothing.
fn silent_store() -> (TcpListener, String) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let settings = format!(
        "server: {{listen: '127.0.0.1:0'}}\n{}",
        caller(&NewKey::generate().unwrap())
    );
    (listener, settings + &format!("# {address}\n"))
}

#[tokio::test]
async fn a_stop_during_the_start_is_an_orderly_one() {
    // The database accepts the connection and says nothing.
    let (listener, settings) = silent_store();
    let url = format!("postgresql://x@{}/x", listener.local_addr().unwrap());
    let files = Files::write(&settings, "tenants: []\n");
    let mut command = serve(&files);
    command.env("OPENLINES_STORE_URL", url);
    let process = Process::start(command);
    until("the process opens the store", || {
        process.output().contains("starting")
    })
    .await;
    process.terminate();
    let (status, log) = end_in(PATIENCE, process).await;
    assert_eq!(status.code(), Some(0), "{log}");
    assert!(log.contains("stopped during the start"), "{log}");
    drop(listener);
}

#[tokio::test]
async fn a_stop_while_the_settings_are_read_is_an_orderly_one() {
    let files = Files::write("", "tenants: []\n");
    // Whoever opens a pipe for reading waits for somebody who writes.
    let pipe = files.settings().with_file_name("settings.pipe");
    let made = Command::new("mkfifo").arg(&pipe).status().unwrap();
    assert!(made.success());
    let command = openlines(&["serve", "--config", pipe.to_str().unwrap()]);
    let process = Process::start(command);
    // The handlers stand when the process has threads.
    let threads = format!("/proc/{}/task", process.id());
    until("the process has threads", || {
        std::fs::read_dir(&threads).is_ok_and(|threads| threads.count() > 2)
    })
    .await;
    process.terminate();
    let (status, said) = end_in(PATIENCE, process).await;
    assert_eq!((status.code(), said), (Some(0), String::new()));
}

#[tokio::test]
async fn a_stop_during_a_long_start_does_not_make_the_next_one_the_second() {
    // One signal during the start, no other: many tenants take long to be applied.
    let mut listed = "tenants:\n".to_owned();
    for number in 0..1_100 {
        listed += &format!(
            "- {{id: t{number}, portal: 'http://127.0.0.1:9', webhook: {{user_id: 1, secret: {{inline: 'a1b2c3d4e5f6g7h8'}}}}}}\n"
        );
    }
    let settings = format!(
        "server: {{listen: '127.0.0.1:0'}}\n{}",
        caller(&NewKey::generate().unwrap())
    );
    let files = Files::write(&settings, &listed);
    for delay in [0, 20, 60, 150] {
        let process = Process::start(serve(&files));
        until("the process starts", || {
            process.output().contains("setting")
        })
        .await;
        tokio::time::sleep(Duration::from_millis(delay)).await;
        process.terminate();
        let (status, log) = end_in(PATIENCE, process).await;
        assert_eq!(status.code(), Some(0), "{log}");
    }
    // What was not applied is applied by the next start.
    let process = Process::start(serve(&files));
    process.address().await;
    process.terminate();
    assert_eq!(end_in(PATIENCE, process).await.0.code(), Some(0));
}

/// A service with a call in progress: the portal has delivered its message and not answered yet.
struct Called {
    process: Process,
    sandbox: Sandbox,
    call: JoinHandle<Result<Response<SendCrmMessageResponse>, Status>>,
    _files: Files,
}

impl Called {
    async fn start(times: &str, fault: FaultKind) -> Self {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let sandbox = Sandbox::start(listener, vec![Portal::demo()]).unwrap();
        let key = NewKey::generate().unwrap();
        let settings = format!(
            "server: {{listen: '127.0.0.1:0', {times}}}\n{}",
            caller(&key)
        );
        let files = Files::write(&settings, &tenants(sandbox.address()));
        let process = Process::start(serve(&files));
        let address = format!("http://{}", process.address().await);
        let endpoint = Endpoint::from_shared(address).unwrap();
        let mut client = OpenLinesServiceClient::new(endpoint.connect().await.unwrap());
        sandbox.inject(Fault::once(fault));
        let request = with_key(crm_message("delivered"), key.expose());
        let call = tokio::spawn(async move { client.send_crm_message(request).await });
        until("the portal has executed the call", || {
            sandbox.record().times_delivered("delivered") == 1
        })
        .await;
        Self {
            process,
            sandbox,
            call,
            _files: files,
        }
    }
}

/// The first signal is noticed, and so long ago that the next one is not that one again.
async fn until_a_signal_is_another_request(process: &Process) {
    until("the first signal is noticed", || {
        process.output().contains("NOT_SERVING")
    })
    .await;
    tokio::time::sleep(ANOTHER_REQUEST).await;
}

#[tokio::test]
async fn the_second_signal_ends_the_process_at_once_and_no_call_is_told_an_untruth() {
    let times = "shutdown_delay_seconds: 300, drain_seconds: 600";
    let called = Called::start(times, FaultKind::Silence(Moment::After)).await;
    let process = called.process;
    process.terminate();
    until_a_signal_is_another_request(&process).await;
    process.terminate();
    let (status, log) = end_in(AT_ONCE, process).await;
    assert_eq!(status.code(), Some(1), "{log}");
    assert!(log.contains("stopped at once by a second signal"), "{log}");
    let told = called.call.await.unwrap().unwrap_err();
    assert_eq!(
        crate::server::told(&told),
        "UNKNOWN OUTCOME_UNKNOWN unknown"
    );
    assert_eq!(called.sandbox.record().times_delivered("delivered"), 1);
}

#[tokio::test]
async fn a_signal_that_comes_twice_is_one() {
    let gate = Gate::closed();
    let held = FaultKind::Held(Moment::After, gate.clone());
    let called = Called::start("drain_seconds: 600", held).await;
    let process = called.process;
    // The kernel makes one of two that are the same and wait, but not of these.
    process.signal("-TERM");
    process.signal("-INT");
    until_a_signal_is_another_request(&process).await;
    gate.open();
    let (status, log) = end_in(PATIENCE, process).await;
    assert_eq!(status.code(), Some(0), "{log}");
    assert!(called.call.await.unwrap().is_ok());
    assert_eq!(called.sandbox.record().times_delivered("delivered"), 1);
}

#[tokio::test]
async fn a_command_that_has_nothing_to_finish_ends_by_the_signal() {
    let (listener, _) = silent_store();
    let address = listener.local_addr().unwrap().to_string();
    let process = Process::start(openlines(&["health", "--address", &address]));
    let (mut asked, _) = tokio::task::spawn_blocking(move || listener.accept().unwrap())
        .await
        .unwrap();
    process.terminate();
    let (status, _) = end_in(PATIENCE, process).await;
    assert_eq!(status.code(), None, "ended by the signal");
    let _ = asked.write_all(b"late");
}

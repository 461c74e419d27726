//! The real program as a process: what it prints, how it ends, what it does when it is told to
//! stop.

use std::process::Output;
use std::time::Duration;

use bitrix24_openlines::api::openlines::v1::open_lines_service_client::OpenLinesServiceClient;
use bitrix24_openlines::testing::auth::NewKey;
use prost_reflect::DescriptorPool;
use sandbox::{Fault, FaultKind, Moment, Portal, Sandbox};
use tokio::net::TcpListener;
use tonic::transport::{Channel, Endpoint};

use crate::support::process::{Files, Process, openlines, run};
use crate::support::requests::crm_message;
use crate::support::{caller, tenants, until, with_key};

mod store;
mod tools;

const EX_USAGE: i32 = 64;

fn stdout(output: &Output) -> String {
    String::from_utf8(output.stdout.clone()).unwrap()
}

fn stderr(output: &Output) -> String {
    String::from_utf8(output.stderr.clone()).unwrap()
}

/// A service without tenants, and where it listens.
async fn serving() -> (Files, Process, String) {
    let key = NewKey::generate().unwrap();
    let settings = format!("server: {{listen: '127.0.0.1:0'}}\n{}", caller(&key));
    let files = Files::write(&settings, "tenants: []\n");
    let path = files.settings().to_str().unwrap().to_owned();
    let service = Process::start(openlines(&["serve", "--config", &path]));
    let address = service.address().await.to_string();
    (files, service, address)
}

#[test]
fn the_descriptors_have_all_services_and_all_details_of_errors() {
    let output = run(&["api"]);
    assert!(output.status.success(), "{}", stderr(&output));
    let pool = DescriptorPool::decode(&*output.stdout).unwrap();
    for service in [
        "openlines.v1.OpenLinesService",
        "openlines.tenants.v1.TenantService",
        "grpc.health.v1.Health",
    ] {
        assert!(pool.get_service_by_name(service).is_some(), "{service}");
    }
    for detail in [
        "google.rpc.ErrorInfo",
        "google.rpc.BadRequest",
        "google.rpc.RetryInfo",
        "google.rpc.QuotaFailure",
        "openlines.v1.Bitrix24Error",
    ] {
        assert!(pool.get_message_by_name(detail).is_some(), "{detail}");
    }
}

#[test]
fn the_demo_shows_three_successes_a_partial_failure_and_a_refusal() {
    let output = run(&["demo", "--exit"]);
    let shown = stdout(&output);
    assert!(output.status.success(), "{shown} {}", stderr(&output));
    let scenes: Vec<&str> = shown.split("\n== ").skip(1).collect();
    assert_eq!(scenes.len(), 5, "{shown}");
    for (scene, operation) in scenes.iter().zip([
        "SendConnectorMessages",
        "SendCrmMessage",
        "SendNetworkMessage",
    ]) {
        assert!(scene.contains(&format!("-> {operation} {{")), "{scene}");
        assert!(scene.contains("<- OK {"), "{scene}");
    }
    let partial = scenes[3];
    assert!(
        partial.contains("<- OK {") && partial.contains("\"accepted\": {"),
        "{partial}"
    );
    assert!(
        partial.contains("ERROR_REASON_MESSAGE_REJECTED"),
        "{partial}"
    );
    let refused = scenes[4];
    assert!(refused.contains("<- FAILED_PRECONDITION {"), "{refused}");
    assert!(
        refused.contains("ERROR_REASON_CHAT_NOT_LINKED"),
        "{refused}"
    );
    assert!(
        refused.contains("\"outcome\": \"not_executed\""),
        "{refused}"
    );
    assert!(
        shown.contains("5 requests, 4 messages delivered, each once"),
        "{shown}"
    );
    assert_eq!(stderr(&output), "", "nothing went wrong");
}

/// The settings that `keys new` prints, as an operator would paste them.
fn printed_settings(output: &str) -> &str {
    &output[output.find("auth:").unwrap()..]
}

#[tokio::test]
async fn a_new_key_is_accepted_by_a_service_with_the_printed_settings() {
    let output = run(&["keys", "new", "--caller", "shop", "--tenant", "hook"]);
    assert!(output.status.success());
    let printed = stdout(&output);
    let key = printed
        .split_whitespace()
        .find(|word| word.starts_with("b24f_"))
        .unwrap();
    let settings = printed_settings(&printed);
    assert!(!settings.contains(key), "the settings hold the hash only");

    let bench = Bench::start(settings, "").await;
    let mut client = bench.client().await;
    client
        .send_crm_message(with_key(crm_message("text"), key))
        .await
        .unwrap();
    let mut forbidden = crm_message("text");
    forbidden.tenant_id = "app".to_owned();
    let status = client
        .send_crm_message(with_key(forbidden, key))
        .await
        .unwrap_err();
    assert_eq!(status.code(), tonic::Code::PermissionDenied);
    bench.process.terminate();
    let (status, log) = bench.process.ended().await;
    assert!(status.success(), "{log}");
}

#[test]
fn a_key_needs_a_tenant_and_a_good_name() {
    for arguments in [
        &["keys", "new"][..],
        &["keys", "new", "--tenant", "NOT A TENANT"],
        &["keys", "new", "--tenant", "*", "--caller", "bad name"],
    ] {
        let output = run(arguments);
        assert!(!output.status.success(), "{arguments:?}");
        assert!(stderr(&output).contains("--"), "{}", stderr(&output));
        assert!(!stdout(&output).contains("b24f_"));
    }
}

#[test]
fn serve_with_invalid_settings_ends_with_64_and_lists_all_of_them() {
    let files = Files::write(
        "server: {drain_seconds: 0, listn: x}\nauth: {mode: dangerous_none}\nlog: {format: xml}\n",
        "tenants: [{id: A, portal: example.com, webhook: {user_id: 0, secret: {inline: a}}}]\n",
    );
    for check in [&[][..], &["--check"]] {
        let settings = files.settings();
        let mut arguments = vec!["serve", "--config", settings.to_str().unwrap()];
        arguments.extend(check);
        let output = openlines(&arguments)
            .env("OPENLINES_SERVER_LISTEN", "0.0.0.0:0")
            .output()
            .unwrap();
        assert_eq!(output.status.code(), Some(EX_USAGE));
        let said = stderr(&output);
        for place in [
            "server.drain_seconds",
            "server.listn",
            "auth.mode",
            "log.format",
            "tenants[0].id",
            "tenants[0].portal",
            "tenants[0].webhook.user_id",
        ] {
            assert!(said.contains(place), "{place} is missing in {said}");
        }
        assert!(said.contains("the configuration has 7 errors:"), "{said}");
        assert_eq!(stdout(&output), "");
    }
}

#[test]
fn serve_without_any_settings_says_what_is_missing() {
    let output = run(&["serve"]);
    assert_eq!(output.status.code(), Some(EX_USAGE));
    let said = stderr(&output);
    assert!(
        said.contains("store.keyring_file") && said.contains("auth.callers"),
        "{said}"
    );
}

#[test]
fn a_settings_file_that_is_not_there_is_named() {
    let output = run(&["serve", "--config", "/does/not/exist.yaml"]);
    assert_eq!(output.status.code(), Some(EX_USAGE));
    assert!(
        stderr(&output).contains("/does/not/exist.yaml"),
        "{}",
        stderr(&output)
    );
}

#[test]
fn good_settings_pass_the_check() {
    let key = NewKey::generate().unwrap();
    let files = Files::write(&caller(&key), "tenants: []\n");
    let settings = files.settings();
    let output = run(&["serve", "--check", "--config", settings.to_str().unwrap()]);
    assert!(output.status.success(), "{}", stderr(&output));
    assert_eq!(
        (stdout(&output), stderr(&output)),
        (
            "The settings are sound; the tenants file has 0 tenants.\n".to_owned(),
            String::new()
        )
    );
}

#[tokio::test]
async fn an_address_in_use_is_told_with_its_setting() {
    let taken = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let key = NewKey::generate().unwrap();
    let files = Files::write(&caller(&key), "tenants: []\n");
    let settings = files.settings();
    let mut command = openlines(&["serve", "--config", settings.to_str().unwrap()]);
    let output = command
        .env("OPENLINES_SERVER_LISTEN", &address)
        .output()
        .unwrap();
    assert_eq!(output.status.code(), Some(1));
    let said = stderr(&output);
    assert!(
        said.contains(&address) && said.contains("server.listen"),
        "{said}"
    );
}

/// The program serves, and its tenants lie on a sandbox portal of the test.
struct Bench {
    sandbox: Sandbox,
    process: Process,
    address: std::net::SocketAddr,
    _files: Files,
}

impl Bench {
    async fn start(auth: &str, server: &str) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let sandbox = Sandbox::start(listener, vec![Portal::demo()]).unwrap();
        let files = Files::write(
            &format!("server: {{listen: '127.0.0.1:0', {server}}}\n{auth}"),
            &tenants(sandbox.address()),
        );
        let settings = files.settings();
        let command = openlines(&["serve", "--config", settings.to_str().unwrap()]);
        let process = Process::start(command);
        let address = process.address().await;
        Self {
            sandbox,
            process,
            address,
            _files: files,
        }
    }

    async fn client(&self) -> OpenLinesServiceClient<Channel> {
        let endpoint = Endpoint::from_shared(format!("http://{}", self.address)).unwrap();
        OpenLinesServiceClient::new(endpoint.connect().await.unwrap())
    }
}

#[tokio::test]
async fn a_call_under_way_ends_well_when_the_process_is_told_to_stop() {
    let key = NewKey::generate().unwrap();
    let bench = Bench::start(&caller(&key), "drain_seconds: 20").await;
    let slow = FaultKind::Slow(Moment::Before, Duration::from_secs(1));
    bench.sandbox.inject(Fault::once(slow));
    let mut client = bench.client().await;
    let request = with_key(crm_message("under way"), key.expose());
    let call = tokio::spawn(async move { client.send_crm_message(request).await });
    until("the call is at the portal", || {
        !bench.sandbox.record().entries.is_empty()
    })
    .await;
    bench.process.terminate();
    call.await.unwrap().expect("the call under way ends well");
    let (status, log) = bench.process.ended().await;
    assert_eq!(status.code(), Some(0), "{log}");
    assert!(log.contains("shut down: every call has ended"), "{log}");
    assert_eq!(bench.sandbox.record().times_delivered("under way"), 1);
}

#[tokio::test]
async fn a_call_that_outlasts_the_drain_is_cut_and_the_process_ends() {
    let key = NewKey::generate().unwrap();
    let bench = Bench::start(&caller(&key), "drain_seconds: 1").await;
    bench
        .sandbox
        .inject(Fault::once(FaultKind::Silence(Moment::Before)));
    let mut client = bench.client().await;
    let request = with_key(crm_message("never answered"), key.expose());
    let call = tokio::spawn(async move { client.send_crm_message(request).await });
    until("the call is at the portal", || {
        !bench.sandbox.record().entries.is_empty()
    })
    .await;
    bench.process.terminate();
    let (status, log) = bench.process.ended().await;
    assert_eq!(status.code(), Some(0), "{log}");
    assert!(log.contains("the drain time is over"), "{log}");
    let cut = call.await.unwrap().unwrap_err();
    // The request had left: to say UNAVAILABLE would let the client's library repeat it.
    assert_ne!(cut.code(), tonic::Code::Ok);
}

#[tokio::test]
async fn each_call_has_one_line_in_the_log() {
    let key = NewKey::generate().unwrap();
    let bench = Bench::start(&caller(&key), "drain_seconds: 5").await;
    let mut client = bench.client().await;
    client
        .send_crm_message(with_key(crm_message("text"), key.expose()))
        .await
        .unwrap();
    client
        .send_crm_message(with_key(crm_message(""), key.expose()))
        .await
        .unwrap_err();
    bench.process.terminate();
    let (_, log) = bench.process.ended().await;
    let lines: Vec<serde_json::Value> = log
        .lines()
        .map(|line| serde_json::from_str(line).unwrap_or_else(|_| panic!("{line} is no JSON")))
        .filter(|line: &serde_json::Value| line["target"] == "openlines::call")
        .collect();
    assert_eq!(lines.len(), 2, "{log}");
    let operation = "openlines.v1.OpenLinesService/SendCrmMessage";
    for (line, code, reason, outcome) in [
        (&lines[0], "OK", None, None),
        (
            &lines[1],
            "INVALID_ARGUMENT",
            Some("ERROR_REASON_INVALID_REQUEST"),
            Some("not_executed"),
        ),
    ] {
        assert_eq!(line["operation"], operation);
        assert_eq!(
            (line["code"].as_str(), line["reason"].as_str()),
            (Some(code), reason)
        );
        assert_eq!(line["outcome"].as_str(), outcome);
        assert_eq!(
            (line["caller"].as_str(), line["tenant"].as_str()),
            (Some("tests"), Some("hook"))
        );
        assert!(line["duration_ms"].is_number() && line["call_id"].is_string());
    }
}

#[test]
fn the_version_and_the_commands_are_told() {
    let version = run(&["--version"]);
    let version = stdout(&version);
    let expected = format!("openlines {} (commit ", env!("CARGO_PKG_VERSION"));
    assert!(version.starts_with(&expected), "{version}");
    assert!(version.contains(", rustc 1."), "{version}");
    assert_eq!(version.lines().count(), 1);
    let help = stdout(&run(&["--help"]));
    for command in ["serve", "demo", "sandbox", "keys"] {
        assert!(help.contains(&format!("\n  {command} ")), "{help}");
    }
}

#[tokio::test]
async fn health_tells_whether_a_service_serves() {
    let (_files, service, address) = serving().await;
    let ask = |arguments: &[&str]| {
        let output = run(&[&["health", "--address", &address], arguments].concat());
        (output.status.code(), stdout(&output))
    };
    assert_eq!(ask(&[]), (Some(0), "SERVING\n".to_owned()));
    assert_eq!(ask(&["--service", "no.such.Service"]).0, Some(1));
    service.terminate();
    assert!(service.ended().await.0.success());
    assert_eq!(ask(&[]).0, Some(1));
}

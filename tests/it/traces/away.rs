//! A collector that is not there, or does not answer, costs spans and nothing else.

use std::time::{Duration, Instant};

use sandbox::{Portal, Sandbox, demo};
use tokio::net::TcpListener;

use crate::support::process::{Files, Process, openlines};
use crate::support::requests::crm_message;
use crate::support::{WEBHOOK, tenants, until};

/// What a stop may take with a collector that does not answer: the last spans have 5 seconds, and
/// the machine may be busy.
const STOP: Duration = Duration::from_secs(40);

/// Serves one call, all calls traced, and stops. Returns the log.
async fn served_with(collector: &str) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let sandbox = Sandbox::start(listener, vec![Portal::demo()]).unwrap();
    let settings = format!(
        "server: {{listen: '127.0.0.1:0', drain_seconds: 1}}\n\
         auth: {{mode: dangerous_none}}\n\
         telemetry: {{otlp_endpoint: '{collector}', sample_percent: 100}}\n"
    );
    let files = Files::write(&settings, &tenants(sandbox.address()));
    let settings = files.settings();
    let mut command = openlines(&["serve", "--config", settings.to_str().unwrap()]);
    command.env("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "http://127.0.0.1:9");
    let service = Process::start(command);
    let endpoint = format!("http://{}", service.address().await);
    let channel = tonic::transport::Endpoint::from_shared(endpoint).unwrap();
    let channel = channel.connect().await.unwrap();
    let mut client = super::OpenLinesServiceClient::new(channel);
    let mut message = crm_message("Hello");
    message.tenant_id = WEBHOOK.to_owned();
    client.send_crm_message(message).await.unwrap();
    until("the log has the call", || {
        service.output().contains("openlines::call")
    })
    .await;
    let begun = Instant::now();
    service.terminate();
    let (status, log) = service.ended().await;
    assert!(status.success(), "{log}");
    assert!(begun.elapsed() < STOP, "{:?}", begun.elapsed());
    assert!(!log.contains(demo::WEBHOOK_SECRET));
    log
}

#[tokio::test]
async fn a_collector_that_is_away_is_told_once_and_holds_no_stop() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    drop(listener);
    let log = served_with(&format!("http://{address}")).await;
    assert_eq!(
        log.matches("does not take what it is sent").count(),
        1,
        "{log}"
    );
    // A variable that changes nothing is told, too.
    let ignored = log
        .lines()
        .find(|line| line.contains("are ignored"))
        .unwrap();
    assert!(
        ignored.contains("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT"),
        "{ignored}"
    );
}

#[tokio::test]
async fn a_collector_that_never_answers_holds_no_stop() {
    let silent = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = silent.local_addr().unwrap();
    let log = served_with(&format!("http://{address}")).await;
    assert!(
        log.contains("the last spans did not reach the collector"),
        "{log}"
    );
    drop(silent);
}

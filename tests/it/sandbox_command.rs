//! `openlines sandbox`, as other teams start it.

use reqwest::{Certificate, Client, StatusCode};
use sandbox::demo;

use crate::support::process::{Process, openlines};
use crate::support::until;

/// The addresses that it tells.
async fn address_of(sandbox: &Process) -> String {
    until("the sandbox listens", || {
        sandbox.output().contains("controls")
    })
    .await;
    let output = sandbox.output();
    let (_, rest) = output.split_once("listens on ").unwrap();
    rest.split_once(';').unwrap().0.to_owned()
}

#[test]
fn it_listens_on_loopback_only() {
    for address in ["0.0.0.0:0", "[::]:0", "192.0.2.1:8024"] {
        let mut command = openlines(&["sandbox", "--listen", address]);
        let output = command.output().unwrap();
        assert_eq!(output.status.code(), Some(64), "{address}");
        let told = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(told.contains("loopback"), "{told}");
    }
}

#[tokio::test]
async fn it_tells_where_it_is_and_ends_when_it_is_told_to() {
    let sandbox = Process::start(openlines(&["sandbox", "--listen", "127.0.0.1:0"]));
    let address = address_of(&sandbox).await;
    assert!(address.starts_with("http://127.0.0.1:"), "{address}");
    sandbox.terminate();
    let (status, output) = sandbox.ended().await;
    assert!(status.success(), "{output}");
}

/// A proxy with the certificate of a company's authority, that refuses once and ends connections.
#[tokio::test]
async fn faults_switches_and_an_authority_of_its_own_are_given_at_the_start() {
    let folder = tempfile::tempdir().unwrap();
    let authority = folder.path().join("authority.pem");
    let sandbox = Process::start(openlines(&[
        "sandbox",
        "--listen",
        "127.0.0.1:0",
        "--own-authority",
        authority.to_str().unwrap(),
        "--fault",
        r#"{"fault": "html_before", "status": 429, "headers": {"retry-after": "30"}}"#,
        "--fault",
        r#"{"fault": "junk", "always": true}"#,
        "--switches",
        r#"{"http2": true, "connection_requests": 1}"#,
    ]));
    let address = address_of(&sandbox).await;
    let address = address.replace("127.0.0.1", "localhost");
    let url = format!("{address}/rest/1/{}/profile", demo::WEBHOOK_SECRET);
    let pem = std::fs::read(&authority).unwrap();
    let trusting = Client::builder()
        .no_proxy()
        .tls_certs_only([Certificate::from_pem(&pem).unwrap()]);
    let client = trusting.build().unwrap();
    let refused = client.get(&url).send().await.unwrap();
    assert_eq!(refused.version(), http::Version::HTTP_2);
    assert_eq!(refused.status(), StatusCode::TOO_MANY_REQUESTS);
    assert_eq!(refused.headers()["retry-after"], "30");
    assert!(refused.text().await.unwrap().starts_with("<html>"));
    for _ in 0..3 {
        let answer = client.get(&url).send().await.unwrap();
        let text = answer.text().await.unwrap();
        assert!(
            text.contains("Notice") && text.contains(r#""result""#),
            "{text}"
        );
    }
    let others = Client::builder().no_proxy().build().unwrap();
    assert!(others.get(&url).send().await.is_err());
}

#[test]
fn a_fault_or_a_switch_that_does_not_exist_is_refused_by_name() {
    for (flag, value) in [
        ("--fault", r#"{"fault": "hunger"}"#),
        ("--switches", r#"{"http3": true}"#),
    ] {
        let mut command = openlines(&["sandbox", "--listen", "127.0.0.1:0", flag, value]);
        let output = command.output().unwrap();
        assert_eq!(output.status.code(), Some(1), "{value}");
        let told = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(told.contains("hunger") || told.contains("http3"), "{told}");
        assert!(told.contains(flag), "{told}");
    }
}

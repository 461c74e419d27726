//! The last line of a process that fails, in the format of its log.

use std::process::Output;

use bitrix24_openlines::testing::auth::NewKey;
use serde_json::Value;
use tokio::net::TcpListener;

use crate::support::caller;
use crate::support::process::{Files, openlines};

/// What `serve` writes that ends by itself.
fn ended(settings: &str, more: &[&str]) -> Output {
    let settings = format!("{}{settings}", caller(&NewKey::generate().unwrap()));
    let files = Files::write(&settings, "tenants: []\n");
    let path = files.settings();
    let mut command = openlines(&["serve", "--config", path.to_str().unwrap()]);
    command.args(more).output().unwrap()
}

fn said(output: Output) -> String {
    assert!(!output.status.success());
    String::from_utf8(output.stderr).unwrap()
}

#[tokio::test]
async fn every_line_of_a_start_that_fails_is_json() {
    let taken = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let in_use = format!("server: {{listen: '{}'}}\n", taken.local_addr().unwrap());
    for (settings, place) in [
        (in_use.as_str(), "server.listen"),
        ("server: {listn: x}\n", "server.listn"),
        ("{", "settings.yaml"),
    ] {
        let said = said(ended(settings, &[]));
        let lines: Vec<Value> = said
            .lines()
            .map(|line| serde_json::from_str(line).unwrap_or_else(|_| panic!("{said}")))
            .collect();
        let last = lines.last().unwrap();
        assert_eq!(last["level"], "ERROR", "{said}");
        assert!(last["message"].as_str().unwrap().contains(place), "{said}");
        assert!(last["timestamp"].is_string() && last["target"] == "openlines");
    }
}

#[test]
fn people_get_lines_for_people() {
    let text = said(ended(
        "log: {format: text}\nserver: {drain_seconds: 0}\n",
        &[],
    ));
    assert!(text.starts_with("openlines: ") && text.contains("server.drain_seconds"));
    let checked = said(ended("server: {drain_seconds: 0}\n", &["--check"]));
    assert!(checked.starts_with("openlines: "), "{checked}");
}

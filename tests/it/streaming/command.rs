//! `openlines send` against a service that is killed in the middle, in front of a portal that loses
//! answers. `OPENLINES_TEST_ITEMS` says with how many messages; docs/bulk.md has the figures.

mod signals;

use std::collections::BTreeMap;
use std::fmt::Write;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use bitrix24_openlines::testing::settings::Environment;
use sandbox::{Fault, FaultKind, Moment, Sandbox, demo};
use serde_json::{Value, json};
use store::sealing::Key;
use tempfile::TempDir;

use super::enterprise;
use crate::support::admin::free_address;
use crate::support::deployment::Deployment;
use crate::support::process::openlines;
use crate::support::stores::Stores;
use crate::support::{tell, until};

/// The conversations that the messages go to.
const CHATS: i64 = 500;

fn items() -> usize {
    let environment = Environment::of_process();
    let given = environment.get("OPENLINES_TEST_ITEMS");
    given.map_or(2_000, |given| given.unwrap().parse().unwrap())
}

/// A file with messages, and a service with a portal of the plan Enterprise.
struct Place {
    sandbox: Sandbox,
    deployment: Deployment,
    address: String,
    folder: TempDir,
    _stores: Stores,
}

impl Place {
    async fn build() -> Self {
        let (sandbox, tenants) = enterprise(CHATS).await;
        let stores = Stores::sqlite();
        let key = Key::generate().unwrap();
        Self {
            deployment: Deployment::write(stores.url(), &key, &tenants, ""),
            sandbox,
            address: free_address().to_string(),
            folder: tempfile::tempdir().unwrap(),
            _stores: stores,
        }
    }

    fn environment(&self) -> [(&str, &str); 1] {
        [("OPENLINES_SERVER_LISTEN", &self.address)]
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn write(&self, lines: &str) {
        std::fs::write(self.path("messages.jsonl"), lines).unwrap();
    }

    fn command(&self) -> Command {
        let file = self.path("messages.jsonl");
        let mut command = openlines(&["send", file.to_str().unwrap()]);
        command
            .env("OPENLINES_ADDRESS", &self.address)
            .env("OPENLINES_API_KEY", self.deployment.key.expose())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        command
    }

    fn start(&self) -> Child {
        self.command().spawn().unwrap()
    }

    /// The last row of each line of the results.
    fn rows(&self) -> BTreeMap<u64, Value> {
        let results = std::fs::read_to_string(self.path("messages.jsonl.results.jsonl")).unwrap();
        let rows = results.lines().skip(1);
        let rows = rows.map(|row| serde_json::from_str::<Value>(row).unwrap());
        rows.map(|row| (row["line"].as_u64().unwrap(), row))
            .collect()
    }
}

fn line(number: usize) -> String {
    let chat = 10_000 + i64::try_from(number).unwrap() % CHATS;
    json!({
        "itemKey": format!("item {number}"),
        "crmMessage": {
            "tenantId": "hook",
            "crmEntityType": "CRM_ENTITY_TYPE_LEAD",
            "crmEntityId": demo::LEAD.to_string(),
            "userId": demo::MEMBER.to_string(),
            "portalChatId": chat.to_string(),
            "text": format!("item {number}"),
            "priority": "CALL_PRIORITY_BULK",
        },
    })
    .to_string()
}

fn lines(count: usize) -> String {
    (1..=count).fold(String::new(), |mut lines, number| {
        writeln!(lines, "{}", line(number)).unwrap();
        lines
    })
}

/// The resident memory of a process, in KiB.
fn resident(process: u32) -> Option<u64> {
    let status =
        std::fs::read_to_string(Path::new("/proc").join(process.to_string()).join("status"));
    let status = status.ok()?;
    let line = status.lines().find(|line| line.starts_with("VmRSS:"))?;
    line.split_ascii_whitespace().nth(1)?.parse().ok()
}

/// The memory of a service over time: every ten seconds, in MiB.
#[derive(Debug, Default)]
struct Curve(Vec<(u64, u64)>);

impl Curve {
    /// Looks at the process until the condition holds.
    async fn watch(&mut self, process: u32, begun: Instant, mut is_over: impl FnMut() -> bool) {
        while !is_over() {
            let second = begun.elapsed().as_secs();
            let is_due = self
                .0
                .last()
                .is_none_or(|(last, _)| last / 10 < second / 10);
            if let Some(kibibytes) = resident(process).filter(|_| is_due) {
                self.0.push((second, kibibytes / 1024));
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_file_is_sent_once_although_answers_are_lost_and_the_service_is_killed() {
    let (place, items) = (Place::build().await, items());
    place.write(&lines(items));
    let lost = if items > 10_000 { 50 } else { 20 };
    let fault = Fault::every(lost, FaultKind::Close(Moment::After));
    place.sandbox.inject(fault);
    let first = place.deployment.start_in(&place.environment()).await;
    let begun = Instant::now();
    let mut command = place.start();
    let mut curve = Curve::default();
    let is_third = || place.sandbox.record().deliveries().count() > items / 3;
    curve.watch(first.process.id(), begun, is_third).await;
    let is_running = command.try_wait().unwrap().is_none();
    assert!(is_running, "the kill came too late");
    first.process.kill();
    let second = place.deployment.start_in(&place.environment()).await;
    let has_ended = || command.try_wait().unwrap().is_some();
    curve.watch(second.process.id(), begun, has_ended).await;
    let output = command.wait_with_output().unwrap();
    let took = begun.elapsed();
    let printed = String::from_utf8_lossy(&output.stdout).into_owned();
    let told = String::from_utf8_lossy(&output.stderr).into_owned();
    tell(&format!(
        "{items} in {took:?}: {}; MiB of the service by second: {curve:?}",
        printed.trim(),
    ));
    let rows = place.rows();
    assert_eq!(rows.len(), items, "{told}");
    let record = place.sandbox.record();
    let delivered = record.delivered_by_text();
    let mut unknown = 0;
    for row in rows.values() {
        let key = row["itemKey"].as_str().unwrap();
        let times = delivered.get(key).copied().unwrap_or_default();
        match row["state"].as_str().unwrap() {
            "sent" => assert_eq!(times, 1, "{key}: {row}"),
            "unknown" => {
                assert!(times <= 1, "{key} is delivered {times} times");
                unknown += 1;
            }
            other => panic!("{other}: {row}"),
        }
    }
    assert!(unknown > 0, "no answer was lost");
    assert!(unknown < items / 2, "{unknown} of {items} are unknown");
    assert!(!output.status.success() && told.contains("not all messages are sent"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_command_that_is_killed_goes_on_where_it_was() {
    const ITEMS: usize = 600;
    let place = Place::build().await;
    place.write(&lines(ITEMS));
    let _service = place.deployment.start_in(&place.environment()).await;
    let mut command = place.start();
    until("some are delivered", || {
        place.sandbox.record().deliveries().count() > 100
    })
    .await;
    command.kill().unwrap();
    command.wait().unwrap();
    let before = place.rows().len();
    assert!(before < ITEMS, "the kill came too late");
    let output = place.start().wait_with_output().unwrap();
    let told = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{told}");
    let sums = String::from_utf8_lossy(&output.stdout).into_owned();
    let expected = "600 sent, 0 failed, 0 unknown, 0 not sent; ";
    assert!(sums.starts_with(expected), "{sums}");
    assert!(sums.ends_with(" of them by earlier runs\n"), "{sums}");
    let record = place.sandbox.record();
    let delivered = record.delivered_by_text();
    assert_eq!(delivered.len(), ITEMS);
    assert!(delivered.values().all(|times| *times == 1));
    // A third run has nothing to do.
    let output = place.start().wait_with_output().unwrap();
    assert!(output.status.success());
    assert_eq!(place.sandbox.record().deliveries().count(), ITEMS);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_line_that_is_wrong_fails_alone_and_may_be_mended() {
    let place = Place::build().await;
    let refused = line(3).replace("item 3", "");
    let text = format!("{}\n\n{{\"crmMessage\": 7}}\n{refused}\n", line(1));
    place.write(&text);
    let _service = place.deployment.start_in(&place.environment()).await;
    let output = place.start().wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(1));
    assert_eq!(
        String::from_utf8_lossy(&output.stdout).trim(),
        "1 sent, 1 failed, 0 unknown, 1 not sent"
    );
    let rows = place.rows();
    assert_eq!(rows[&1]["state"], "sent");
    assert!(rows[&1]["answer"]["crmMessage"]["portalMessageId"].is_string());
    assert_eq!(rows[&3]["state"], "not_sent");
    assert!(rows[&3]["problem"].is_string());
    assert_eq!(rows[&4]["state"], "failed");
    let details = rows[&4]["answer"]["error"]["details"].as_array().unwrap();
    assert!(
        details
            .iter()
            .any(|detail| detail["reason"] == "ERROR_REASON_INVALID_REQUEST")
    );
    let told = String::from_utf8_lossy(&output.stderr);
    assert!(told.contains("failed lines are skipped then"), "{told}");
    // Corrected, both are sent.
    let text = format!("{}\n\n{}\n{}\n", line(1), line(2), line(3));
    place.write(&text);
    let output = place.start().wait_with_output().unwrap();
    assert!(output.status.success());
    let record = place.sandbox.record();
    let delivered = record.delivered_by_text();
    assert_eq!(
        Vec::from_iter(delivered.keys()),
        [&"item 1", &"item 2", &"item 3"]
    );
    assert!(delivered.values().all(|times| *times == 1));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn other_messages_in_a_file_of_the_same_name_are_not_taken_for_sent() {
    let place = Place::build().await;
    place.write(&lines(20));
    let _service = place.deployment.start_in(&place.environment()).await;
    let output = place.start().wait_with_output().unwrap();
    assert!(output.status.success());
    // One is inserted in front of all that were sent.
    place.write(&format!("{}\n{}", line(21), lines(20)));
    let output = place.start().wait_with_output().unwrap();
    assert_eq!(output.status.code(), Some(64));
    let told = String::from_utf8_lossy(&output.stderr);
    assert!(told.contains("line 1 is not the line 1"), "{told}");
    assert!(told.contains("--results"), "{told}");
    let other = place.path("other");
    let output = place
        .command()
        .arg("--results")
        .arg(other)
        .output()
        .unwrap();
    assert!(output.status.success());
    let record = place.sandbox.record();
    assert_eq!(record.times_delivered("item 21"), 1);
}

#[test]
fn what_the_command_cannot_do_is_said_at_once() {
    let folder = tempfile::tempdir().unwrap();
    let messages = folder.path().join("messages");
    let path = messages.to_str().unwrap();
    let told = |arguments: &[&str], code: i32| {
        let output = openlines(arguments).output().unwrap();
        assert_eq!(output.status.code(), Some(code), "{arguments:?}");
        String::from_utf8(output.stderr).unwrap()
    };
    assert!(told(&["send", path], 64).contains("cannot be read"));
    let left = std::fs::read_dir(folder.path()).unwrap().count();
    assert_eq!(left, 0, "a results file without messages");
    assert!(told(&["send", "-"], 64).contains("--results is required"));
    std::fs::write(&messages, format!("{}\n", line(1))).unwrap();
    assert!(told(&["send", path, "--results", path], 64).contains("is no results file"));
    let nobody = [
        "send",
        path,
        "--address",
        "http://127.0.0.1:1",
        "--patience",
        "0",
    ];
    assert!(told(&nobody, 1).contains("run the command again"));
}

//! How a run ends before its end, and goes on.

use std::io::Write;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use sandbox::{Fault, FaultKind, Gate, Moment};

use super::{Place, line, lines};
use crate::support::process::{ANOTHER_REQUEST, openlines};
use crate::support::until;

fn signal(command: &Child) {
    let id = command.id().to_string();
    let sent = Command::new("kill").args(["-INT", &id]).status().unwrap();
    assert!(sent.success());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_signal_ends_the_command_with_its_sums_after_the_answers_to_what_was_sent() {
    const ITEMS: usize = 20_000;
    let place = Place::build().await;
    place.write(&lines(ITEMS));
    let _service = place.deployment.start_in(&place.environment()).await;
    let command = place.start();
    until("some are delivered", || {
        place.sandbox.record().deliveries().count() > 300
    })
    .await;
    signal(&command);
    let output = command.wait_with_output().unwrap();
    let told = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(75), "{told}");
    assert!(told.contains("wait for their answer"), "{told}");
    assert!(
        told.contains("stopped by a signal; run the command again to go on"),
        "{told}"
    );
    // Everything that was sent has its row, and the sums are those of the rows.
    let rows = place.rows();
    let delivered = place.sandbox.record().deliveries().count();
    assert_eq!(rows.len(), delivered);
    assert!(rows.values().all(|row| row["state"] == "sent"));
    let grouped = |number: usize| {
        let (thousands, rest) = (number / 1_000, number % 1_000);
        match thousands {
            0 => rest.to_string(),
            _ => format!("{thousands},{rest:03}"),
        }
    };
    assert_eq!(
        String::from_utf8_lossy(&output.stdout),
        format!(
            "{} sent, 0 failed, 0 unknown, 0 not sent; {} not done\n",
            grouped(delivered),
            grouped(ITEMS - delivered)
        )
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_second_signal_ends_the_command_at_once_and_the_next_run_goes_on() {
    let place = Place::build().await;
    place.write(&lines(3));
    let _service = place.deployment.start_in(&place.environment()).await;
    let gate = Gate::closed();
    let held = FaultKind::Held(Moment::After, gate.clone());
    place.sandbox.inject(Fault::once(held));
    let command = place.start();
    until("the portal has them", || {
        !place.sandbox.record().entries.is_empty()
    })
    .await;
    signal(&command);
    tokio::time::sleep(ANOTHER_REQUEST).await;
    signal(&command);
    let output = command.wait_with_output().unwrap();
    let told = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(75), "{told}");
    assert!(
        told.contains("no answer yet; run the command again to go on"),
        "{told}"
    );
    let sums = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(
        sums.contains(" sent, 0 failed, 0 unknown, 0 not sent; "),
        "{sums}"
    );
    assert!(sums.ends_with(" not done\n"), "{sums}");
    gate.open();
    let output = place.start().wait_with_output().unwrap();
    let told = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{told}");
    let record = place.sandbox.record();
    let delivered = record.delivered_by_text();
    assert_eq!(delivered.len(), 3);
    assert!(delivered.values().all(|times| *times == 1));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn lines_that_come_slowly_outlast_the_time_that_a_stream_may_be_idle() {
    let place = Place::build().await;
    let environment = [
        ("OPENLINES_SERVER_LISTEN", &*place.address),
        ("OPENLINES_SERVER_STREAMS_IDLE_SECONDS", "1"),
    ];
    let _service = place.deployment.start_in(&environment).await;
    let results = place.path("results");
    let mut command = openlines(&["send", "-", "--results", results.to_str().unwrap()]);
    let mut command = command
        .env("OPENLINES_ADDRESS", &place.address)
        .env("OPENLINES_API_KEY", place.deployment.key.expose())
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let mut input = command.stdin.take().unwrap();
    for number in 1..=3 {
        writeln!(input, "{}", line(number)).unwrap();
        tokio::time::sleep(Duration::from_secs(3)).await;
    }
    drop(input);
    let output = command.wait_with_output().unwrap();
    let told = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{told}");
    let sums = String::from_utf8_lossy(&output.stdout);
    assert_eq!(sums, "3 sent, 0 failed, 0 unknown, 0 not sent\n");
}

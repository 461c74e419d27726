//! What became of messages and calls, where the status of the call does not say it.

use sandbox::{Fault, FaultKind, Gate, Moment};
use serde_json::json;

use super::{get, world_with_admin_port};
use crate::support::admin::{free_address, sample, until_in_progress};
use crate::support::log::Log;
use crate::support::requests::{connector_message, connector_messages, crm_message};
use crate::support::{World, until};

/// A portal's answer for three messages: one accepted, one refused, one forgotten.
fn judged() -> Fault {
    let results = json!([
        {"SUCCESS": true, "message": {"id": "m0"}},
        {"SUCCESS": false, "ERRORS": ["no"], "message": {"id": "m1"}},
    ]);
    let body = json!({"result": {"SUCCESS": true, "DATA": {"RESULT": results}}});
    Fault::once(FaultKind::Scripted {
        status: 200,
        content_type: "application/json".to_owned(),
        body: body.to_string(),
        executed: true,
    })
}

#[tokio::test]
async fn messages_that_were_not_accepted_are_counted_and_told() {
    let log = Log::default();
    let _logging = log.start();
    let admin = free_address();
    let settings = [
        ("ADMIN_LISTEN", &*admin.to_string()),
        // The log is that of this thread.
        ("SERVER_WORKERS", "0"),
    ];
    let world = World::with_settings(&settings).await;
    world.sandbox.inject(judged());
    let messages = (0..3).map(|number| connector_message(&format!("m{number}"), "Hello"));
    let request = connector_messages(messages.collect());
    let mut client = world.client().await;
    let request = world.request(request);
    client.send_connector_messages(request).await.unwrap();

    for (result, messages) in [("delivered", 1), ("refused", 1), ("unknown", 1)] {
        let name = format!("openlines_connector_messages_total{{result=\"{result}\"}}");
        assert_eq!(sample(admin, &name).await, messages, "{result}");
    }
    let text = log.text();
    let mut lines = text.lines();
    let line = lines.find(|line| line.contains("openlines::call")).unwrap();
    assert!(line.contains("messages_refused=1"), "{line}");
    assert!(line.contains("messages_unknown=1"), "{line}");
}

#[tokio::test]
async fn a_call_says_whose_failure_it_was() {
    let (world, admin) = world_with_admin_port().await;
    let mut client = world.client().await;
    let answer = |status, body: &str| {
        Fault::once(FaultKind::Scripted {
            status,
            content_type: "application/json".to_owned(),
            body: body.to_owned(),
            executed: false,
        })
    };
    let sent = client.send_crm_message(world.request(crm_message("Hello")));
    sent.await.unwrap();
    world
        .sandbox
        .inject(answer(403, r#"{"error":"ACCESS_DENIED"}"#));
    let sent = client.send_crm_message(world.request(crm_message("Hello")));
    sent.await.unwrap_err();
    let mut wrong = crm_message("Hello");
    wrong.text.clear();
    let sent = client.send_crm_message(world.request(wrong));
    sent.await.unwrap_err();
    let mut foreign = crm_message("Hello");
    foreign.tenant_id = "nobody".to_owned();
    let sent = client.send_crm_message(world.request(foreign));
    sent.await.unwrap_err();

    let (_, text) = get(&admin, "/metrics").await;
    for source in ["", "portal", "caller", "operator"] {
        let label = format!("openlines_calls_total{{error_source=\"{source}\",");
        let lines = text.lines().filter(|line| line.starts_with(&label));
        let counts = lines.filter_map(|line| line.rsplit(' ').next());
        // What alerts count is there at 0.
        let counts: Vec<&str> = counts.filter(|count| *count != "0").collect();
        assert_eq!(counts, ["1"], "{source}: {text}");
    }
}

#[tokio::test]
async fn connections_to_portals_are_in_use_or_idle() {
    let admin = free_address();
    let settings = [("ADMIN_LISTEN", &*admin.to_string())];
    let world = World::with_settings(&settings).await;
    let (in_use, idle) = (
        "openlines_portal_connections{state=\"in_use\"}",
        "openlines_portal_connections{state=\"idle\"}",
    );
    let gate = Gate::closed();
    let held = FaultKind::Held(Moment::Before, gate.clone());
    world.sandbox.inject(Fault::once(held));
    let mut client = world.client().await;
    let request = world.request(crm_message("held"));
    let call = tokio::spawn(async move { client.send_crm_message(request).await });
    until("the call is at the portal", || {
        !world.sandbox.record().entries.is_empty()
    })
    .await;
    assert_eq!(sample(admin, in_use).await, 1);
    assert_eq!(sample(admin, idle).await, 0);
    gate.open();
    call.await.unwrap().unwrap();
    assert_eq!(sample(admin, in_use).await, 0);
}

#[tokio::test]
async fn a_drain_and_the_calls_that_outlast_it_are_measured() {
    let admin = free_address();
    let settings = [
        ("ADMIN_LISTEN", &*admin.to_string()),
        ("SERVER_DRAIN_SECONDS", "3"),
    ];
    let mut world = World::with_settings(&settings).await;
    let silence = FaultKind::Silence(Moment::Before);
    world.sandbox.inject(Fault::once(silence));
    let mut client = world.client().await;
    let request = world.request(crm_message("never answered"));
    let call = tokio::spawn(async move { client.send_crm_message(request).await });
    until_in_progress(admin, 1).await;
    let (_, text) = get(&admin.to_string(), "/metrics").await;
    assert!(!text.contains("openlines_drain_started"), "{text}");
    assert!(
        text.contains("openlines_limit{limit=\"drain_seconds\"} 3\n"),
        "{text}"
    );
    assert_eq!(sample(admin, "openlines_terminated_calls_total").await, 0);

    world.service.stop();
    let drained = loop {
        let (_, text) = get(&admin.to_string(), "/metrics").await;
        let start = "openlines_drain_started_timestamp_seconds ";
        let begun = text.lines().find_map(|line| line.strip_prefix(start));
        if let Some(begun) = begun {
            assert!(text.contains("openlines_ready 0\n"), "{text}");
            break begun.parse::<f64>().unwrap();
        }
        tokio::task::yield_now().await;
    };
    let now = std::time::UNIX_EPOCH.elapsed().unwrap().as_secs_f64();
    assert!((now - 60.0..=now).contains(&drained), "{drained} {now}");
    // The call gets its answer when the drain time is over.
    call.await.unwrap().unwrap_err();
}

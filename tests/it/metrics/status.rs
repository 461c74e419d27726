//! What operators see at the admin port beside the metrics.

use sandbox::{Fault, FaultKind, Gate, Moment};
use serde_json::{Value, json};

use super::{get, world_with_admin_port};
use crate::support::admin::until_in_progress;
use crate::support::requests::crm_message;
use crate::support::{WEBHOOK, until};

async fn status(admin: &str) -> Value {
    let (status, text) = get(admin, "/status").await;
    assert_eq!(status, 200);
    serde_json::from_str(&text).unwrap()
}

#[tokio::test]
async fn the_version_is_told() {
    let (_world, admin) = world_with_admin_port().await;
    let (status, text) = get(&admin, "/version").await;
    assert_eq!(status, 200);
    let version: Value = serde_json::from_str(&text).unwrap();
    assert_eq!(version["version"], env!("CARGO_PKG_VERSION"));
    assert!(version["rust_version"].as_str().unwrap().starts_with("1."));
    assert!(version["revision"].is_string());
}

#[tokio::test]
async fn the_status_has_portals_with_what_they_are_about_and_failures_without_texts() {
    let (world, admin) = world_with_admin_port().await;
    let gate = Gate::closed();
    let held = FaultKind::Held(Moment::Before, gate.clone());
    world.sandbox.inject(Fault::once(held));
    let mut client = world.client().await;
    let request = world.request(crm_message("a text of a customer"));
    let call = tokio::spawn(async move { client.send_crm_message(request).await });
    until("the call is at the portal", || {
        !world.sandbox.record().entries.is_empty()
    })
    .await;
    until_in_progress(admin.parse().unwrap(), 1).await;
    let mut wrong = crm_message("another text");
    wrong.portal_chat_id = 0;
    let sent = world.send(wrong).await;
    sent.unwrap_err();

    // An answer is of this moment, or of one second before.
    let told = loop {
        let told = status(&admin).await;
        if told["last_failures"]
            .as_array()
            .is_some_and(|failures| !failures.is_empty())
        {
            break told;
        }
        tokio::task::yield_now().await;
    };
    let portal = &told["portals"]["busiest"][0];
    let host = world.sandbox.address().to_string();
    assert_eq!(portal["host"], host, "{told}");
    assert_eq!(portal["in_flight"], 1, "{told}");
    assert_eq!(portal["breaker_open"], false);
    assert_eq!(told["portals"]["known"], 1);
    assert_eq!(told["readiness"]["ready"], true);
    for lost in ["lost_lines", "lost_spans", "lost_transmissions"] {
        assert!(told["log"][lost].is_number(), "{lost}: {told}");
    }
    // What alerts count is there at 0; people are shown what has been.
    assert_eq!(told["calls"]["by_code"], json!({"INVALID_ARGUMENT": 1.0}));
    assert_eq!(told["calls"]["by_error_source"], json!({"caller": 1.0}));
    let failure = &told["last_failures"][0];
    assert_eq!(failure["tenant"], WEBHOOK);
    assert_eq!(failure["reason"], "ERROR_REASON_INVALID_REQUEST");
    let text = told.to_string();
    assert!(
        !text.contains("text of") && !text.contains("/rest/"),
        "{text}"
    );
    assert!(!text.contains(sandbox::demo::WEBHOOK_SECRET));
    gate.open();
    call.await.unwrap().unwrap();
}

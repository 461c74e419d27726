//! Requests that break rules, through the socket: nothing is sent. The rules one by one are tested
//! beside the code, in src/openlines/tests.

mod limits;
mod settings;
mod size;
mod together;

use tonic::{Code, Status};

use crate::support::requests::{
    connector_message, connector_messages, crm_message, network_message,
};
use crate::support::{Told, World};

/// Exactly one violation, of this field and rule.
fn assert_only_violation(status: &Status, field: &str, rule: &str) {
    assert_eq!(
        (
            status.code(),
            status.reason().as_str(),
            status.outcome().as_str()
        ),
        (Code::InvalidArgument, "INVALID_REQUEST", "not_executed"),
        "{field} {rule}"
    );
    assert_eq!(
        status.metadata_value("errorSource").as_deref(),
        Some("facade")
    );
    assert_eq!(status.violations(), [(field.to_owned(), rule.to_owned())]);
    assert!(
        status
            .message()
            .starts_with(&format!("invalid request: {field}: ")),
        "{}",
        status.message()
    );
}

fn assert_nothing_sent(world: &World) {
    assert_eq!(world.sandbox.record().entries, []);
}

#[tokio::test]
async fn a_request_with_a_violation_is_refused_and_not_sent() {
    let world = World::start().await;
    let status = world.send(crm_message("")).await.unwrap_err();
    assert_only_violation(&status, "text", "REQUIRED");
    let status = world.send(network_message("")).await.unwrap_err();
    assert_only_violation(&status, "text", "REQUIRED");
    let mut message = connector_message("m1", "text");
    message.chat = None;
    let status = world
        .send(connector_messages(vec![message]))
        .await
        .unwrap_err();
    assert_only_violation(&status, "messages[0].chat", "REQUIRED");
    assert_nothing_sent(&world);
}

//! `openlines tenants import`: many tenants from one file.

use sandbox::demo;

use super::office::Office;
use super::terminal::{Terminal, file, line};

#[tokio::test(flavor = "multi_thread")]
async fn a_file_of_tenants_is_entered_and_a_second_time_changes_nothing() {
    let office = Office::open().await;
    let terminal = Terminal::of(&office);
    let (folder, portal) = (office.folder.path(), office.portal());
    let secret = file(folder, "secret", &format!("{}\n", demo::WEBHOOK_SECRET));
    let tenants = file(
        folder,
        "import.yaml",
        &format!(
            "tenants:\n\
             - {{id: one, portal: '{portal}', display_name: One, plan: {{burst: 100, per_second: 2.5}},\n\
             \x20  webhook: {{user_id: 1, secret: {{file: '{secret}'}}}}}}\n\
             - {{id: two, portal: '{portal}', plan: enterprise,\n\
             \x20  application: {{access_token: {{inline: a}}, member_id: x}}}}\n"
        ),
    );
    let told = terminal.done(&["import", &tenants]).await;
    assert_eq!(
        told,
        "2 tenants were created, 0 were there already, 0 were refused.\n"
    );
    let verified = terminal.done(&["verify", "one"]).await;
    assert!(verified.starts_with("working: "), "{verified}");
    let one = terminal.done(&["get", "one"]).await;
    assert_eq!(line(&one, "name"), "One");
    assert_eq!(line(&one, "plan"), "100 at once, 2.5 a second");
    let two = terminal.done(&["get", "two"]).await;
    assert_eq!(line(&two, "plan"), "enterprise");
    assert_eq!(line(&two, "access token"), "yes");

    let again = terminal
        .done(&["import", &tenants, "--output", "json"])
        .await;
    let again: serde_json::Value = serde_json::from_str(&again).unwrap();
    let nothing = serde_json::json!({"created": 0, "present": 2, "refused": 0});
    assert_eq!(again, nothing);
    assert_eq!(terminal.done(&["get", "one"]).await, one);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_the_service_refuses_is_told_of_each_tenant_and_the_others_are_entered() {
    let office = Office::open().await;
    let terminal = Terminal::of(&office);
    let (folder, portal) = (office.folder.path(), office.portal());
    let webhook = "webhook: {user_id: 1, secret: {inline: s3cr3tcanary}}";
    let tenants = file(
        folder,
        "import.yaml",
        &format!(
            "tenants:\n\
             - {{id: far, portal: portal.example, {webhook}}}\n\
             - {{id: near, portal: '{portal}', {webhook}}}\n"
        ),
    );
    let done = terminal.run(&["import", &tenants]).await;
    assert_eq!(done.code, 1);
    let counts = "1 tenants were created, 0 were there already, 1 were refused.\n";
    assert_eq!(done.output, counts);
    assert!(
        done.error.contains("1 tenants were refused:\nfar: "),
        "{}",
        done.error
    );
    assert!(done.error.contains("portal"), "{}", done.error);
    assert!(!done.error.contains("s3cr3tcanary"), "{}", done.error);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_with_an_error_enters_nothing() {
    let office = Office::open().await;
    let terminal = Terminal::of(&office);
    let (folder, portal) = (office.folder.path(), office.portal());
    let good =
        format!("{{id: good, portal: '{portal}', webhook: {{user_id: 1, secret: {{inline: a}}}}}}");
    for wrong in [
        "{id: bad, portal: a, webhook: {user_id: 0, secret: {inline: a}}}",
        "{id: bad, portal: a, webhook: {user_id: 1, secret: a}}",
        "{id: bad, portal: a}",
        "{id: bad, portal: a, plan: gold, webhook: {user_id: 1, secret: {inline: a}}}",
        "{id: bad, portals: a, webhook: {user_id: 1, secret: {inline: a}}}",
        "{id: bad, portal: a, application: {access_token: {environment: NOT_SET}}}",
    ] {
        let text = format!("tenants: [{good}, {wrong}]\n");
        let tenants = file(folder, "import.yaml", &text);
        let done = terminal.run(&["import", &tenants]).await;
        assert_eq!(done.code, 64, "{wrong}: {}", done.error);
        assert!(done.error.contains("tenants[1]"), "{wrong}: {}", done.error);
    }
    assert_eq!(terminal.run(&["get", "good"]).await.code, 1);
}

//! `openlines tenants`, as an operator types it.

use sandbox::demo;
use serde_json::Value;

use super::office::Office;
use super::terminal::{Done, Terminal, file, line};
use crate::support::process::openlines;

#[tokio::test(flavor = "multi_thread")]
async fn a_tenant_lives_its_whole_life_at_the_terminal() {
    let office = Office::open().await;
    let terminal = Terminal::of(&office);
    let portal = office.portal();
    let create = [
        "create",
        "acme",
        "--portal",
        &portal,
        "--display-name",
        "Acme",
        "--webhook-user-id",
        "1",
        "--webhook-secret-file",
        "-",
    ];
    let created = terminal.type_in(&create, "wrong\n").await;
    assert_eq!(created.code, 0, "{}", created.error);
    assert_eq!(line(&created.output, "id"), "acme");
    assert_eq!(line(&created.output, "state"), "active");
    assert_eq!(line(&created.output, "credentials"), "webhook");
    let etag = line(&created.output, "etag").to_owned();

    let refused = terminal.run(&["verify", "acme"]).await;
    assert_eq!(refused.code, 1);
    assert!(
        refused.output.starts_with("refused: "),
        "{}",
        refused.output
    );
    assert!(
        refused.output.contains("INVALID_CREDENTIALS"),
        "{}",
        refused.output
    );

    let secret = file(
        office.folder.path(),
        "secret",
        &format!("{}\r\n", demo::WEBHOOK_SECRET),
    );
    let update = [
        "update",
        "tenants/acme",
        "--webhook-secret-file",
        &secret,
        "--etag",
        &etag,
    ];
    terminal.done(&update).await;
    let verified = terminal.done(&["verify", "acme"]).await;
    assert!(verified.starts_with("working: "), "{verified}");
    assert!(verified.contains("permissions: "), "{verified}");

    let old = terminal.run(&["disable", "acme", "--etag", &etag]).await;
    assert_eq!(old.code, 1);
    assert!(
        old.error
            .starts_with("openlines: ABORTED, TENANT_CHANGED: "),
        "{}",
        old.error
    );
    let disabled = terminal.done(&["disable", "acme"]).await;
    assert_eq!(line(&disabled, "state"), "disabled");
    let listed = terminal.done(&["list", "--state", "disabled"]).await;
    assert!(listed.starts_with("ID "), "{listed}");
    assert_eq!(listed.lines().count(), 2, "{listed}");
    assert!(
        listed.contains("acme  disabled  http://127.0.0.1:"),
        "{listed}"
    );
    let enabled = terminal.done(&["enable", "acme"]).await;
    assert_eq!(line(&enabled, "state"), "active");
    assert_eq!(terminal.done(&["list"]).await.lines().count(), 4);

    let planned = terminal
        .done(&["update", "acme", "--plan", "100/2.5"])
        .await;
    assert_eq!(line(&planned, "plan"), "100 at once, 2.5 a second");
    let planned = terminal
        .done(&["update", "acme", "--plan", "enterprise"])
        .await;
    assert_eq!(line(&planned, "plan"), "enterprise");
    let refused = terminal.run(&["update", "acme", "--plan", "0/2"]).await;
    assert_eq!(refused.code, 1);
    let told = "tenant.plan.own.burst: is not between 1 and 10,000";
    assert!(refused.error.contains(told), "{}", refused.error);
    let cleared = terminal
        .done(&[
            "update",
            "acme",
            "--clear",
            "display-name",
            "--clear",
            "plan",
        ])
        .await;
    assert_eq!(line(&cleared, "name"), "");
    assert_eq!(line(&cleared, "plan"), "");
    assert_eq!(
        terminal.done(&["delete", "acme"]).await,
        "acme is deleted.\n"
    );
    let gone = terminal.run(&["get", "acme"]).await;
    assert_eq!(gone.code, 1);
    assert!(
        gone.error.contains("NOT_FOUND, TENANT_NOT_FOUND"),
        "{}",
        gone.error
    );
    assert!(
        gone.error.contains("Check the tenant's name."),
        "{}",
        gone.error
    );
    assert!(gone.error.contains("Request id: "), "{}", gone.error);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_application_is_entered_from_files() {
    let office = Office::open().await;
    let terminal = Terminal::of(&office);
    let folder = office.folder.path();
    let client_secret = file(folder, "client", demo::CLIENT_SECRET);
    let refresh_token = file(folder, "refresh", demo::REFRESH_TOKEN);
    let access_token = file(folder, "access", demo::ACCESS_TOKEN);
    let portal = office.portal();
    let created = terminal
        .done(&[
            "create",
            "acme",
            "--portal",
            &portal,
            "--client-id",
            demo::CLIENT_ID,
            "--client-secret-file",
            &client_secret,
            "--refresh-token-file",
            &refresh_token,
            "--access-token-file",
            &access_token,
            "--access-token-expires",
            "2100-01-01T00:00:00Z",
        ])
        .await;
    assert_eq!(line(&created, "client id"), demo::CLIENT_ID);
    assert_eq!(line(&created, "client secret"), "yes");
    assert_eq!(
        line(&created, "access token"),
        "yes, until 2100-01-01T00:00:00Z"
    );
    assert_eq!(line(&created, "refresh token"), "yes");
    assert_eq!(line(&created, "event token"), "no");
    office.send("acme").await.unwrap();
    let cleared = terminal
        .done(&["update", "acme", "--clear", "access-token"])
        .await;
    assert_eq!(line(&cleared, "access token"), "no");
    assert!(
        terminal
            .done(&["verify", "acme"])
            .await
            .starts_with("working: ")
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn json_is_the_answer_of_the_service() {
    let office = Office::open().await;
    let terminal = Terminal::of(&office);
    let listed: Value =
        serde_json::from_str(&terminal.done(&["--output", "json", "list"]).await).unwrap();
    let names: Vec<&str> = listed["tenants"]
        .as_array()
        .unwrap()
        .iter()
        .map(|tenant| tenant["name"].as_str().unwrap())
        .collect();
    assert_eq!(names, ["tenants/app", "tenants/hook"]);
    let shown: Value =
        serde_json::from_str(&terminal.done(&["get", "hook", "--output", "json"]).await).unwrap();
    assert_eq!(shown["webhook"]["hasSecret"], true);
    assert_eq!(shown["origin"], "ORIGIN_FILE");

    let refused = terminal.run(&["get", "ghost", "--output", "json"]).await;
    assert_eq!(refused.code, 1);
    let json = refused.error.trim_start_matches("openlines: ");
    let status: Value = serde_json::from_str(json).unwrap();
    assert_eq!(
        status["details"][0]["reason"],
        "ERROR_REASON_TENANT_NOT_FOUND"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn every_violation_is_told_in_a_line_of_its_own() {
    let office = Office::open().await;
    let terminal = Terminal::of(&office);
    let create = [
        "create",
        "Acme",
        "--portal",
        "https://acme.example/",
        "--webhook-user-id",
        "0",
    ];
    let refused = terminal.run(&create).await;
    assert_eq!(refused.code, 1);
    let mut lines = refused.error.lines();
    assert!(
        lines
            .next()
            .unwrap()
            .starts_with("openlines: INVALID_ARGUMENT, INVALID_REQUEST: ")
    );
    let fields: Vec<&str> = lines
        .map(|line| line.split(": ").next().unwrap().trim())
        .collect();
    let expected = [
        "tenant_id",
        "tenant.portal",
        "tenant.webhook.user_id",
        "tenant.webhook.secret",
    ];
    assert_eq!(fields[..expected.len()], expected, "{}", refused.error);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_the_command_line_lacks_is_told_before_anybody_is_called() {
    let nobody = Terminal {
        address: "127.0.0.1:1".parse().unwrap(),
        key: "b24f_x".to_owned(),
    };
    let folder = tempfile::tempdir().unwrap();
    let empty = file(folder.path(), "empty", "\n");
    let secret = file(folder.path(), "secret", "x");
    for (arguments, told) in [
        (&["update", "a"][..], "nothing to change"),
        (
            &["create", "a", "--webhook-secret-file", "/does/not/exist"],
            "cannot be read",
        ),
        (
            &["create", "a", "--webhook-secret-file", &empty],
            "is empty",
        ),
        (
            &[
                "create",
                "a",
                "--client-secret-file",
                "-",
                "--refresh-token-file",
                "-",
            ],
            "standard input already",
        ),
        (
            &[
                "create",
                "a",
                "--webhook-user-id",
                "1",
                "--client-id",
                "local.1.2",
            ],
            "options of one of the two",
        ),
        (
            &[
                "update",
                "a",
                "--display-name",
                "x",
                "--clear",
                "display-name",
            ],
            "display_name is given, too",
        ),
        (
            &["get", "a", "--address", "ftp://127.0.0.1:1"],
            "http://HOST:PORT",
        ),
        (
            &[
                "get",
                "a",
                "--address",
                "http://127.0.0.1:1",
                "--ca-file",
                &secret,
            ],
            "--ca-file is for https://",
        ),
        (
            &["get", "a", "--api-key-file", "/does/not/exist"],
            "--api-key-file",
        ),
        (&["list", "--state", "gone"], "invalid value"),
        (&["update", "a", "--plan", "gold"], "100/3"),
        (&["rename", "a"], "unrecognized subcommand"),
        (
            &["create", "a", "--webhook-secret", "x"],
            "unexpected argument",
        ),
    ] {
        let done = nobody.type_in(arguments, "from-input\n").await;
        assert_eq!(done.code, 64, "{arguments:?} {}", done.error);
        assert!(done.error.contains(told), "{arguments:?} {}", done.error);
        assert_eq!(done.output, "");
    }
    let done = nobody.run(&["get", "a"]).await;
    assert_eq!(done.code, 1);
    assert!(
        done.error.contains("cannot reach http://127.0.0.1:1"),
        "{}",
        done.error
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn the_key_comes_from_a_file_or_from_the_environment() {
    let office = Office::open().await;
    let mut terminal = Terminal::of(&office);
    let key = file(
        office.folder.path(),
        "key",
        &format!("{}\n", office.keys.manager),
    );
    office.keys.sender.clone_into(&mut terminal.key);
    let refused = terminal.run(&["list"]).await;
    assert!(
        refused
            .error
            .contains("PERMISSION_DENIED, ADMINISTRATION_NOT_PERMITTED")
    );
    // The file comes first.
    terminal.done(&["list", "--api-key-file", &key]).await;

    let address = format!("http://{}", office.service.address);
    let without = tokio::task::spawn_blocking(move || {
        openlines(&["tenants", "--address", &address, "list"])
            .output()
            .unwrap()
    });
    let without = Done::of(without.await.unwrap());
    assert_eq!(without.code, 1);
    assert!(
        without
            .error
            .contains("UNAUTHENTICATED, CREDENTIALS_MISSING"),
        "{}",
        without.error
    );
}

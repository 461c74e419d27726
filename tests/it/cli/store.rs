//! The store as the command line sees it: a look at it, and what keeps it from being reached.

use super::{EX_USAGE, stderr, stdout};
use crate::support::process::{Files, openlines, run};

#[test]
fn a_password_that_is_not_encoded_is_refused_and_no_piece_of_it_is_told() {
    let files = Files::write("auth: {mode: dangerous_none}\n", "tenants: []\n");
    let settings = files.settings();
    let text = std::fs::read_to_string(&settings).unwrap();
    let start = text.find("url: 'sqlite:").unwrap();
    let end = text[start..].find(", keyring").unwrap() + start;
    let url = "url: 'postgresql://lines:p@ss#w0rdcanary@127.0.0.1:1/lines'";
    std::fs::write(&settings, [&text[..start], url, &text[end..]].concat()).unwrap();
    for arguments in [&["serve"][..], &["serve", "--check", "--store"]] {
        let mut command = openlines(arguments);
        let output = command.arg("--config").arg(&settings).output().unwrap();
        assert_eq!(output.status.code(), Some(EX_USAGE));
        let told = stderr(&output) + &stdout(&output);
        assert!(told.contains("percent-encoded"), "{told}");
        assert!(told.contains("# as %23"), "{told}");
        for piece in ["canary", "w0rd", "ss#", "p@"] {
            assert!(!told.contains(piece), "{told}");
        }
    }
}

#[test]
fn a_check_of_the_store_tells_what_is_in_it_and_creates_nothing() {
    let files = Files::write("auth: {mode: dangerous_none}\n", "tenants: []\n");
    let settings = files.settings();
    let check = || {
        let mut command = openlines(&["serve", "--check", "--store", "--config"]);
        let output = command.arg(&settings).output().unwrap();
        (output.status.code(), stdout(&output), stderr(&output))
    };
    let (code, told, errors) = check();
    assert_eq!(code, Some(0), "{errors}");
    assert!(told.contains("openlines.db can be reached"), "{told}");
    assert!(told.contains("It is empty"), "{told}");
    assert!(!settings.with_file_name("openlines.db").exists());
    let alone = run(&["serve", "--store"]);
    assert_eq!(alone.status.code(), Some(EX_USAGE));
    assert!(stderr(&alone).contains("--check"), "{}", stderr(&alone));
}

#[test]
fn what_keeps_a_database_from_being_reached_is_told() {
    let files = Files::write("auth: {mode: dangerous_none}\n", "tenants: []\n");
    let keyring = files.settings().with_file_name("keyring");
    for (url, cause) in [
        (
            "postgresql://lines:canary@127.0.0.1:1/lines",
            "connection refused",
        ),
        (
            "postgresql://lines:canary@db.invalid/lines",
            "cannot be resolved",
        ),
    ] {
        let mut command = openlines(&["keys", "sealing-keys", "--store-url", url]);
        let output = command
            .arg("--keyring-file")
            .arg(&keyring)
            .output()
            .unwrap();
        let told = stderr(&output);
        assert!(told.contains(cause), "{url}: {told}");
        assert!(!told.contains("canary"), "{told}");
    }
}

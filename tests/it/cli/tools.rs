//! What is around the service: health, schemas, completions, manual pages.

use super::{serving, stderr, stdout};
use crate::support::process::{openlines, run};

#[tokio::test]
async fn health_takes_address_and_certificates_from_the_environment() {
    let (files, service, address) = serving().await;
    let mut asked = openlines(&["health"]);
    let asked = asked.env("OPENLINES_ADDRESS", &address).output().unwrap();
    assert_eq!(stdout(&asked), "SERVING\n", "{}", stderr(&asked));
    let mut nowhere = openlines(&["health", "--address", "127.0.0.1:1"]);
    let nowhere = nowhere.env("OPENLINES_ADDRESS", &address).output().unwrap();
    assert!(!nowhere.status.success());
    let told = stderr(&nowhere);
    assert!(
        told.starts_with("openlines: cannot reach http://127.0.0.1:1: "),
        "{told}"
    );
    service.terminate();
    assert!(service.ended().await.0.success());
    // They are not settings, and the service does not take them for misspelt ones.
    let mut check = openlines(&["serve", "--check", "--config"]);
    let check = check.arg(files.settings()).env("OPENLINES_ADDRESS", "x");
    let check = check.env("OPENLINES_CA_FILE", "y").output().unwrap();
    assert!(check.status.success(), "{}", stderr(&check));
}

#[test]
fn the_schema_of_each_file_is_told() {
    for (file, key) in [
        ("settings", "server"),
        ("callers", "callers"),
        ("tenants", "tenants"),
    ] {
        let output = run(&["settings", "schema", file]);
        let schema: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
        assert!(schema["properties"][key].is_object(), "{file}");
    }
    assert_eq!(
        run(&["settings", "schema"]).stdout,
        run(&["settings", "schema", "settings"]).stdout
    );
}

#[test]
fn shells_and_man_know_the_commands() {
    for shell in ["bash", "zsh", "fish"] {
        let script = run(&["completions", shell]);
        assert!(script.status.success(), "{}", stderr(&script));
        let script = stdout(&script);
        for word in ["serve", "tenants", "reseal", "keyring-file"] {
            assert!(script.contains(word), "{shell}: {word}");
        }
    }
    let folder = tempfile::tempdir().unwrap();
    let pages = folder.path().join("man1");
    let written = run(&["man", pages.to_str().unwrap()]);
    assert!(written.status.success(), "{}", stderr(&written));
    let page = |name: &str| std::fs::read_to_string(pages.join(name)).unwrap();
    assert!(page("openlines.1").contains("openlines\\-serve(1)"));
    assert!(page("openlines-keys-reseal.1").contains("keyring"));
}

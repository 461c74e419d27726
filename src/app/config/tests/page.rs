//! docs/settings.md.

use std::path::Path;

use secrecy::ExposeSecret;

use super::super::Config;
use crate::settings::{Environment, tables};
use store::sealing::Key;

const START: &str = "<!-- tables -->\n";
const END: &str = "<!-- end of tables -->\n";

fn page() -> (std::path::PathBuf, String) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/settings.md");
    let text = std::fs::read_to_string(&path).unwrap();
    (path, text)
}

/// The YAML example whose first line is `# name`.
pub(super) fn example(name: &str) -> String {
    let (_, page) = page();
    let start = format!("```yaml\n# {name}\n");
    let (_, rest) = page.split_once(&start).unwrap();
    rest.split_once("```").unwrap().0.to_owned()
}

#[test]
fn the_settings_page_lists_exactly_the_settings_that_exist() {
    let (path, text) = page();
    let (before, rest) = text.split_once(START).unwrap();
    let (_, after) = rest.split_once(END).unwrap();
    let expected = format!(
        "{before}{START}\n{}{END}{after}",
        tables(&Config::settings())
    );
    if Environment::of_process().get("UPDATE_DOCS").is_some() {
        std::fs::write(path, expected).unwrap();
    } else {
        assert!(
            text == expected,
            "docs/settings.md is out of date; run UPDATE_DOCS=1 cargo test settings_page"
        );
    }
}

#[test]
fn the_examples_of_the_settings_page_work() {
    let folder = super::private_folder();
    let tenants = folder.path().join("tenants.yaml");
    let settings = folder.path().join("settings.yaml");
    let callers = folder.path().join("callers.yaml");
    let inline = "write secrets inline only if the file itself is protected like one";
    std::fs::write(&tenants, example("tenants").replace(inline, "t0ken")).unwrap();
    std::fs::write(&callers, example("callers")).unwrap();
    let variable = |name: &str, value: &str| (name.to_owned(), value.to_owned());
    let mut variables = vec![
        variable("OPENLINES_TENANTS_FILE", tenants.to_str().unwrap()),
        variable("ACME_WEBHOOK", "abc123"),
        variable("CHAT_CLIENT_SECRET", "s3cret"),
        variable(
            "OPENLINES_STORE_KEYRING",
            Key::generate().unwrap().expose().expose_secret(),
        ),
    ];
    std::fs::write(&settings, example("settings")).unwrap();
    let environment = Environment::from_iter(variables.clone());
    Config::load(Some(&settings), &environment).unwrap();

    variables.push(variable(
        "OPENLINES_AUTH_CALLERS_FILE",
        callers.to_str().unwrap(),
    ));
    Config::load(None, &Environment::from_iter(variables)).unwrap();
}

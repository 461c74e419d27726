//! The tables of docs/settings.md, written from the settings themselves.

use std::fmt::Write as _;

use super::setting::{Form, Setting};
use super::settings;

/// A Markdown table of all settings for each section.
pub fn reference_tables() -> String {
    let settings = settings();
    let mut text = String::new();
    for section in settings.chunk_by(|a, b| a.section() == b.section()) {
        let name = section
            .first()
            .map(|setting| setting.section())
            .unwrap_or_default();
        text.push_str(&format!(
            "### {name}\n\n| Setting | Environment variable | Default | Allowed | Meaning |\n\
             |---|---|---|---|---|\n"
        ));
        section
            .iter()
            .for_each(|setting| text.push_str(&row(setting)));
        text.push('\n');
    }
    text
}

fn row(setting: &Setting) -> String {
    let variable = setting
        .variable()
        .map_or_else(|| "–".to_owned(), |name| format!("`{name}`"));
    let default = match setting.default {
        None | Some("") => "–".to_owned(),
        Some(text) if setting.form == Form::Suffixes => text
            .split(',')
            .map(|suffix| format!("`{suffix}`"))
            .collect::<Vec<_>>()
            .join(", "),
        Some(text) => format!("`{text}`"),
    };
    let mut row = String::new();
    let Setting {
        path,
        form,
        meaning,
        ..
    } = setting;
    // Writing to a String cannot fail.
    let _ = writeln!(
        row,
        "| `{path}` | {variable} | {default} | {form} | {meaning} |"
    );
    row
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use secrecy::ExposeSecret;

    use super::reference_tables;
    use crate::config::{Config, Environment};
    use store::sealing::Key;

    const START: &str = "<!-- tables -->\n";
    const END: &str = "<!-- end of tables -->\n";

    fn page() -> (std::path::PathBuf, String) {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/settings.md");
        let text = std::fs::read_to_string(&path).unwrap();
        (path, text)
    }

    /// The YAML example whose first line is `# name`.
    fn example(name: &str) -> String {
        let (_, page) = page();
        let start = format!("```yaml\n# {name}\n");
        let (_, rest) = page.split_once(&start).unwrap();
        rest.split_once("```").unwrap().0.to_owned()
    }

    #[test]
    fn the_settings_page_lists_exactly_the_settings_there_are() {
        let (path, text) = page();
        let (before, rest) = text.split_once(START).unwrap();
        let (_, after) = rest.split_once(END).unwrap();
        let expected = format!("{before}{START}\n{}{END}{after}", reference_tables());
        if std::env::var_os("UPDATE_DOCS").is_some() {
            std::fs::write(path, expected).unwrap();
        } else {
            assert!(
                text == expected,
                "docs/settings.md is old; run UPDATE_DOCS=1 cargo test settings_page"
            );
        }
    }

    #[test]
    fn the_examples_of_the_settings_page_work() {
        let folder = tempfile::tempdir().unwrap();
        let tenants = folder.path().join("tenants.yaml");
        let settings = folder.path().join("settings.yaml");
        let callers = folder.path().join("callers.yaml");
        let inline = "write secrets inline only where the file itself is kept like one";
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
}

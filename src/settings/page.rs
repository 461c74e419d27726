//! The tables of docs/settings.md.

use super::setting::Setting;

/// A Markdown table for each section of `settings`, in the order in which sections first appear.
pub(crate) fn tables(settings: &[Setting]) -> String {
    let mut settings = settings.to_vec();
    let all = settings.clone();
    settings.sort_by_key(|setting| {
        all.iter()
            .position(|other| other.section() == setting.section())
    });
    let mut text = String::new();
    for section in settings.chunk_by(|a, b| a.section() == b.section()) {
        let name = section.first().map(Setting::section).unwrap_or_default();
        text.push_str(&format!(
            "### {name}\n\n| Setting | Environment variable | Default | Allowed | Meaning |\n\
             |---|---|---|---|---|\n"
        ));
        text.extend(section.iter().map(row));
        text.push('\n');
    }
    text
}

fn row(setting: &Setting) -> String {
    let code = |text: &str| format!("`{text}`");
    let variable = setting.variable.as_deref().map_or("–".to_owned(), code);
    let default = match setting.default {
        None | Some("") => "–".to_owned(),
        Some(text) if setting.list => text.split(',').map(code).collect::<Vec<_>>().join(", "),
        Some(text) => code(text),
    };
    let Setting {
        path,
        allowed,
        meaning,
        ..
    } = setting;
    format!("| `{path}` | {variable} | {default} | {allowed} | {meaning} |\n")
}

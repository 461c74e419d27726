//! The JSON Schemas of the files that operators write, for editors. Draft 7, which they all know.
//!
//! A schema says what one value alone may be. What needs another setting, a file or the environment
//! to be judged is checked by the service only.

use serde_json::{Map, Value, json};

use super::setting::Setting;

const DRAFT: &str = "http://json-schema.org/draft-07/schema#";

/// The schema of a settings file with these settings.
pub(crate) fn of_settings(settings: &[Setting]) -> Value {
    let mut root = section();
    for setting in settings {
        let mut place = &mut root;
        let mut keys = setting.path.split('.').peekable();
        while let Some(key) = keys.next() {
            let is_last = keys.peek().is_none();
            let below = if is_last {
                of_setting(setting)
            } else {
                section()
            };
            match entry(place, key, below) {
                Some(next) => place = next,
                // A setting cannot be a section, too.
                None => break,
            }
        }
    }
    of_file("Settings of openlines, see docs/settings.md", root)
}

/// The schema of a file with one list.
pub(crate) fn of_list(title: &str, key: &'static str, list: Value) -> Value {
    let file = fields(&[(key, list)], &[key]);
    of_file(title, file)
}

/// The schema of a mapping with these keys and no others, some of which are required.
pub(crate) fn fields(known: &[(&str, Value)], required: &[&str]) -> Value {
    let known: Map<String, Value> = known
        .iter()
        .map(|(key, schema)| ((*key).to_owned(), schema.clone()))
        .collect();
    json!({
        "type": "object",
        "properties": known,
        "required": required,
        "additionalProperties": false,
    })
}

/// The schema with the rule that exactly one of these keys is there.
pub(crate) fn exactly_one(schema: Value, keys: &[&str]) -> Value {
    let choices = keys.iter().map(|key| json!({"required": [key]}));
    with(schema, "oneOf", choices.collect())
}

/// The schema with the rule that at least one of these keys is there.
pub(crate) fn at_least_one(schema: Value, keys: &[&str]) -> Value {
    let choices = keys.iter().map(|key| json!({"required": [key]}));
    with(schema, "anyOf", choices.collect())
}

/// The schema of a list with at least one entry of this schema.
pub(crate) fn some(entry: Value) -> Value {
    json!({"type": "array", "minItems": 1, "items": entry})
}

/// The schema of a text of this pattern.
pub(crate) fn text(pattern: &str) -> Value {
    json!({"type": "string", "pattern": pattern})
}

/// A section may be empty, as YAML has it if all of its settings are comments.
fn section() -> Value {
    json!({"type": ["object", "null"], "properties": {}, "additionalProperties": false})
}

/// The value below a key of a section; this one if there is none yet.
fn entry<'v>(section: &'v mut Value, key: &str, below: Value) -> Option<&'v mut Value> {
    let properties = section.get_mut("properties")?.as_object_mut()?;
    Some(properties.entry(key).or_insert(below))
}

fn of_setting(setting: &Setting) -> Value {
    let schema = with(
        setting.schema.clone(),
        "description",
        setting.meaning.into(),
    );
    match setting.default {
        None | Some("") => schema,
        Some(text) => {
            let default = default(&schema, text);
            with(schema, "default", default)
        }
    }
}

/// A default as the file has it; the table has all of them as the environment does.
fn default(schema: &Value, text: &str) -> Value {
    let kind = schema.get("type").and_then(Value::as_str);
    let typed = match kind {
        Some("boolean") => text.parse::<bool>().ok().map(Value::from),
        Some("integer") => text.parse::<u64>().ok().map(Value::from),
        Some("array") => Some(text.split(',').map(str::trim).collect()),
        Some(_) | None => None,
    };
    typed.unwrap_or_else(|| text.into())
}

fn of_file(title: &str, schema: Value) -> Value {
    let schema = with(schema, "$schema", DRAFT.into());
    with(schema, "title", title.into())
}

fn with(mut schema: Value, key: &str, value: Value) -> Value {
    if let Some(fields) = schema.as_object_mut() {
        fields.insert(key.to_owned(), value);
    }
    schema
}

//! The settings file.

use bitrix24_openlines::testing::app::Config;
use serde_json::Value;

const SECRET: &str = "s3cr3tcanary";

/// A file is read or refused, with words that quote no value.
pub fn settings_file(data: &[u8]) {
    let Ok(text) = std::str::from_utf8(data) else {
        return;
    };
    // No target reads the files of the machine that it runs on.
    if text.contains('/') {
        return;
    }
    let shown = match Config::of_text(text) {
        Ok(config) => format!("{config:?}"),
        Err(errors) => errors,
    };
    let tree: Option<Value> = serde_saphyr::from_str(text).ok();
    if tree.is_some_and(|tree| !is_in_a_key(&tree)) {
        assert!(!shown.contains(SECRET), "{text:?}: {shown}");
    }
}

fn is_in_a_key(tree: &Value) -> bool {
    match tree {
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => false,
        Value::Array(items) => items.iter().any(is_in_a_key),
        Value::Object(map) => map
            .iter()
            .any(|(key, value)| key.contains(SECRET) || is_in_a_key(value)),
    }
}

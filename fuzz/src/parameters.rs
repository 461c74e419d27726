//! The parameters of a call as the command of a batch, and with an access token.

use bitrix24::{Method, Parameters, fuzzing};
use secrecy::SecretString;
use serde_json::{Map, Value, json};

/// A command is short, needs no escapes, and PHP reads from it what the call alone would say.
pub fn parameters(data: &[u8]) {
    let Ok(value @ Value::Object(_)) = serde_json::from_slice::<Value>(data) else {
        return;
    };
    let parameters = Parameters::of(&value).unwrap();
    with_a_token(&parameters, &value);
    let Some(command) = parameters.to_command(Method::AddCrmMessage) else {
        return;
    };
    let text = command.as_str();
    assert!(text.len() <= bitrix24::Command::MAXIMUM_BYTES);
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"?&=%-_.~".contains(&byte);
    assert!(text.bytes().all(is_plain), "{text}");
    let (method, query) = text.split_once('?').unwrap();
    assert_eq!(method, Method::AddCrmMessage.name());
    let Value::Object(map) = &value else {
        return;
    };
    // The top level is always a map.
    let expected: Map<String, Value> = map
        .iter()
        .map(|(key, value)| (key.clone(), as_decoded(value)))
        .collect();
    assert_eq!(sandbox::decode_form(query), expected);
}

fn with_a_token(parameters: &Parameters, value: &Value) {
    if value.get("auth").is_some() {
        return;
    }
    let token = "t\"\\\u{1}я";
    let body = fuzzing::body_with_token(parameters, &SecretString::from(token));
    let mut read: Value = serde_json::from_slice(&body).unwrap();
    let members = read.as_object_mut().unwrap();
    assert_eq!(members.remove("auth"), Some(json!(token)));
    assert_eq!(read, *value);
}

/// The parameters as PHP decodes them from a query: texts, and lists where the keys are 0, 1, 2…
fn as_decoded(value: &Value) -> Value {
    match value {
        Value::Bool(on) => json!(if *on { "1" } else { "0" }),
        Value::Number(number) => json!(number.to_string()),
        Value::Null | Value::String(_) => value.clone(),
        Value::Array(items) => items.iter().map(as_decoded).collect(),
        Value::Object(map) => {
            let mut keys = map.keys().enumerate();
            let is_list = !map.is_empty() && keys.all(|(at, key)| *key == at.to_string());
            let values = map
                .iter()
                .map(|(key, value)| (key.clone(), as_decoded(value)));
            if is_list {
                values.map(|(_, value)| value).collect()
            } else {
                Value::Object(values.collect())
            }
        }
    }
}

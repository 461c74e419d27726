//! A method's parameters as JSON.

use bytes::Bytes;
use secrecy::{ExposeSecret, SecretString};
use serde::Serialize;

/// A method's parameters as a JSON object.
#[derive(Clone, Debug)]
pub struct Parameters {
    json: Bytes,
}

/// The parameters are not a JSON object: a bug.
#[derive(Debug, thiserror::Error)]
#[error("the parameters are not a JSON object")]
pub struct NotAnObject;

impl Parameters {
    /// Serialises `parameters`.
    ///
    /// # Errors
    ///
    /// [`NotAnObject`] unless they are a struct or a map.
    pub fn of(parameters: &impl Serialize) -> Result<Self, NotAnObject> {
        let json = serde_json::to_vec(parameters).map_err(|_| NotAnObject)?;
        if json.first() == Some(&b'{') {
            Ok(Self { json: json.into() })
        } else {
            Err(NotAnObject)
        }
    }

    /// The JSON, without credentials.
    pub fn as_json(&self) -> &[u8] {
        &self.json
    }

    /// The body without credentials.
    pub(crate) fn body(&self) -> Bytes {
        self.json.clone()
    }

    /// The body with the access token as the member `auth`: a token in the address would end up in
    /// access logs.
    ///
    /// Source: page "general principles".
    pub(crate) fn body_with_token(&self, access_token: &SecretString) -> Bytes {
        let mut body = Vec::with_capacity(self.json.len() + room_for(access_token));
        body.extend_from_slice(&self.json);
        add_token(&mut body, access_token);
        body.into()
    }
}

/// How many bytes the member with the token takes, if the token needs no escapes.
pub(crate) fn room_for(access_token: &SecretString) -> usize {
    access_token.expose_secret().len() + KEY.len() + 3
}

/// Adds the token as the last member of a JSON object.
pub(crate) fn add_token(object: &mut Vec<u8>, access_token: &SecretString) {
    object.pop();
    if object.len() > 1 {
        object.push(b',');
    }
    object.extend_from_slice(KEY);
    let token = access_token.expose_secret();
    if token
        .bytes()
        .any(|byte| byte < b' ' || matches!(byte, b'"' | b'\\'))
    {
        object.extend_from_slice(serde_json::Value::from(token).to_string().as_bytes());
    } else {
        object.push(b'"');
        object.extend_from_slice(token.as_bytes());
        object.push(b'"');
    }
    object.push(b'}');
}

const KEY: &[u8] = b"\"auth\":";

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn the_token_becomes_one_more_member() {
        let token = SecretString::from("a\"b");
        for (parameters, body) in [
            (json!({"LINE": 1}), r#"{"LINE":1,"auth":"a\"b"}"#),
            (json!({}), r#"{"auth":"a\"b"}"#),
        ] {
            let parameters = Parameters::of(&parameters).unwrap();
            assert_eq!(parameters.body_with_token(&token), body);
        }
    }

    #[test]
    fn only_an_object_is_accepted() {
        assert!(Parameters::of(&json!([1])).is_err());
    }
}

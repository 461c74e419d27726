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

    /// Takes text that is a JSON object already.
    pub(crate) fn from_json(object: String) -> Self {
        Self {
            json: object.into(),
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
        let token = serde_json::Value::from(access_token.expose_secret()).to_string();
        let members = self.json.strip_suffix(b"}").unwrap_or(&self.json);
        let key: &[u8] = if members.len() > 1 {
            b",\"auth\":"
        } else {
            b"\"auth\":"
        };
        [members, key, token.as_bytes(), b"}"].concat().into()
    }
}

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

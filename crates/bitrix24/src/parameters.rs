//! A method's parameters, ready for the wire.

use bytes::Bytes;
use secrecy::{ExposeSecret, SecretString};
use serde::Serialize;

use super::batch;
use super::command::Command;

/// A method's parameters as a JSON object.
#[derive(Clone, Debug)]
pub struct Parameters {
    json: Bytes,
}

/// The parameters are no JSON object: a fault of the program.
#[derive(Debug, thiserror::Error)]
#[error("the parameters are no JSON object")]
pub struct NotAnObject;

impl Parameters {
    /// Serialises `parameters`.
    ///
    /// # Errors
    ///
    /// [`NotAnObject`] if they are not a struct or a map.
    pub fn of(parameters: &impl Serialize) -> Result<Self, NotAnObject> {
        let json = serde_json::to_vec(parameters).map_err(|_| NotAnObject)?;
        if json.first() == Some(&b'{') {
            Ok(Self { json: json.into() })
        } else {
            Err(NotAnObject)
        }
    }

    /// The parameters of a batch of these commands.
    pub(super) fn batch(commands: &[&Command]) -> Self {
        let mut json = String::from(r#"{"halt":0,"cmd":{"#);
        for (index, command) in commands.iter().enumerate() {
            let separator = if index > 0 { "," } else { "" };
            let (key, command) = (batch::key(index), command.as_str());
            // Neither has a character that JSON escapes.
            json.extend([separator, "\"", &key, "\":\"", command, "\""]);
        }
        json.push_str("}}");
        Self { json: json.into() }
    }

    /// The JSON, which holds no credentials.
    pub fn as_json(&self) -> &[u8] {
        &self.json
    }

    /// The JSON without credentials.
    pub(super) fn body(&self) -> Bytes {
        self.json.clone()
    }

    /// The JSON with the access token as the member `auth`.
    ///
    /// Source: page "general principles"; a token in the address would end up in access logs.
    pub(super) fn body_with_token(&self, access_token: &SecretString) -> Bytes {
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
    use crate::Method;

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
    fn a_batch_is_a_map_of_commands_in_their_order() {
        let command = |text: &str| {
            let parameters = Parameters::of(&json!({"MESSAGE": text})).unwrap();
            parameters.to_command(Method::AddCrmMessage).unwrap()
        };
        let (first, second) = (command("\"\\\n"), command("я"));
        let parameters = Parameters::batch(&[&first, &second]);
        assert_eq!(
            parameters.body(),
            r#"{"halt":0,"cmd":{"m1":"imopenlines.crm.message.add?MESSAGE=%22%5C%0A","m2":"imopenlines.crm.message.add?MESSAGE=%D1%8F"}}"#
        );
    }

    #[test]
    fn only_an_object_is_accepted() {
        assert!(Parameters::of(&json!([1])).is_err());
    }
}

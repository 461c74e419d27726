//! The body of a request.

use bytes::Bytes;
use secrecy::SecretString;

use crate::command::{Command, Key};
use crate::parameters::{Parameters, add_token, room_for};

/// What a request asks for.
#[derive(Clone, Copy)]
pub(crate) enum Payload<'a> {
    Parameters(&'a Parameters),
    Batch(&'a [&'a Command]),
}

impl Payload<'_> {
    /// The body without credentials.
    pub(crate) fn body(self) -> Bytes {
        match self {
            Self::Parameters(parameters) => parameters.body(),
            Self::Batch(commands) => batch(commands, None),
        }
    }

    /// The body with the access token.
    pub(crate) fn body_with_token(self, access_token: &SecretString) -> Bytes {
        match self {
            Self::Parameters(parameters) => parameters.body_with_token(access_token),
            Self::Batch(commands) => batch(commands, Some(access_token)),
        }
    }
}

/// The body of a batch, in one buffer.
fn batch(commands: &[&Command], access_token: Option<&SecretString>) -> Bytes {
    const START: &[u8] = br#"{"halt":0,"cmd":{"#;
    // A key of two digits, and what stands around key and command.
    const AROUND: usize = br#""m50":"","#.len();
    let of_commands = commands.iter().map(|command| command.len() + AROUND);
    let of_token = access_token.map_or(0, room_for);
    let capacity = START.len() + of_commands.sum::<usize>() + 2 + of_token;
    let mut body = Vec::with_capacity(capacity);
    body.extend_from_slice(START);
    for (index, command) in commands.iter().enumerate() {
        if index > 0 {
            body.push(b',');
        }
        // Neither key nor command has a character that JSON escapes.
        body.push(b'"');
        Key(index).add_to(&mut body);
        body.extend_from_slice(b"\":\"");
        body.extend_from_slice(command.as_str().as_bytes());
        body.push(b'"');
    }
    body.extend_from_slice(b"}}");
    if let Some(access_token) = access_token {
        add_token(&mut body, access_token);
    }
    body.into()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::Method;

    #[test]
    fn a_batch_is_a_map_of_commands_in_their_order() {
        let command = |text: &str| {
            let parameters = Parameters::of(&json!({"MESSAGE": text})).unwrap();
            parameters.to_command(Method::AddCrmMessage).unwrap()
        };
        let (first, second) = (command("\"\\\n"), command("я"));
        let commands = [&first, &second];
        let payload = Payload::Batch(&commands);
        assert_eq!(
            payload.body(),
            r#"{"halt":0,"cmd":{"m1":"imopenlines.crm.message.add?MESSAGE=%22%5C%0A","m2":"imopenlines.crm.message.add?MESSAGE=%D1%8F"}}"#
        );
        assert!(
            payload
                .body_with_token(&"t0ken".into())
                .ends_with(br#"%8F"},"auth":"t0ken"}"#)
        );
    }
}

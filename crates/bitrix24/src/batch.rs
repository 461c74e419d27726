//! Calls of several methods in one request.
//!
//! Source: pages "batch" and "data encoding".

mod answer;

use bytes::Bytes;
use secrecy::SecretString;
use tracing::Instrument;

pub use answer::BatchAnswer;
#[cfg(test)]
pub(crate) use answer::Maps;

use crate::answer::Envelope;
use crate::call_error::CallError;
use crate::client::{Client, Payload, Request, note};
use crate::command::Command;
use crate::credential::Credential;
use crate::parameters::{add_token, room_for};
use crate::portal::PortalAddress;
use crate::send_guard::{Deadlines, SendGuard};

const NAME: &str = "batch";

impl Client {
    /// Executes 1 to [`MAXIMUM_COMMANDS`](crate::MAXIMUM_COMMANDS) commands in order, in one
    /// request. A command that fails does not stop the others. Never retries.
    ///
    /// # Errors
    ///
    /// If the request as a whole failed; its outcome is then that of every command. See
    /// [`CallError::concerns_the_batch_alone`]. A refusal counts as "not executed" only if its code
    /// is documented to come before execution: another code may come after some commands.
    pub async fn batch(
        &self,
        portal: &PortalAddress,
        credential: &Credential,
        commands: &[&Command],
        deadlines: Deadlines,
        guard: &SendGuard,
    ) -> Result<BatchAnswer, CallError> {
        let request = Request {
            portal,
            credential,
            method: NAME,
            payload: Payload::Batch(commands),
        };
        let span = request.span();
        span.record("bitrix24.commands", commands.len());
        let answer = self
            .post(&request, deadlines, guard)
            .instrument(span.clone())
            .await
            .and_then(|reply| Envelope::read(&reply))
            .map(|envelope| BatchAnswer::read(envelope, commands.len()))
            .map_err(CallError::of_batch);
        note(&span, answer.as_ref().map(|answer| answer.http_status));
        answer
    }
}

/// The body, in one buffer, with the access token if there is one.
pub(crate) fn body(commands: &[&Command], access_token: Option<&SecretString>) -> Bytes {
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
        answer::Key(index).add_to(&mut body);
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
    use crate::{Method, Parameters};

    #[test]
    fn a_batch_is_a_map_of_commands_in_their_order() {
        let command = |text: &str| {
            let parameters = Parameters::of(&json!({"MESSAGE": text})).unwrap();
            parameters.to_command(Method::AddCrmMessage).unwrap()
        };
        let (first, second) = (command("\"\\\n"), command("я"));
        assert_eq!(
            body(&[&first, &second], None),
            r#"{"halt":0,"cmd":{"m1":"imopenlines.crm.message.add?MESSAGE=%22%5C%0A","m2":"imopenlines.crm.message.add?MESSAGE=%D1%8F"}}"#
        );
    }
}

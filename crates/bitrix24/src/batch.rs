//! Calls of several methods in one request.
//!
//! Source: pages "batch" and "data encoding".

mod answer;

use tracing::Instrument;

pub use answer::BatchAnswer;
#[cfg(test)]
pub(crate) use answer::Maps;

use crate::answer::Envelope;
use crate::call_error::CallError;
use crate::client::{Client, Request, note};
use crate::command::Command;
use crate::credential::Credential;
use crate::payload::Payload;
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

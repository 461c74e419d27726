//! Calls of several methods in one request.
//!
//! Source: pages "batch" and "data encoding".

mod answer;

use tracing::Instrument;

pub use answer::BatchAnswer;
pub(super) use answer::key;

use super::answer::Envelope;
use super::call_error::CallError;
use super::client::{Client, Request, note};
use super::command::Command;
use super::credential::Credential;
use super::parameters::Parameters;
use super::portal::PortalAddress;
use super::send_guard::{Deadlines, SendGuard};

/// The method's name.
const NAME: &str = "batch";

impl Client {
    /// Executes commands in their order, 1 to [`MAXIMUM_COMMANDS`](super::MAXIMUM_COMMANDS), in one request. A command
    /// that fails does not stop those after it. Never repeats.
    ///
    /// # Errors
    ///
    /// When the request as a whole has no good answer; see [`CallError::concerns_the_batch_alone`]. Its outcome is
    /// then that of every command. A refusal is taken for "not executed" only if its code is known to come before
    /// execution: another one may have come when some of the commands were done.
    pub async fn batch(
        &self,
        portal: &PortalAddress,
        credential: &Credential,
        commands: &[&Command],
        times: Deadlines,
        guard: &SendGuard,
    ) -> Result<BatchAnswer, CallError> {
        let request = Request {
            portal,
            credential,
            method: NAME,
            parameters: &Parameters::batch(commands),
        };
        let span = request.span();
        span.record("bitrix24.commands", commands.len());
        let answer = self
            .post(&request, times, guard)
            .instrument(span.clone())
            .await
            .and_then(|reply| Envelope::read(&reply))
            .map(|envelope| BatchAnswer::read(envelope, commands.len()))
            .map_err(CallError::of_batch);
        note(&span, answer.as_ref().map(|answer| answer.http_status));
        answer
    }
}

//! Sends the requests: over HTTP, and in tests as a script says.

use super::cargo::Cargo;
use super::response::Response;
#[cfg(test)]
use super::script::Script;
use crate::tenant::Opened;
use bitrix24::{CallError, Client, Command, Deadlines, SendGuard};

/// Sends requests to portals.
#[derive(Debug)]
pub(super) enum Sender {
    Http(Client),
    #[cfg(test)]
    Script(Script),
}

impl Sender {
    /// Gives back the memory of portals that were not called lately.
    pub(super) fn forget_unused(&self) {
        match self {
            Self::Http(client) => client.forget_unused(),
            #[cfg(test)]
            Self::Script(_) => {}
        }
    }

    /// Sends a request once.
    ///
    /// # Errors
    ///
    /// [`CallError`]: the request as a whole failed.
    pub(super) async fn send(
        &self,
        opened: &Opened,
        cargo: &Cargo,
        deadlines: Deadlines,
        guard: &SendGuard,
    ) -> Result<Response, CallError> {
        let client = match self {
            Self::Http(client) => client,
            #[cfg(test)]
            Self::Script(script) => return script.send(cargo, deadlines, guard).await,
        };
        let (portal, credential) = (opened.portal(), opened.credential());
        match cargo {
            Cargo::Single((_, job)) => {
                let (method, parameters) = (job.method, &job.parameters);
                let sent = client.call(portal, credential, method, parameters, deadlines, guard);
                let answer = sent.await?;
                Ok(Response {
                    http_status: answer.http_status,
                    results: vec![Ok(answer)],
                })
            }
            Cargo::Batch(calls) => {
                let commands: Vec<&Command> = calls.iter().map(|call| &call.command).collect();
                let sent = client.batch(portal, credential, &commands, deadlines, guard);
                let answer = sent.await?;
                Ok(Response {
                    http_status: answer.http_status,
                    results: answer.results,
                })
            }
        }
    }
}

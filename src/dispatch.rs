//! When a call may be sent.
//!
//! A valid [`Call`] asks for a [`Permit`]; only a permit can send. Today the one condition is the deadline; the portal's budgets,
//! queues and order belong here too.

use std::time::Duration;

use tokio::time::Instant;

use crate::bitrix24::{Answer, CallError, Client};
use crate::metrics::Metrics;
use crate::openlines::Call;

/// Why a call may not be sent now.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NotAdmitted {
    /// The deadline has passed.
    #[error("the deadline passed before the request could be sent")]
    DeadlinePassed,
}

/// Decides when calls are sent. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Dispatcher {
    client: Client,
    metrics: Metrics,
}

/// Proof that a call may be sent now. Only [`Dispatcher::admit`] makes it, and sending consumes it.
#[derive(Debug)]
pub struct Permit<'a> {
    dispatcher: &'a Dispatcher,
    call: Call,
    deadline: Instant,
}

impl Dispatcher {
    /// Makes a dispatcher that sends through `client`.
    pub fn new(client: Client, metrics: Metrics) -> Self {
        Self { client, metrics }
    }

    /// Lets a call through that can be sent before `deadline`.
    ///
    /// # Errors
    ///
    /// [`NotAdmitted`]; nothing was sent.
    pub fn admit(&self, call: Call, deadline: Instant) -> Result<Permit<'_>, NotAdmitted> {
        if Instant::now() >= deadline {
            return Err(NotAdmitted::DeadlinePassed);
        }
        Ok(Permit {
            dispatcher: self,
            call,
            deadline,
        })
    }
}

impl Permit<'_> {
    /// Sends the call, once, and says how long the portal took.
    ///
    /// # Errors
    ///
    /// See [`CallError`]; it knows whether the call was executed.
    pub async fn send(self) -> (Result<Answer, CallError>, Duration) {
        let Dispatcher { client, metrics } = self.dispatcher;
        let (tenant, method, parameters) = self.call.into_parts();
        let sent = Instant::now();
        let answer = client
            .call(
                tenant.portal(),
                tenant.credential(),
                method,
                parameters,
                self.deadline,
            )
            .await;
        let (http_status, error_type) = match &answer {
            Ok(answer) => (Some(answer.http_status), ""),
            Err(error) => (error.http_status(), error.kind()),
        };
        let duration = sent.elapsed();
        metrics.portal_request_ended(method.name(), http_status, error_type, duration);
        (answer, duration)
    }
}

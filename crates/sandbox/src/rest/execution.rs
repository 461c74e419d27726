//! Executes commands: a single call is one command, a batch has several.

use std::time::Duration;

use serde_json::{Map, Value};
use tokio::time::Instant;

use super::call::{Call, Method};
use super::caller::Caller;
use super::context::Context;
use super::envelope::{self, Timing};
use super::methods;
use crate::error::{Refusal, SystemError};
use crate::request::{BATCH, RestRequest};
use crate::response::JsonResponse;
use crate::simulator::{RunningPortal, Simulator};
use crate::switches::BatchCharging;

/// A request in progress.
pub(crate) struct Execution<'a> {
    pub(crate) simulator: &'a Simulator,
    pub(crate) portal: &'a RunningPortal,
    pub(crate) request: &'a RestRequest,
    /// The sequence number of the request's entry in the record.
    pub(crate) sequence: u64,
    pub(crate) context: Context,
    /// Whether the request came over TLS.
    pub(crate) secure: bool,
}

impl Execution<'_> {
    pub(crate) async fn call(&self) -> Result<JsonResponse, Refusal> {
        self.require_https()?;
        let method = methods::find(&self.request.method)?;
        let caller = self.authenticate()?;
        let parameters = &self.request.parameters;
        let (result, timing) = self.command(method, &caller, parameters, false).await?;
        Ok(envelope::result(result, timing, &self.context.switches))
    }

    /// Executes one command and records its effects before anything can delay it.
    pub(crate) async fn command(
        &self,
        method: &Method,
        caller: &Caller,
        parameters: &Map<String, Value>,
        is_in_batch: bool,
    ) -> Result<(Value, Timing), Refusal> {
        let (begun, start) = (Instant::now(), self.context.now);
        caller.require_scope(method.scope)?;
        self.check_operating_time(method.name, caller)?;
        let latency = self.portal.state().definition.limits.command_latency();
        pass(latency).await;
        let call = Call {
            parameters,
            caller,
            context: &self.context,
        };
        let mut state = self.portal.state();
        let outcome = (method.run)(&call, &mut state);
        let took = begun.elapsed();
        let seconds = state.definition.limits.operating_seconds_per_call;
        let charged = match self.context.switches.batch_charging {
            BatchCharging::Batch if is_in_batch => BATCH,
            BatchCharging::Batch | BatchCharging::Commands => method.name,
        };
        let seconds = seconds.unwrap_or(took.as_secs_f64());
        let operating = state
            .baskets
            .charge(caller.account, charged, seconds, start);
        let timing = Timing {
            start,
            took,
            utc_offset_hours: state.definition.utc_offset_hours,
            operating: Some(operating),
        };
        drop(state);
        let executed = outcome?;
        self.simulator.recorder.amend(self.sequence, |entry| {
            entry.executed = !is_in_batch;
            entry.deliveries.extend(executed.deliveries);
        });
        Ok((executed.result, timing))
    }

    /// Refuses a method that has used up its caller's operating time.
    pub(crate) fn check_operating_time(
        &self,
        method: &str,
        caller: &Caller,
    ) -> Result<(), Refusal> {
        let mut state = self.portal.state();
        let Some(limit) = state.definition.limits.operating_limit_seconds else {
            return Ok(());
        };
        // The call that crosses the limit is still executed, the next one is not.
        let used = state.baskets.used(caller.account, method, self.context.now);
        if used.seconds < limit {
            Ok(())
        } else {
            Err(SystemError::OPERATION_TIME_LIMIT.into())
        }
    }

    pub(crate) fn require_https(&self) -> Result<(), Refusal> {
        if self.context.switches.https_required && !self.secure {
            return Err(SystemError::HTTPS_REQUIRED.into());
        }
        Ok(())
    }

    pub(crate) fn authenticate(&self) -> Result<Caller, Refusal> {
        let state = self.portal.state();
        Caller::authenticate(&state, &self.request.credential, &self.context)
    }
}

/// Waits in real time. A sleep of zero would take up to a millisecond, the resolution of timers.
pub(crate) async fn pass(latency: Duration) {
    if !latency.is_zero() {
        tokio::time::sleep(latency).await;
    }
}

//! `batch`: up to 50 commands in one request. Source: pages "batch" and "data encoding".

mod command;
mod reference;
mod result;

use serde_json::Value;
use tokio::time::Instant;

use self::command::Command;
use self::result::BatchResult;
use super::caller::Caller;
use super::envelope::{self, Timing};
use super::execution::Execution;
use super::methods;
use crate::error::{Refusal, SystemError};
use crate::fault::{CommandFault, FaultKind, Hit, Moment};
use crate::php;
use crate::record::CommandEntry;
use crate::request::BATCH;
use crate::response::JsonResponse;
use crate::switches::BatchCharging;

/// How many commands are executed. Those after them are refused one by one.
const LARGEST: usize = 50;

pub(crate) async fn run(execution: &mut Execution<'_>) -> Result<JsonResponse, Refusal> {
    execution.require_https()?;
    let caller = execution.authenticate()?;
    let (begun, start) = (Instant::now(), execution.context.now);
    let (simulator, portal, request) = (execution.simulator, execution.portal, execution.request);
    let switches = execution.context.switches.clone();
    let charges_batch = switches.batch_charging == BatchCharging::Batch;
    if charges_batch {
        execution.check_operating_time(BATCH, &caller)?;
    }
    let parameters = &request.parameters;
    let halt = parameters.get("halt").or_else(|| parameters.get("HALT"));
    let halt = !php::is_empty(halt);
    let (mut batch, mut timings) = (BatchResult::default(), Vec::new());
    for (at, (key, text)) in request.commands.iter().enumerate() {
        let command = Command::read(text, &batch.results, switches.batch_references);
        let hit = Hit {
            portal: &portal.host,
            method: &command.method,
            client_id: caller
                .application
                .as_ref()
                .map(|application| application.client_id.as_str()),
        };
        let fault = (at < LARGEST)
            .then(|| simulator.faults.draw_command(hit))
            .flatten();
        let outcome = if at < LARGEST {
            execute(execution, &caller, &command, fault).await
        } else {
            Err(SystemError::BATCH_LENGTH_EXCEEDED.into())
        };
        let executed = outcome.is_ok();
        let shown = match (outcome, fault) {
            (Ok(_), Some(CommandFault::Fail(error))) => Some(Err(error.into())),
            (_, Some(CommandFault::Omit(_))) => None,
            (outcome, _) => Some(outcome),
        };
        let mut error = None;
        match shown {
            Some(Ok((result, timing))) => {
                batch.results.push((key.clone(), result));
                timings.push((key.clone(), timing));
            }
            Some(Err(refusal)) => {
                let refusal = refusal.wire_error(&switches);
                batch.refuse(key, &refusal);
                error = Some(refusal.code);
            }
            None => {}
        }
        let failed = error.is_some();
        simulator.recorder.amend(execution.sequence, |entry| {
            entry.commands.push(CommandEntry {
                key: key.clone(),
                method: command.method,
                executed,
                fault: fault.map(|fault| FaultKind::Command(fault).name().to_owned()),
                error,
            });
        });
        if failed && halt {
            break;
        }
    }
    let recorder = &simulator.recorder;
    recorder.amend(execution.sequence, |entry| entry.executed = true);
    let now = simulator.now(portal);
    let mut state = portal.state();
    // A batch whose commands are charged does not report operating time.
    let operating = charges_batch.then(|| state.baskets.used(caller.account, BATCH, now));
    for (key, mut timing) in timings {
        // Measured: all commands report the time of the whole batch.
        timing.operating = operating.or(timing.operating);
        if let Some(time) = envelope::time(timing, &switches) {
            batch.times.push((key, time));
        }
    }
    let timing = Timing {
        start,
        took: begun.elapsed(),
        utc_offset_hours: state.definition.utc_offset_hours,
        operating,
    };
    Ok(envelope::wrapped(batch.into_value(), timing, &switches))
}

async fn execute(
    execution: &mut Execution<'_>,
    caller: &Caller,
    command: &Command,
    fault: Option<CommandFault>,
) -> Result<(Value, Timing), Refusal> {
    match fault {
        Some(CommandFault::Refuse(error)) => return Err(error.into()),
        // The response omits it, so any error will do.
        Some(CommandFault::Omit(Moment::Before)) => {
            return Err(SystemError::INTERNAL_SERVER_ERROR.into());
        }
        Some(CommandFault::Fail(_) | CommandFault::Omit(Moment::After)) | None => {}
    }
    command.require_allowed(&execution.context.switches.not_in_batch)?;
    let method = methods::find(&command.method)?;
    execution.context.now = execution.simulator.now(execution.portal);
    execution
        .command(method, caller, &command.parameters, true)
        .await
}

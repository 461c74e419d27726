//! Runs a call, or the commands of a batch one after the other, and writes the truth into the record.

use std::time::Duration;

use serde_json::{Map, Value};
use tokio::time::Instant;

use super::answer::{self, Answer, Span};
use super::auth::Caller;
use super::baskets::Operating;
use super::batch;
use super::dispatch::{self, Call, Circumstances, Method};
use super::fault::{CommandFault, FaultKind, Moment};
use super::php;
use super::record;
use super::refusal::Refusal;
use super::request::RestRequest;
use super::switches::BatchCharging;
use super::system_error::SystemError;
use super::world::{Place, World};

/// One request being worked on.
pub(super) struct Execution<'a> {
    pub(super) world: &'a World,
    pub(super) place: &'a Place,
    pub(super) request: &'a RestRequest,
    /// Number of the request's entry in the record.
    pub(super) sequence: u64,
    pub(super) circumstances: Circumstances,
    /// Whether the request came over TLS.
    pub(super) secure: bool,
}

/// A command that ran, or did not, and the time it took.
struct Ran {
    outcome: Result<Value, Refusal>,
    span: Span,
}

impl Execution<'_> {
    /// The answer to the request.
    pub(super) async fn answer(mut self) -> Answer {
        let latency = self.place.state().portal.limits.request_latency();
        pass(latency).await;
        let answer = if self.request.method == batch::NAME {
            self.batch().await
        } else {
            self.call().await
        };
        answer.unwrap_or_else(|refusal| Answer::refusal(refusal.face(&self.circumstances.switches)))
    }

    async fn call(&mut self) -> Result<Answer, Refusal> {
        self.require_https()?;
        let method = dispatch::method(&self.request.method)?;
        let caller = self.authenticate()?;
        let ran = self
            .command(method, &caller, &self.request.parameters, None)
            .await;
        let result = ran.outcome?;
        Ok(Answer::result(
            result,
            ran.span,
            &self.circumstances.switches,
        ))
    }

    async fn batch(&mut self) -> Result<Answer, Refusal> {
        self.require_https()?;
        let caller = self.authenticate()?;
        let (begun, start) = (Instant::now(), self.circumstances.now);
        let charging = self.circumstances.switches.batch_charging;
        if charging == BatchCharging::Batch {
            let mut state = self.place.state();
            dispatch::check_operating_time(batch::NAME, &caller, start, &mut state)?;
        }
        let parameters = &self.request.parameters;
        let halt = parameters.get("halt").or_else(|| parameters.get("HALT"));
        let halt = !php::is_empty(halt);
        let (mut maps, mut spans) = (batch::Maps::default(), Vec::new());
        for (at, (key, text)) in batch::read_commands(self.request).into_iter().enumerate() {
            let references = self.circumstances.switches.batch_references;
            let command = batch::Command::read(&text, &maps.results, references);
            let (ran, fault) = if at < batch::LARGEST {
                let faults = &self.world.faults;
                let fault = faults.draw_command(&self.place.host, &command.method);
                (self.batch_command(&caller, &command, fault).await, fault)
            } else {
                (
                    Err(Refusal::System(SystemError::BATCH_LENGTH_EXCEEDED)),
                    None,
                )
            };
            let executed = ran.is_ok();
            let told = match (ran, fault) {
                (Ok(_), Some(CommandFault::Fail(error))) => Some(Err(Refusal::System(error))),
                (_, Some(CommandFault::Omit(_))) => None,
                (ran, _) => Some(ran),
            };
            let face = match told {
                None => None,
                Some(Ok((result, span))) => {
                    maps.results.push((key.clone(), result));
                    spans.push((key.clone(), span));
                    None
                }
                Some(Err(refusal)) => {
                    let face = refusal.face(&self.circumstances.switches);
                    maps.refuse(&key, &face);
                    Some(face)
                }
            };
            let failed = face.is_some();
            self.world.book.amend(self.sequence, |entry| {
                entry.commands.push(record::Command {
                    key,
                    method: command.method,
                    executed,
                    fault: fault.map(|fault| FaultKind::Command(fault).name().to_owned()),
                    error: face.map(|face| face.code),
                });
            });
            if failed && halt {
                break;
            }
        }
        self.world
            .book
            .amend(self.sequence, |entry| entry.executed = true);
        // Nothing is said of the operating time of a batch whose commands are charged.
        let operating = (charging == BatchCharging::Batch).then(|| {
            let now = self.world.now(self.place);
            let mut state = self.place.state();
            state.baskets.used(caller.account, batch::NAME, now)
        });
        let switches = &self.circumstances.switches;
        for (key, mut span) in spans {
            // Measured: all commands tell the time of the whole batch.
            span.operating = operating.or(span.operating);
            if let Some(time) = answer::time(span, switches) {
                maps.times.push((key, time));
            }
        }
        let span = Span {
            start,
            took: begun.elapsed(),
            utc_offset_hours: self.place.state().portal.utc_offset_hours,
            operating,
        };
        Ok(Answer::envelope(maps.into_result(), span, switches))
    }

    async fn batch_command(
        &mut self,
        caller: &Caller,
        command: &batch::Command,
        fault: Option<CommandFault>,
    ) -> Result<(Value, Span), Refusal> {
        match fault {
            Some(CommandFault::Refuse(error)) => return Err(Refusal::System(error)),
            // Nobody is told why.
            Some(CommandFault::Omit(Moment::Before)) => {
                return Err(Refusal::System(SystemError::INTERNAL_SERVER_ERROR));
            }
            Some(CommandFault::Fail(_) | CommandFault::Omit(Moment::After)) | None => {}
        }
        command.allowed(&self.circumstances.switches.not_in_batch)?;
        let method = dispatch::method(&command.method)?;
        self.circumstances.now = self.world.now(self.place);
        let ran = self
            .command(method, caller, &command.parameters, Some(batch::NAME))
            .await;
        Ok((ran.outcome?, ran.span))
    }

    /// Runs one command and notes what it delivered, before anything can delay it.
    async fn command(
        &self,
        method: &Method,
        caller: &Caller,
        parameters: &Map<String, Value>,
        batch: Option<&str>,
    ) -> Ran {
        let begun = Instant::now();
        let start = self.circumstances.now;
        let (admitted, latency) = {
            let mut state = self.place.state();
            let admitted = dispatch::admit(method, caller, &self.circumstances, &mut state);
            (admitted, state.portal.limits.command_latency())
        };
        let refused = |refusal| Ran {
            outcome: Err(refusal),
            span: Span {
                start,
                took: begun.elapsed(),
                utc_offset_hours: 0,
                operating: None,
            },
        };
        if let Err(refusal) = admitted {
            return refused(refusal);
        }
        pass(latency).await;
        let call = Call {
            parameters,
            caller,
            circumstances: &self.circumstances,
        };
        let mut state = self.place.state();
        let outcome = (method.run)(&call, &mut state);
        let took = begun.elapsed();
        let seconds = state.portal.limits.operating_seconds_per_call;
        let charging = self.circumstances.switches.batch_charging;
        let operating: Operating = state.baskets.charge(
            caller.account,
            dispatch::charged(method.name, batch, charging),
            seconds.unwrap_or(took.as_secs_f64()),
            start,
        );
        let span = Span {
            start,
            took,
            utc_offset_hours: state.portal.utc_offset_hours,
            operating: Some(operating),
        };
        drop(state);
        let outcome = outcome.map(|done| {
            self.world.book.amend(self.sequence, |entry| {
                entry.executed = batch.is_none();
                entry.deliveries.extend(done.deliveries);
            });
            done.result
        });
        Ran { outcome, span }
    }

    fn require_https(&self) -> Result<(), Refusal> {
        if self.circumstances.switches.https_required && !self.secure {
            return Err(Refusal::System(SystemError::HTTPS_REQUIRED));
        }
        Ok(())
    }

    fn authenticate(&self) -> Result<Caller, Refusal> {
        let state = self.place.state();
        Caller::authenticate(&state, &self.request.credential, &self.circumstances)
    }
}

/// Lets real time pass. A sleep of nothing would take up to a millisecond, the resolution of timers.
async fn pass(latency: Duration) {
    if !latency.is_zero() {
        tokio::time::sleep(latency).await;
    }
}

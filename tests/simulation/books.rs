//! What was wanted, what the portal executed and what the callers were told, and whether that fits.

use std::collections::BTreeSet;
use std::time::Duration;

use crate::plan::What;

/// What a caller was told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Told {
    Ok {
        id: i64,
        is_replayed: bool,
    },
    NotExecuted(String),
    Executed(String),
    Unknown(String),
    /// It left; the log says whether the portal may be executing the call.
    Left(bool),
    /// The replica was killed.
    Died,
}

/// One call for a message.
#[derive(Clone, Debug)]
pub(crate) struct Attempt {
    pub(crate) message: usize,
    /// The life of the replica that was asked.
    pub(crate) life: usize,
    pub(crate) begun: Duration,
    pub(crate) patience: Duration,
    pub(crate) ended: Option<Duration>,
    pub(crate) told: Option<Told>,
}

/// A message that the portal has executed.
#[derive(Clone, Debug)]
pub(crate) struct Execution {
    pub(crate) message: usize,
    pub(crate) chat: i64,
    pub(crate) id: i64,
    pub(crate) life: usize,
    pub(crate) request: u64,
}

#[derive(Debug, Default)]
pub(crate) struct Books {
    pub(crate) attempts: Vec<Attempt>,
    /// In the order of execution.
    pub(crate) executions: Vec<Execution>,
    departures: u64,
    /// Requests without an answer, or whose answer came too late.
    pub(crate) unclean: BTreeSet<u64>,
    pub(crate) kills: Vec<Duration>,
    /// Requests that got no connection, or were not processed.
    unconnected: usize,
    /// Renewals with a refresh token that was presented before, or beside another one; and whether
    /// an answer had been lost by then.
    pub(crate) second_renewals: Vec<(Duration, String, bool)>,
    /// What does not fit, the first first.
    pub(crate) faults: Vec<String>,
}

impl Books {
    pub(crate) fn fault(&mut self, at: Duration, what: &str) {
        self.faults.push(format!("{:.3} {what}", at.as_secs_f64()));
    }

    pub(crate) fn note_departure(&mut self) -> u64 {
        self.departures += 1;
        self.departures
    }

    pub(crate) fn note_unclean(&mut self, request: u64) {
        self.unclean.insert(request);
    }

    pub(crate) fn note_kill(&mut self, at: Duration) {
        self.kills.push(at);
    }

    pub(crate) fn note_trouble(&mut self, what: What) {
        if what == What::PortalUnreachable || what == What::Unprocessed {
            self.unconnected += 1;
        }
    }

    /// Requests to the portal without a response or a connection, so far.
    pub(crate) fn silent(&self) -> usize {
        self.unclean.len() + self.unconnected
    }

    pub(crate) fn note_second_renewal(&mut self, at: Duration, token: &str, has_lost: bool) {
        self.second_renewals.push((at, token.to_owned(), has_lost));
    }

    pub(crate) fn begin(&mut self, attempt: Attempt) -> usize {
        self.attempts.push(attempt);
        self.attempts.len() - 1
    }

    pub(crate) fn end(&mut self, number: usize, at: Duration, told: Told) {
        let attempt = &mut self.attempts[number];
        attempt.ended = Some(at);
        attempt.told = Some(told.clone());
        let (message, due) = (attempt.message, attempt.begun + attempt.patience);
        if at > due + LATE {
            self.fault(
                at,
                &format!("m{message} is told {told:?} after its deadline"),
            );
        }
        self.check(at, message);
    }

    pub(crate) fn note_execution(
        &mut self,
        at: Duration,
        text: &str,
        chat: i64,
        id: i64,
        life: usize,
        request: u64,
    ) {
        let message = text.trim_start_matches('m').parse().unwrap();
        self.executions.push(Execution {
            message,
            chat,
            id,
            life,
            request,
        });
        self.check(at, message);
    }

    /// Holds what was told of a message against what was executed.
    fn check(&mut self, at: Duration, message: usize) {
        let executed: Vec<&Execution> = self
            .executions
            .iter()
            .filter(|execution| execution.message == message)
            .collect();
        let fault = match executed.as_slice() {
            [] => self.told(message).find_map(|attempt| match &attempt.told {
                Some(Told::Ok { .. } | Told::Executed(_)) => {
                    Some("is told as executed, and was not")
                }
                _ => None,
            }),
            [once] => self.contradiction(message, once),
            [_, _, ..] => Some("is executed twice"),
        };
        if let Some(fault) = fault {
            self.fault(at, &format!("m{message} {fault}"));
        }
    }

    fn told(&self, message: usize) -> impl Iterator<Item = &Attempt> {
        let attempts = self.attempts.iter();
        attempts.filter(move |attempt| attempt.message == message)
    }

    fn contradiction(&self, message: usize, once: &Execution) -> Option<&'static str> {
        let wrong = self
            .told(message)
            .any(|attempt| matches!(attempt.told, Some(Told::Ok { id, .. }) if id != once.id));
        if wrong {
            return Some("is told with the id of another message");
        }
        // Only the attempts at the replica that sent it can have been told of it.
        let mut of_sender = self
            .told(message)
            .filter(|attempt| attempt.life == once.life)
            .peekable();
        let is_denied = of_sender.peek().is_some()
            && of_sender.all(|attempt| {
                let told = attempt.told.as_ref();
                matches!(told, Some(Told::NotExecuted(_) | Told::Left(false)))
            });
        is_denied.then_some("is told as not executed, and was")
    }
}

/// How much later than its deadline a call may be answered: [`LAST_WORD`] and the coarse clock.
///
/// [`LAST_WORD`]: ../src/call/margins.rs
const LATE: Duration = Duration::from_millis(8);

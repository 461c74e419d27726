//! The OpenTelemetry collector, over OTLP: gRPC, or protobuf over HTTP, with or without TLS.
//!
//! One client for traces and metrics, so that there is one way through TLS, and one place that says
//! that the collector is away (docs/adr/0060).

mod state;
#[cfg(test)]
mod tests;
mod wire;

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use prost::Message;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

pub(crate) use self::state::CollectorState;
pub(crate) use self::wire::CollectorError;
pub(crate) use self::wire::NotTaken;
use self::wire::Wire;
use super::{CollectorSettings, OtelVariables};

/// How long one transmission may take, retries included. What is measured meanwhile waits.
const LIMIT: Duration = Duration::from_secs(10);

/// The wait before the first retry; each further one is twice as long.
const FIRST_WAIT: Duration = Duration::from_millis(500);

/// How long a look at a collector that was away may take.
const LOOK: Duration = Duration::from_secs(5);

/// What is sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Signal {
    Traces,
    Metrics,
}

/// The way to the collector.
#[derive(Debug)]
pub(crate) struct Collector {
    wire: Wire,
    /// Why the last transmission failed, of traces and of metrics.
    failures: [Mutex<Option<Failure>>; 2],
    /// Nothing is sent again once the process ends.
    ending: CancellationToken,
}

/// Why a transmission failed.
#[derive(Debug)]
struct Failure {
    problem: String,
    /// Whether one without content would tell that it is over.
    is_general: bool,
}

impl Collector {
    /// The collector of the settings, if there is one. Nothing is sent yet.
    ///
    /// # Errors
    ///
    /// [`CollectorError`].
    pub(crate) fn of(
        settings: &CollectorSettings,
        variables: &OtelVariables,
    ) -> Result<Option<Self>, CollectorError> {
        let Some(endpoint) = &settings.otlp_endpoint else {
            return Ok(None);
        };
        let authorities = settings.otlp_ca_file.as_ref().map(|(_, pem)| pem.as_pem());
        Ok(Some(Self {
            wire: Wire::new(
                settings.otlp_protocol,
                endpoint,
                authorities,
                variables.headers(settings),
            )?,
            failures: [Mutex::default(), Mutex::default()],
            ending: CancellationToken::new(),
        }))
    }

    /// Sends until it is taken, for [`LIMIT`] at most. The log says when the collector begins to
    /// refuse, and when it takes again.
    ///
    /// # Errors
    ///
    /// [`NotTaken`], the last one.
    pub(crate) async fn send<Request, Response>(
        &self,
        signal: Signal,
        request: Request,
    ) -> Result<Response, NotTaken>
    where
        Request: Message + Clone + Default + 'static,
        Response: Message + Default + 'static,
    {
        let until = Instant::now() + LIMIT;
        let mut wait = FIRST_WAIT;
        let sent = loop {
            let sending = self.wire.send(signal, request.clone());
            let sent = tokio::time::timeout_at(until, sending).await;
            let sent = sent.unwrap_or(Err(NotTaken::TooLate));
            let may_repeat = sent.as_ref().is_err_and(NotTaken::is_transient);
            if !may_repeat || Instant::now() + wait >= until {
                break sent;
            }
            tokio::select! {
                () = tokio::time::sleep(wait.mul_f64(rand::random_range(0.5..1.0))) => {}
                () = self.ending.cancelled() => break sent,
            }
            wait *= 2;
        };
        self.note(signal, sent.as_ref().err());
        sent
    }

    /// From now on a transmission that fails is not repeated.
    pub(crate) fn hurry(&self) {
        self.ending.cancel();
    }

    /// Why it does not take what it is sent, as the last transmission of each signal says.
    fn problem(&self) -> Option<String> {
        let problems = Signal::ALL.into_iter().filter_map(|signal| {
            let failure = self.failure(signal);
            let problem = &failure.as_ref()?.problem;
            Some(format!("{}: {problem}", signal.name()))
        });
        let problems: Vec<String> = problems.collect();
        (!problems.is_empty()).then(|| problems.join("; "))
    }

    /// Sends nothing to a collector that is away, to see whether it is back: without calls that are
    /// traced, nobody else would.
    async fn look(&self) {
        for signal in Signal::ALL {
            let is_of_use = matches!(&*self.failure(signal), Some(failure) if failure.is_general);
            if is_of_use {
                // No content is no bytes, whatever the signal is.
                let looking = self.wire.send::<(), ()>(signal, ());
                let looked = tokio::time::timeout(LOOK, looking).await;
                let looked = looked.unwrap_or(Err(NotTaken::TooLate));
                self.note(signal, looked.as_ref().err());
            }
        }
    }

    fn failure(&self, signal: Signal) -> MutexGuard<'_, Option<Failure>> {
        let [traces, metrics] = &self.failures;
        let failure = match signal {
            Signal::Traces => traces,
            Signal::Metrics => metrics,
        };
        failure.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn note(&self, signal: Signal, failure: Option<&NotTaken>) {
        let now = failure.map(|error| Failure {
            problem: super::chain(error),
            is_general: error.is_general(),
        });
        let was_away = std::mem::replace(&mut *self.failure(signal), now).is_some();
        let signal = signal.name();
        match failure {
            Some(error) if !was_away => tracing::warn!(
                signal,
                error = super::chain(error),
                "the collector (telemetry.otlp_endpoint) does not take what it is sent; it stays so until the log says otherwise"
            ),
            None if was_away => tracing::info!(signal, "the collector takes what it is sent again"),
            Some(_) | None => {}
        }
    }
}

impl Signal {
    const ALL: [Self; 2] = [Self::Traces, Self::Metrics];

    fn name(self) -> &'static str {
        match self {
            Self::Traces => "traces",
            Self::Metrics => "metrics",
        }
    }
}

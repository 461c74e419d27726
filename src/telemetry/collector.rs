//! The OpenTelemetry collector, over OTLP: gRPC, or protobuf over HTTP, with or without TLS.
//!
//! One client for traces and metrics, so that there is one way through TLS, and one place that says
//! that the collector is away (docs/adr/0060).

#[cfg(test)]
mod tests;
mod wire;

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use prost::Message;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

pub(crate) use self::wire::CollectorError;
pub(crate) use self::wire::NotTaken;
use self::wire::Wire;
use super::CollectorSettings;

/// How long one transmission may take, retries included. What is measured meanwhile waits.
const LIMIT: Duration = Duration::from_secs(10);

/// The wait before the first retry; each further one is twice as long.
const FIRST_WAIT: Duration = Duration::from_millis(500);

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
    /// Whether the last transmission failed, of traces and of metrics.
    is_away: [AtomicBool; 2],
    /// Nothing is sent again once the process ends.
    ending: CancellationToken,
}

impl Collector {
    /// The collector of the settings, if there is one. Nothing is sent yet.
    ///
    /// # Errors
    ///
    /// [`CollectorError`].
    pub(crate) fn of(settings: &CollectorSettings) -> Result<Option<Self>, CollectorError> {
        let Some(endpoint) = &settings.otlp_endpoint else {
            return Ok(None);
        };
        let authorities = settings.otlp_ca_file.as_ref().map(|(_, pem)| pem.as_pem());
        Ok(Some(Self {
            wire: Wire::new(settings.otlp_protocol, endpoint, authorities)?,
            is_away: [AtomicBool::new(false), AtomicBool::new(false)],
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

    fn note(&self, signal: Signal, failure: Option<&NotTaken>) {
        let [traces, metrics] = &self.is_away;
        let is_away = match signal {
            Signal::Traces => traces,
            Signal::Metrics => metrics,
        };
        let was_away = is_away.swap(failure.is_some(), Ordering::Relaxed);
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
    fn name(self) -> &'static str {
        match self {
            Self::Traces => "traces",
            Self::Metrics => "metrics",
        }
    }
}

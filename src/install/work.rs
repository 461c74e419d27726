//! Processes events in the background.

use std::sync::Arc;
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::InstallationEndpoint;
use super::event_result::{EventResult, Kind};
use super::lines::Lines;
use super::notice::Notice;
use super::queue::{Queue, Standing};
use super::share::Shares;
use super::source::Source;
use crate::tenant::Application;
use store::StoreError;

/// Events that are being compared with the store, before they are queued or refused. Further
/// connections wait.
const COMPARED: usize = 64;
/// How long a connection waits for that. Longer only if the store hangs.
const COMPARED_WITHIN: Duration = Duration::from_secs(5);
/// How often a refused access token is tried: the authorization server may not know a new token
/// yet, but most refused tokens are forged.
const ATTEMPTS_WITH_REFUSED_TOKEN: u32 = 3;
/// How long an event waits for its source's share of questions. Short beside the hour that its
/// token is valid; what would wait longer belongs to a flood.
const PATIENCE: Duration = Duration::from_mins(1);
/// The maximum age of an event. An older one is a replay, or its tokens expire soon.
const OLDEST: SignedDuration = SignedDuration::from_mins(10);
/// How far in the future an event may be, because clocks differ.
const EARLIEST: SignedDuration = SignedDuration::from_mins(5);
/// Time for the store after the last request to an authorization server.
const LAST_WRITE: Duration = Duration::from_secs(5);

pub(super) struct QueueFull;

/// The attempt may succeed later. If all retries fail, this is the outcome.
#[derive(Debug)]
pub(super) struct Retry(pub(super) EventResult);

pub(super) struct Work {
    pub(super) endpoint: InstallationEndpoint,
    pub(super) lines: Lines,
    compared: Arc<Semaphore>,
    queue: Queue,
    shares: Shares,
    tasks: TaskTracker,
    stopping: CancellationToken,
}

impl Work {
    pub(super) fn new(endpoint: InstallationEndpoint) -> Arc<Self> {
        Arc::new(Self {
            shares: Shares::new(endpoint.limits),
            endpoint,
            lines: Lines::default(),
            compared: Arc::new(Semaphore::new(COMPARED)),
            queue: Queue::default(),
            tasks: TaskTracker::new(),
            stopping: CancellationToken::new(),
        })
    }

    pub(super) fn application(&self, name: &str) -> Option<&Application> {
        self.endpoint.applications.by_name(name)
    }

    pub(super) fn count(&self, kind: Kind, outcome: EventResult) {
        let metrics = &self.endpoint.metrics;
        metrics.installation(kind.as_str(), outcome.as_str());
    }

    /// Accepts an event and processes it after the response. The response does not depend on what
    /// the event says, nor does the time that it takes.
    pub(super) async fn accept(
        self: Arc<Self>,
        application: Application,
        notice: Notice,
        source: Source,
    ) -> Result<(), QueueFull> {
        let slot = Arc::clone(&self.compared).acquire_owned();
        let slot = tokio::time::timeout(COMPARED_WITHIN, slot).await;
        let Ok(Ok(slot)) = slot else {
            return Err(QueueFull);
        };
        let tasks = self.tasks.clone();
        tasks.spawn(async move { self.handle(&application, &notice, source, slot).await });
        Ok(())
    }

    /// Retries queued events once, and abandons events that take longer.
    pub(super) async fn finish(&self, timeout: Duration) {
        self.stopping.cancel();
        self.tasks.close();
        let timeout = timeout.saturating_add(LAST_WRITE);
        if tokio::time::timeout(timeout, self.tasks.wait())
            .await
            .is_err()
        {
            tracing::warn!(
                events = self.tasks.len(),
                "abandoned installation events during shutdown"
            );
        }
    }

    async fn handle(
        &self,
        application: &Application,
        notice: &Notice,
        source: Source,
        slot: OwnedSemaphorePermit,
    ) {
        let outcome = self.outcome(application, notice, source, slot).await;
        let kind = notice.kind();
        self.count(kind, outcome);
        let member_id = notice.member_id().map(tracing::field::display);
        let (event, result) = (kind.as_str(), outcome.as_str());
        if !outcome.is_refusal() {
            tracing::info!(
                event,
                result,
                application = %application.name,
                member_id,
                "processed an installation event"
            );
        } else if let Some(without_line) = self.lines.next(result) {
            tracing::warn!(
                event,
                result,
                application = %application.name,
                member_id,
                without_line,
                "refused an installation event"
            );
        }
    }

    async fn outcome(
        &self,
        application: &Application,
        notice: &Notice,
        source: Source,
        slot: OwnedSemaphorePermit,
    ) -> EventResult {
        let arrived = (Timestamp::now(), Instant::now());
        if notice.sent_at().is_some_and(|at| !is_timely(at, arrived.0)) {
            return EventResult::OutOfTime;
        }
        // Most forged events end here, and cost one look into the store.
        let standing = match self.compare(application, notice).await {
            Ok(standing) => standing,
            Err(outcome) => return outcome,
        };
        let Some(_place) = self.queue.place(standing, source) else {
            return EventResult::Busy;
        };
        drop(slot);
        let retries = self.endpoint.retries;
        let mut pause = retries.first;
        let mut refused = 0;
        let mut is_first = true;
        loop {
            let is_last = self.stopping.is_cancelled();
            let attempt = self.attempt(application, notice, (standing, source), arrived.0);
            let Retry(outcome) = match attempt.await {
                Ok(outcome) => return outcome,
                Err(retry) => retry,
            };
            refused += u32::from(outcome == EventResult::TokenRefused);
            let is_flood = outcome == EventResult::Rationed && is_first;
            let is_too_late = arrived.1.elapsed().saturating_add(pause) > retries.total;
            if is_last || is_flood || is_too_late || refused >= ATTEMPTS_WITH_REFUSED_TOKEN {
                return outcome;
            }
            is_first = false;
            // During shutdown, retry once at once.
            let _ = tokio::time::timeout(pause, self.stopping.cancelled()).await;
            pause = pause.saturating_mul(2).min(retries.longest);
        }
    }

    async fn attempt(
        &self,
        application: &Application,
        notice: &Notice,
        (standing, source): (Standing, Source),
        arrived: Timestamp,
    ) -> Result<EventResult, Retry> {
        if standing == Standing::Unproven && notice.kind() == Kind::Install {
            let taken = self.shares.take(source, PATIENCE);
            // During shutdown nothing waits.
            let taken = self.stopping.run_until_cancelled(taken).await;
            if taken.is_some_and(|taken| taken.is_err()) {
                return Err(Retry(EventResult::Rationed));
            }
        }
        let Some(_turn) = self.queue.turn(standing).await else {
            return Err(Retry(EventResult::GaveUp));
        };
        match notice {
            Notice::Installed(installed) => {
                self.installation(application, installed, arrived).await
            }
            Notice::Removed(removed) => self.removal(application, removed).await,
            Notice::Other => Ok(EventResult::Ignored),
        }
    }
}

/// Whether the time of an event is close enough to now.
fn is_timely(sent_at: Timestamp, now: Timestamp) -> bool {
    let age = now.duration_since(sent_at);
    age <= OLDEST && age >= -EARLIEST
}

impl From<StoreError> for Retry {
    fn from(error: StoreError) -> Self {
        tracing::warn!(
            error = %error,
            cause = std::error::Error::source(&error).map(tracing::field::display),
            "cannot store an installation event; retrying"
        );
        Self(EventResult::GaveUp)
    }
}

#[cfg(test)]
mod tests {
    use jiff::{SignedDuration, Timestamp};

    use super::is_timely;

    #[test]
    fn an_event_is_timely_for_ten_minutes_and_five_minutes_early() {
        let now = Timestamp::now();
        for (seconds, expected) in [
            (0, true),
            (600, true),
            (601, false),
            (-300, true),
            (-301, false),
        ] {
            let sent_at = now - SignedDuration::from_secs(seconds);
            assert_eq!(is_timely(sent_at, now), expected, "{seconds}");
        }
        assert!(!is_timely(Timestamp::MIN, now) && !is_timely(Timestamp::MAX, now));
    }
}

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
use super::newest::Newest;
use super::notice::Notice;
use crate::tenant::Application;
use store::StoreError;

/// The queue's capacity. Each event needs less than the 64 KiB of its form.
const CAPACITY: usize = 1000;
/// Events processed concurrently, so that a flood does not reach the authorization server.
const AT_ONCE: usize = 8;
/// How often a refused access token is tried: the authorization server may not know a new token
/// yet, but most refused tokens are forged.
const ATTEMPTS_WITH_REFUSED_TOKEN: u32 = 3;
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
    pub(super) newest: Newest,
    capacity: Arc<Semaphore>,
    turns: Semaphore,
    tasks: TaskTracker,
    stopping: CancellationToken,
}

impl Work {
    pub(super) fn new(endpoint: InstallationEndpoint) -> Arc<Self> {
        Arc::new(Self {
            endpoint,
            newest: Newest::default(),
            capacity: Arc::new(Semaphore::new(CAPACITY)),
            turns: Semaphore::new(AT_ONCE),
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

    /// Queues an event and processes it after the response.
    pub(super) fn enqueue(
        self: Arc<Self>,
        application: Application,
        notice: Notice,
    ) -> Result<(), QueueFull> {
        let slot = Arc::clone(&self.capacity)
            .try_acquire_owned()
            .map_err(|_| QueueFull)?;
        let tasks = self.tasks.clone();
        tasks.spawn(async move { self.handle(&application, &notice, slot).await });
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

    async fn handle(&self, application: &Application, notice: &Notice, _: OwnedSemaphorePermit) {
        let outcome = self.outcome(application, notice).await;
        let kind = notice.kind();
        self.count(kind, outcome);
        let member_id = notice.member_id().map(tracing::field::display);
        let (event, result) = (kind.as_str(), outcome.as_str());
        if outcome.is_refusal() {
            tracing::warn!(
                event,
                result,
                application = %application.name,
                member_id,
                "refused an installation event"
            );
        } else {
            tracing::info!(
                event,
                result,
                application = %application.name,
                member_id,
                "processed an installation event"
            );
        }
    }

    async fn outcome(&self, application: &Application, notice: &Notice) -> EventResult {
        let arrived = (Timestamp::now(), Instant::now());
        if notice.sent_at().is_some_and(|at| !is_timely(at, arrived.0)) {
            return EventResult::OutOfTime;
        }
        let retries = self.endpoint.retries;
        let mut pause = retries.first;
        let mut refused = 0;
        loop {
            let is_last = self.stopping.is_cancelled();
            let Retry(outcome) = match self.attempt(application, notice, arrived.0).await {
                Ok(outcome) => return outcome,
                Err(retry) => retry,
            };
            refused += u32::from(outcome == EventResult::TokenRefused);
            let is_too_late = arrived.1.elapsed().saturating_add(pause) > retries.total;
            if is_last || is_too_late || refused >= ATTEMPTS_WITH_REFUSED_TOKEN {
                return outcome;
            }
            // During shutdown, retry once at once.
            let _ = tokio::time::timeout(pause, self.stopping.cancelled()).await;
            pause = pause.saturating_mul(2).min(retries.longest);
        }
    }

    async fn attempt(
        &self,
        application: &Application,
        notice: &Notice,
        arrived: Timestamp,
    ) -> Result<EventResult, Retry> {
        let Ok(_turn) = self.turns.acquire().await else {
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

//! Events being worked on, in the background.

use std::sync::Arc;
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use super::InstallationEnds;
use super::newest::Newest;
use super::notice::Notice;
use super::outcome::{Outcome, What};
use crate::tenant::Application;
use store::StoreError;

/// How many events may wait or be worked on. Each holds less than its 64 KiB of form.
const PLACES: usize = 1000;
/// How many events are worked on at once, so that a flood does not become one at the authorization server.
const AT_ONCE: usize = 8;
/// How often an access token is shown that the authorization server does not accept: it may be newer than what the
/// server knows, but mostly it is forged.
const TRIES_OF_A_REFUSED_TOKEN: u32 = 3;
/// How old an event may be. An older one is a replay, or its tokens are worth little.
const OLDEST: SignedDuration = SignedDuration::from_mins(10);
/// How far in the future an event may be, for clocks that differ.
const EARLIEST: SignedDuration = SignedDuration::from_mins(5);
/// What the store may need after the last question to an authorization server.
const LAST_WRITE: Duration = Duration::from_secs(5);

/// No place is left.
pub(super) struct QueueFull;

/// An attempt without an outcome: it may go better later. If it never does, this is the outcome.
#[derive(Debug)]
pub(super) struct Trouble(pub(super) Outcome);

/// The events being worked on, and what is needed for it.
pub(super) struct Work {
    pub(super) ends: InstallationEnds,
    pub(super) newest: Newest,
    places: Arc<Semaphore>,
    turns: Semaphore,
    tasks: TaskTracker,
    stopping: CancellationToken,
}

impl Work {
    pub(super) fn new(ends: InstallationEnds) -> Arc<Self> {
        Arc::new(Self {
            ends,
            newest: Newest::default(),
            places: Arc::new(Semaphore::new(PLACES)),
            turns: Semaphore::new(AT_ONCE),
            tasks: TaskTracker::new(),
            stopping: CancellationToken::new(),
        })
    }

    /// The application with this name.
    pub(super) fn application(&self, name: &str) -> Option<&Application> {
        self.ends.applications.by_name(name)
    }

    pub(super) fn count(&self, what: What, outcome: Outcome) {
        let metrics = &self.ends.metrics;
        metrics.installation(what.as_str(), outcome.as_str());
    }

    /// Gives an event a place, and works on it behind the answer.
    pub(super) fn take(
        self: Arc<Self>,
        application: Application,
        notice: Notice,
    ) -> Result<(), QueueFull> {
        let place = Arc::clone(&self.places)
            .try_acquire_owned()
            .map_err(|_| QueueFull)?;
        let tasks = self.tasks.clone();
        tasks.spawn(async move { self.handle(&application, &notice, place).await });
        Ok(())
    }

    /// Ends the work: what waits is tried once more, and what takes longer than that is given up.
    pub(super) async fn finish(&self, timeout: Duration) {
        self.stopping.cancel();
        self.tasks.close();
        let patience = timeout.saturating_add(LAST_WRITE);
        if tokio::time::timeout(patience, self.tasks.wait())
            .await
            .is_err()
        {
            tracing::warn!(
                events = self.tasks.len(),
                "installation events were given up, because the service stops"
            );
        }
    }

    async fn handle(&self, application: &Application, notice: &Notice, _: OwnedSemaphorePermit) {
        let outcome = self.outcome(application, notice).await;
        let what = notice.what();
        self.count(what, outcome);
        let member_id = notice.member_id().map(tracing::field::display);
        let (event, result) = (what.as_str(), outcome.as_str());
        if outcome.is_refusal() {
            tracing::warn!(
                event,
                result,
                application = %application.name,
                member_id,
                "an installation event was refused"
            );
        } else {
            tracing::info!(
                event,
                result,
                application = %application.name,
                member_id,
                "an installation event was handled"
            );
        }
    }

    async fn outcome(&self, application: &Application, notice: &Notice) -> Outcome {
        let arrived = (Timestamp::now(), Instant::now());
        if notice.sent_at().is_some_and(|at| !is_timely(at, arrived.0)) {
            return Outcome::OutOfTime;
        }
        let patience = self.ends.patience;
        let mut pause = patience.first;
        let mut refused = 0;
        loop {
            let is_last = self.stopping.is_cancelled();
            let Trouble(outcome) = match self.attempt(application, notice, arrived.0).await {
                Ok(outcome) => return outcome,
                Err(trouble) => trouble,
            };
            refused += u32::from(outcome == Outcome::TokenRefused);
            let is_too_late = arrived.1.elapsed().saturating_add(pause) > patience.total;
            if is_last || is_too_late || refused >= TRIES_OF_A_REFUSED_TOKEN {
                return outcome;
            }
            // A service that stops does not wait, and tries a last time at once.
            let _ = tokio::time::timeout(pause, self.stopping.cancelled()).await;
            pause = pause.saturating_mul(2).min(patience.longest);
        }
    }

    async fn attempt(
        &self,
        application: &Application,
        notice: &Notice,
        arrived: Timestamp,
    ) -> Result<Outcome, Trouble> {
        let Ok(_turn) = self.turns.acquire().await else {
            return Err(Trouble(Outcome::GaveUp));
        };
        match notice {
            Notice::Installed(installed) => {
                self.installation(application, installed, arrived).await
            }
            Notice::Removed(removed) => self.removal(application, removed).await,
            Notice::Other => Ok(Outcome::Ignored),
        }
    }
}

/// Whether an event that says it was sent then may have been sent just now.
fn is_timely(sent_at: Timestamp, now: Timestamp) -> bool {
    let age = now.duration_since(sent_at);
    age <= OLDEST && age >= -EARLIEST
}

/// The store is in trouble; the event is worth another attempt.
impl From<StoreError> for Trouble {
    fn from(error: StoreError) -> Self {
        tracing::warn!(
            error = %error,
            cause = std::error::Error::source(&error).map(tracing::field::display),
            "an installation event met trouble with the store"
        );
        Self(Outcome::GaveUp)
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

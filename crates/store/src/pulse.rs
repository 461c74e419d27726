//! Whether the database responds at all.
//!
//! A statement may wait long for a good reason: for a connection, for a lock, for a server that is
//! far away. While other statements are answered it goes on. If nothing is answered, it fails
//! within seconds, so that callers are told before their deadlines.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

use crate::error::StoreError;

/// How long a statement waits while the database answers nothing: six round trips of 300
/// milliseconds, so that connecting to a database so far away just succeeds.
const SILENCE: Duration = Duration::from_secs(2);

/// The same after a statement failed for it, until the database answers anything.
const KNOWN_SILENCE: Duration = Duration::from_millis(500);

/// Cheap to clone.
#[derive(Clone, Debug, Default)]
pub(crate) struct Pulse(Arc<Mutex<State>>);

#[derive(Debug, Default)]
struct State {
    heard: Option<Instant>,
    is_silent: bool,
}

impl Pulse {
    /// The database answered a statement, or refused it.
    pub(crate) fn heard<T>(&self, answered: &Result<T, StoreError>) {
        if answered.as_ref().err().is_none_or(StoreError::is_answer) {
            *self.lock() = State {
                heard: Some(Instant::now()),
                is_silent: false,
            };
        }
    }

    /// Runs a method, unless the database answers nothing meanwhile.
    pub(crate) async fn watch<T>(
        &self,
        method: impl Future<Output = Result<T, StoreError>>,
    ) -> Result<T, StoreError> {
        let begun = Instant::now();
        tokio::pin!(method);
        loop {
            let until = self.patience(begun);
            match tokio::time::timeout_at(until, &mut method).await {
                Ok(done) => return done,
                Err(_) if self.patience(begun) > until => {}
                Err(_) => {
                    self.lock().is_silent = true;
                    return Err(StoreError::timeout());
                }
            }
        }
    }

    /// Until when a method that began then waits.
    fn patience(&self, begun: Instant) -> Instant {
        let state = self.lock();
        let silence = if state.is_silent {
            KNOWN_SILENCE
        } else {
            SILENCE
        };
        state.heard.map_or(begun, |heard| heard.max(begun)) + silence
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    /// How long a method waits that is never answered.
    async fn waits(pulse: &Pulse) -> Duration {
        let begun = Instant::now();
        let waited = pulse.watch(std::future::pending::<Result<(), _>>()).await;
        assert!(waited.is_err());
        begun.elapsed()
    }

    #[tokio::test(start_paused = true)]
    async fn if_the_database_answers_nothing_methods_fail_soon_and_then_sooner() {
        let pulse = Pulse::default();
        assert_eq!(waits(&pulse).await, SILENCE);
        assert_eq!(waits(&pulse).await, KNOWN_SILENCE);
        pulse.heard(&Ok(()));
        assert_eq!(waits(&pulse).await, SILENCE);
        pulse.heard::<()>(&Err(StoreError::timeout()));
        assert_eq!(waits(&pulse).await, KNOWN_SILENCE);
    }

    #[tokio::test(start_paused = true)]
    async fn a_method_waits_for_as_long_as_others_are_answered() {
        let pulse = Pulse::default();
        let others = async {
            for _ in 0..9 {
                tokio::time::sleep(SECOND).await;
                pulse.heard(&Ok(()));
            }
        };
        let (waited, ()) = tokio::join!(waits(&pulse), others);
        assert_eq!(waited, SECOND * 9 + SILENCE);
    }
}

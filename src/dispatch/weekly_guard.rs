//! The guard for Bitrix24's weekly limit: one network message for each user and week.
//!
//! A message that the portal would certainly refuse is refused here, and spends no request. What is
//! certain follows from what the portal itself has said: that it accepted a message to the same
//! recipient ([`week`]), and, within a day, that it refuses messages for this limit at all. A
//! portal with a partner (NFR) licence never says the second, so it is never guarded. The reasons
//! are in docs/adr/0070-guard-of-the-weekly-limit.md.

mod recorder;
mod subject;
mod week;

use std::time::Duration;

use tokio::sync::mpsc;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use self::week::Week;
pub(super) use self::week::WeekReading;
use super::send_error::SendError;
use crate::call::Recipient;
use crate::tenant::Tenant;
use bitrix24::{Answer, CallError, ErrorCode};
use jiff::Timestamp;
use store::Store;
use store::weekly_limits::{Said, Stored, Word};

/// How long a call waits for the records at most. Without them the portal decides.
const PATIENCE: Duration = Duration::from_secs(1);

/// The guard. Cheap to clone.
#[derive(Clone, Debug)]
pub(super) struct WeeklyGuard {
    store: Store,
    reading: WeekReading,
    /// To the recorder.
    words: mpsc::Sender<Heard>,
}

/// The portal's word to one request.
#[derive(Debug)]
struct Heard {
    said: Said,
    /// When the request began.
    begun: Instant,
}

/// A network message whose answer is listened to.
#[derive(Debug)]
pub(super) struct Watched {
    recipient: String,
    portal: String,
    /// By the record the portal refuses it, if the portal has the limit.
    is_expected_to_fail: bool,
    is_accepted: fn(&Answer) -> bool,
}

/// Why a message is not sent: the recipient had this week's.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the recipient had a message at {accepted_at}, and the portal accepts none until {until}")]
pub(crate) struct WeeklyLimit {
    /// When the request began with the message that the portal accepted.
    pub(crate) accepted_at: Timestamp,
    /// Until when the portal certainly refuses another one.
    pub(crate) until: Timestamp,
}

impl WeeklyGuard {
    /// A guard that goes by what is in `store`. What portals say is written by a task of `tasks`.
    pub(super) fn start(
        store: Store,
        reading: WeekReading,
        tasks: &TaskTracker,
        stopped: CancellationToken,
    ) -> Self {
        let (words, heard) = mpsc::channel(recorder::MOST_WAITING);
        tasks.spawn(recorder::run(store.clone(), heard, stopped));
        Self {
            store,
            reading,
            words,
        }
    }

    /// Asks the records whether a message may be sent. If they cannot be read, it may.
    ///
    /// # Errors
    ///
    /// The portal would certainly refuse it.
    pub(super) async fn judge(
        &self,
        tenant: &Tenant,
        recipient: &Recipient,
        deadline: Instant,
    ) -> Result<Watched, WeeklyLimit> {
        let portal = tenant.portal().authority();
        let mut watched = Watched {
            recipient: subject::of_recipient(tenant.id(), portal, recipient),
            portal: subject::of_portal(portal),
            is_expected_to_fail: false,
            is_accepted: recipient.is_accepted,
        };
        let Some(stored) = self.stored(&watched, deadline).await else {
            return Ok(watched);
        };
        let Some(limit) = certain(self.reading, &stored) else {
            return Ok(watched);
        };
        if week::is_confirmed(&stored) {
            return Err(limit);
        }
        watched.is_expected_to_fail = true;
        Ok(watched)
    }

    async fn stored(&self, watched: &Watched, deadline: Instant) -> Option<Stored> {
        let read = self.store.weekly_limit(&watched.recipient, &watched.portal);
        let latest = deadline.min(Instant::now() + PATIENCE);
        let problem = match tokio::time::timeout_at(latest, read).await {
            Ok(Ok(stored)) => return Some(stored),
            Ok(Err(error)) => crate::telemetry::chain(&error),
            Err(_elapsed) => "the store did not respond in time".to_owned(),
        };
        tracing::warn!(
            error = problem,
            "records of the weekly limit cannot be read; the portal decides"
        );
        None
    }

    /// Has recorded what the portal said to a message, whose request began then. A result that is
    /// unknown says nothing.
    pub(super) fn note(
        &self,
        watched: Watched,
        begun: Instant,
        result: Result<&Answer, &SendError>,
    ) {
        let word = match result {
            Ok(answer) if (watched.is_accepted)(answer) => {
                if watched.is_expected_to_fail {
                    Word::AcceptedAgainst
                } else {
                    Word::Accepted
                }
            }
            Err(SendError::Call(CallError::Refused(refusal)))
                if refusal.is(ErrorCode::UserMessageLimit) =>
            {
                Word::Refused
            }
            Ok(_) | Err(_) => return,
        };
        let Watched {
            recipient, portal, ..
        } = watched;
        let said = Said {
            recipient,
            portal,
            word,
            ago: Duration::ZERO,
        };
        // What finds no place is lost: the portal is asked once more.
        let _ = self.words.try_send(Heard { said, begun });
    }
}

/// The limit, if the portal certainly refuses a message now, provided that it has the limit.
fn certain(reading: WeekReading, stored: &Stored) -> Option<WeeklyLimit> {
    let week = Week {
        accepted_at: stored.accepted_at?,
        refused_at: stored.refused_at,
    };
    let until = week.certain_until(reading, stored.now)?;
    Some(WeeklyLimit {
        accepted_at: week.accepted_at,
        until,
    })
}

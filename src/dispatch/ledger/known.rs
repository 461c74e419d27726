//! What is known of a call, without changing anything.

use tokio::time::Instant;

use super::error::{LedgerError, Unavailable};
use super::fingerprint::Fingerprint;
use super::recorded::Settled;
use super::{Ledger, read_answer};
use bitrix24::Answer;
use store::ledger::{Id, State};

/// How often a row of this process is read that says `started` while no attempt is in progress: it
/// may have ended between two looks.
const LOOKS: usize = 3;

/// What the ledger knows of a call with an idempotency key.
#[derive(Clone, Debug, PartialEq)]
pub enum Known {
    /// Nothing: a call with the key would be new.
    Nothing,
    /// An attempt is in progress.
    Running,
    /// The portal's response to it.
    Answered(Answer),
    /// It was sent, and its outcome is unknown.
    Unknown,
}

impl Ledger {
    /// Looks a call up, here and in the store. Unlike [`enter`](Self::enter) it makes no claim,
    /// waits for no attempt and marks nothing: a row of a dead replica reads as unknown, and stays.
    /// Without a fingerprint, any request with the key is meant.
    ///
    /// # Errors
    ///
    /// [`LedgerError`].
    pub async fn known(
        &self,
        id: &Id,
        fingerprint: Option<Fingerprint>,
        deadline: Instant,
    ) -> Result<Known, LedgerError> {
        let mut looks = 0;
        loop {
            if let Some((running, settled)) = self.running.look(id) {
                if fingerprint.is_some_and(|fingerprint| fingerprint != running) {
                    return Err(LedgerError::Reused);
                }
                return Ok(settled.map_or(Known::Running, Known::from));
            }
            if self.store.is_new_in_ledger(id) {
                return Ok(Known::Nothing);
            }
            let read = tokio::time::timeout_at(deadline, self.read(id)).await;
            let Some(row) = read.map_err(|_elapsed| Unavailable::Late)?? else {
                return Ok(Known::Nothing);
            };
            let started = match row.state {
                State::Started {
                    owner,
                    attempt,
                    silent_for,
                } => Some((owner, attempt, silent_for)),
                State::Answered(_) | State::Unknown => None,
            };
            let own = started.filter(|(owner, ..)| *owner == self.replica.id());
            if let Some((_, attempt, _)) = own
                && self.running.unsent.has(attempt)
            {
                return Ok(Known::Nothing);
            }
            if fingerprint.is_some_and(|fingerprint| fingerprint.bytes() != row.fingerprint) {
                return Err(LedgerError::Reused);
            }
            looks += 1;
            match row.state {
                State::Answered(answer) => return Ok(Known::Answered(read_answer(&answer)?)),
                State::Unknown => return Ok(Known::Unknown),
                // It has begun or ended since the look at what is in progress; or its outcome was
                // lost by a crash of the database.
                State::Started { .. } if own.is_some() => {
                    if looks == LOOKS {
                        return Ok(Known::Unknown);
                    }
                }
                State::Started { silent_for, .. } => {
                    let timeout = self.replica.death_timeout();
                    let is_dead = timeout.is_some_and(|timeout| silent_for >= timeout);
                    return Ok(if is_dead {
                        Known::Unknown
                    } else {
                        Known::Running
                    });
                }
            }
        }
    }
}

impl From<Settled> for Known {
    fn from(settled: Settled) -> Self {
        match settled {
            Settled::Answered(answer) => Self::Answered(answer),
            Settled::Unknown => Self::Unknown,
        }
    }
}

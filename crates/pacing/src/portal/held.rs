//! Requests that go without an answer, and the conversations that they hold.
//!
//! The portal may still be executing such a request, so the next calls of its conversations wait.
//! An answer that has been awaited for some time is expected to take as long again. A call with
//! less time than that is rejected at once instead of using up its deadline.

use std::time::{Duration, Instant};

use super::requests::{LateRequest, Lateness};
use super::state::Portal;
use crate::{CallNumber, Conversation, Rejection};

/// The shortest time after which a caller is told to retry.
const SHORTEST_RETRY: Duration = Duration::from_secs(1);

impl<J> Portal<J> {
    /// The requests that have become overdue since this was asked last.
    pub fn take_late(&mut self) -> Vec<LateRequest> {
        std::mem::take(&mut self.newly_late)
    }

    /// Looks at the requests in flight. A request that is silent for long is a failure.
    pub(super) fn check_requests(&mut self, now: Instant) {
        while let Some((number, lateness)) = self.requests.next_late(now) {
            match lateness {
                Lateness::Overdue => {
                    self.held_check = Some(now);
                    let conversations = self.requests.conversations(number);
                    if conversations > 0 {
                        self.newly_late.push(LateRequest {
                            conversations,
                            held_for: self.limits.longest_answer,
                        });
                    }
                }
                Lateness::Silent => {
                    self.breaker.failed(number, now);
                }
            }
        }
    }

    /// Rejects a call to a conversation that is held for longer than the call can wait.
    pub(super) fn check_held(
        &self,
        conversations: &[Conversation],
        deadline: Instant,
        now: Instant,
    ) -> Result<(), Rejection> {
        let mut overdue = self.requests.all_overdue();
        let held_by = overdue.find(|(departed, held)| {
            let out = now.saturating_duration_since(*departed);
            deadline <= *departed + self.limits.longest_answer
                && deadline <= now + out
                && held.iter().any(|held| conversations.contains(held))
        });
        let Some((departed, _)) = held_by else {
            return Ok(());
        };
        let held_until = departed + self.limits.longest_answer;
        let retry_after = held_until.saturating_duration_since(now);
        Err(Rejection::ConversationHeld {
            retry_after: retry_after.max(SHORTEST_RETRY),
        })
    }

    /// A call has joined its conversations: one of them may be held.
    pub(super) fn note_waiting(&mut self, conversations: &[Conversation], now: Instant) {
        let mut overdue = self.requests.all_overdue();
        let is_held = overdue.any(|(_, held)| held.iter().any(|held| conversations.contains(held)));
        if is_held {
            self.held_check = Some(now);
        }
    }

    /// The next waiting call whose conversation is held for too long. `None`: no call before
    /// [`held_check`](Portal::held_check).
    pub(super) fn next_held(&mut self, now: Instant) -> Option<(CallNumber, Rejection)> {
        if self.held_check.is_none_or(|moment| moment > now) {
            return None;
        }
        let mut next = None;
        for (departed, held) in self.requests.all_overdue() {
            for number in held.iter().flat_map(|held| self.queue.waiting_in(*held)) {
                let Some(info) = self.queue.info(number) else {
                    continue;
                };
                let checked = self.check_held(&info.conversations, info.deadline, now);
                if let Err(rejection) = checked {
                    return Some((number, rejection));
                }
                // When it will have waited for half of the time from departure to deadline.
                let half = info.deadline.saturating_duration_since(departed) / 2;
                let moment = (departed + half).max(now + SOON);
                if info.deadline <= departed + self.limits.longest_answer {
                    next = Some(next.map_or(moment, |next: Instant| next.min(moment)));
                }
            }
        }
        self.held_check = next;
        None
    }
}

/// Rounding must not make the portal ask again at once.
const SOON: Duration = Duration::from_millis(1);

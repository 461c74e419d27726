//! Waiting for the end of a call.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::oneshot;
use tokio::time::Instant;

use super::job::{Ended, Job, Sending, Spent};
use super::not_admitted::NotAdmitted;
use super::place::{Place, count_refusal};
use super::queue::CallNumber;
use bitrix24::Unanswered;

/// How long after a deadline a request that is giving up by itself may take to say so.
const LAST_WORD: Duration = Duration::from_millis(2);

/// How long a request has to be on its way at least before it counts against the portal that its caller has stopped waiting. A
/// caller may be in a hurry.
const OVERDUE: Duration = Duration::from_secs(5);

/// A call that was let in. Dropped, it is not sent any more, unless it was sent.
#[derive(Debug)]
pub(super) struct Ticket {
    place: Arc<Place>,
    number: CallNumber,
    end: oneshot::Receiver<Ended>,
    sending: Sending,
    is_over: bool,
    begun: Instant,
}

impl Ticket {
    pub(super) fn new(
        place: Arc<Place>,
        number: CallNumber,
        end: oneshot::Receiver<Ended>,
        sending: Sending,
    ) -> Self {
        Self {
            place,
            number,
            end,
            sending,
            is_over: false,
            begun: Instant::now(),
        }
    }

    /// Waits for the end, at most until the deadline.
    pub(super) async fn ended(mut self, deadline: Instant) -> Ended {
        let in_time = tokio::time::timeout_at(deadline, &mut self.end).await;
        self.is_over = true;
        match in_time {
            Ok(Ok(ended)) => ended,
            Ok(Err(_crashed)) => Ended::Sent(Err(super::SendError::Crashed), Spent::default()),
            Err(_elapsed) => match self.place.cancel(self.number) {
                Some(job) => self.withdrawn(job),
                None => self.overdue().await,
            },
        }
    }

    fn withdrawn(&self, job: Job) -> Ended {
        count_refusal(&self.place.shared, &NotAdmitted::DeadlinePassed);
        let spent = Spent {
            waiting: self.begun.elapsed().saturating_sub(job.spent.portal),
            ..job.spent
        };
        match job.tries.last {
            Some(error) => Ended::Sent(Err(error.into()), spent),
            None => Ended::NotSent(NotAdmitted::DeadlinePassed, spent),
        }
    }

    async fn overdue(&mut self) -> Ended {
        if let Ok(Ok(ended)) = tokio::time::timeout(LAST_WORD, &mut self.end).await {
            return ended;
        }
        if !self.sending.may_be() {
            // For example because the ledger takes long. Behind its deadline it is not sent any more.
            count_refusal(&self.place.shared, &NotAdmitted::DeadlinePassed);
            let spent = Spent {
                waiting: self.begun.elapsed(),
                ..Spent::default()
            };
            return Ended::NotSent(NotAdmitted::DeadlinePassed, spent);
        }
        let portal = self.begun.elapsed();
        if portal >= OVERDUE {
            self.place.overdue();
        }
        let spent = Spent {
            portal,
            ..Spent::default()
        };
        let lost = bitrix24::CallError::from(Unanswered::DeadlinePassed);
        Ended::Sent(Err(lost.into()), spent)
    }
}

impl Drop for Ticket {
    fn drop(&mut self) {
        if !self.is_over {
            // First, so that a call that comes back just now is not put into the queue again.
            self.end.close();
            drop(self.place.cancel(self.number));
        }
    }
}

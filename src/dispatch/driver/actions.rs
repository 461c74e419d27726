//! What the state of a portal decides under its lock, and what is done about it without the lock.

use std::sync::Arc;
use std::time::Instant;

use super::{PortalDriver, Sending, State};
use crate::dispatch::job::Job;
use crate::dispatch::prepared::Prepared;
use crate::dispatch::send_error::SendError;
use pacing::{CallNumber, LateRequest, Next, Permit, Rejection, Selection, Waiting};

type Calls = Vec<Waiting<Box<Job>>>;

/// What is to be done now.
#[derive(Default)]
pub(super) struct Actions {
    unprepared: Vec<Selection<Box<Job>>>,
    /// Each with how full the bucket is.
    permits: Vec<(Permit<Box<Job>>, Option<f64>)>,
    rejected: Vec<(Calls, Rejection)>,
    blocked: Vec<(Calls, SendError)>,
    late: Vec<LateRequest>,
    /// When to ask again.
    alarm: Option<Instant>,
    was_breaker_open: bool,
    is_breaker_open: bool,
}

impl State {
    /// Asks the portal until nothing is left to do.
    pub(super) fn decide(&mut self, now: Instant) -> Actions {
        let mut actions = Actions {
            was_breaker_open: self.portal.is_breaker_open(),
            ..Actions::default()
        };
        let next = loop {
            match self.portal.next(now) {
                Next::Prepare(selection) => {
                    let mut selection = selection;
                    if let Some(error) = self.blocks.refuses(&selection, now) {
                        actions.blocked.push((selection.take_out(|_| true), error));
                        self.portal.prepared(selection);
                        continue;
                    }
                    match Prepared::at_once(selection) {
                        Ok(prepared) => self.portal.prepared(prepared.into_selection()),
                        Err(selection) => actions.unprepared.push(selection),
                    }
                }
                Next::Send(permit) => {
                    let fill = self.portal.fill(now);
                    actions.permits.push((permit, fill));
                }
                Next::Reject(calls, why) => actions.rejected.push((calls, why)),
                Next::At(moment) => break Some(moment),
                Next::Nothing => break None,
            }
        };
        let moments = [next, self.portal.next_check()].into_iter().flatten();
        if let Some(moment) = moments.min()
            && self.alarm.is_none_or(|alarm| moment < alarm)
        {
            self.alarm = Some(moment);
            actions.alarm = Some(moment);
        }
        self.portal.want(now);
        actions.late = self.portal.take_late();
        actions.is_breaker_open = self.portal.is_breaker_open();
        actions
    }
}

impl PortalDriver {
    /// Does it. Returns the request that has this call alone, which its caller prepares and sends
    /// itself.
    pub(super) fn act(
        self: &Arc<Self>,
        actions: Actions,
        own: Option<CallNumber>,
    ) -> Option<Sending> {
        let Actions {
            unprepared,
            permits,
            rejected,
            blocked,
            late,
            alarm,
            was_breaker_open,
            is_breaker_open,
        } = actions;
        self.note_breaker(was_breaker_open, is_breaker_open);
        for request in late {
            self.note_late(request);
        }
        let mut own_sending = None;
        for (permit, fill) in permits {
            let is_own = own.is_some_and(|number| permit.is_only(number));
            let sending = (self.stages.send)(Arc::clone(self), permit, fill);
            if is_own {
                own_sending = Some(sending);
            } else {
                self.context.tasks.spawn(sending);
            }
        }
        for selection in unprepared {
            let is_own = own.is_some() && selection.only() == own;
            let preparing = (self.stages.prepare)(Arc::clone(self), selection);
            if is_own {
                own_sending = Some(preparing);
            } else {
                self.context.tasks.spawn(preparing);
            }
        }
        for (calls, why) in rejected {
            for call in calls {
                self.reject(call, why.into());
            }
        }
        for (calls, error) in blocked {
            for call in calls {
                let (_, job) = self.dequeued(call);
                job.blocked(error.clone());
            }
        }
        if let Some(moment) = alarm {
            self.pump_at(moment);
        }
        own_sending
    }
}

//! The end of a request, told exactly once, even if sending it panics.

use std::sync::Arc;
use std::time::Duration;

use super::Flying;
use crate::call::Conversation;
use crate::dispatch::place::Place;
use crate::dispatch::portal::Fate;
use bitrix24::TenantId;
use bitrix24::{Method, SendGuard};

/// What has to be given back when a request has ended.
pub(super) struct Guard {
    place: Arc<Place>,
    calls: Vec<(TenantId, Method)>,
    conversations: Vec<Conversation>,
    guard: Option<SendGuard>,
    is_landed: bool,
    is_settled: bool,
}

impl Guard {
    pub(super) fn new(
        place: Arc<Place>,
        calls: &[Flying],
        conversations: Vec<Conversation>,
    ) -> Self {
        let calls = calls
            .iter()
            .map(|(terms, _)| (terms.tenant.clone(), terms.method));
        Self {
            place,
            calls: calls.collect(),
            conversations,
            guard: None,
            is_landed: false,
            is_settled: false,
        }
    }

    /// From now on the request may leave.
    pub(super) fn watch(&mut self, guard: SendGuard) {
        self.guard = Some(guard);
    }

    /// The request has ended.
    pub(super) fn landed(&mut self, fate: Fate, took: Duration) {
        self.is_landed = true;
        self.place.landed(&self.calls, fate, took);
    }

    /// Lets those go that wait behind the calls, once these have got their places back.
    pub(super) fn settle(&mut self, again: Vec<Flying>) {
        self.is_settled = true;
        self.place.settle(&self.conversations, again);
    }
}

impl Drop for Guard {
    fn drop(&mut self) {
        if !self.is_landed {
            let was_sent = self.guard.as_ref().is_some_and(SendGuard::was_sent);
            let fate = if was_sent {
                Fate::Lost
            } else {
                Fate::Withdrawn
            };
            self.landed(fate, Duration::ZERO);
        }
        if !self.is_settled {
            self.settle(Vec::new());
        }
    }
}

//! The order in which calls arrived.
//!
//! The calls of a connection run concurrently, so a later one may pass its checks, its tenant or
//! its idempotency key before an earlier one. Before a call enters its queue it waits for earlier
//! calls to the same conversation, in two steps: until all earlier calls of its
//! [connection](Arrival) are read, so their conversations are known; and until those of its own
//! conversations are queued or have ended, which the dispatcher counts. It does not wait for calls
//! to other conversations.

mod arrival;

use std::collections::{BTreeMap, VecDeque};

use tokio::sync::oneshot;

pub(crate) use self::arrival::{Arrival, Arrivals};

/// Numbers that are pending. Each may wait until no smaller one is.
#[derive(Debug, Default)]
pub(crate) struct Order {
    /// Sorted: most come in their order.
    pending: VecDeque<u128>,
    waiting: BTreeMap<u128, oneshot::Sender<()>>,
}

impl Order {
    pub(crate) fn enter(&mut self, number: u128) {
        let is_last = self.pending.back().is_none_or(|last| *last < number);
        if is_last {
            self.pending.push_back(number);
        } else if let Err(place) = self.pending.binary_search(&number) {
            self.pending.insert(place, number);
        }
    }

    /// The number is not pending any more. May be called more than once.
    pub(crate) fn leave(&mut self, number: u128) {
        let is_first = self.pending.front() == Some(&number);
        if is_first {
            self.pending.pop_front();
        } else if let Ok(place) = self.pending.binary_search(&number) {
            self.pending.remove(place);
        } else {
            return;
        }
        if !self.waiting.is_empty() {
            self.waiting.remove(&number);
            self.release();
        }
    }

    /// Completes when no smaller number is pending; `None` if none is.
    pub(crate) fn turn(&mut self, number: u128) -> Option<oneshot::Receiver<()>> {
        if self.is_first(number) {
            return None;
        }
        let (release, turn) = oneshot::channel();
        self.waiting.insert(number, release);
        Some(turn)
    }

    /// Whether no smaller number is pending.
    pub(crate) fn is_first(&self, number: u128) -> bool {
        self.pending.front().is_none_or(|first| *first >= number)
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.pending.is_empty()
    }

    fn release(&mut self) {
        let first = self.pending.front().copied();
        while let Some(next) = self.waiting.first_entry()
            && first.is_none_or(|first| *next.key() <= first)
        {
            // The receiver may have stopped waiting.
            let _ = next.remove().send(());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn is_turn(turn: &mut oneshot::Receiver<()>) -> bool {
        turn.try_recv().is_ok()
    }

    #[test]
    fn the_first_need_not_wait() {
        let mut order = Order::default();
        [5, 6].into_iter().for_each(|number| order.enter(number));
        assert!(order.turn(5).is_none());
        assert!(order.turn(6).is_some());
    }

    #[test]
    fn each_waits_for_all_that_are_smaller() {
        let mut order = Order::default();
        (1..=4).for_each(|number| order.enter(number));
        let (mut second, mut fourth) = (order.turn(2).unwrap(), order.turn(4).unwrap());
        order.leave(3);
        assert!(!is_turn(&mut second));
        order.leave(1);
        assert!(is_turn(&mut second) && !is_turn(&mut fourth));
        order.leave(2);
        assert!(is_turn(&mut fourth));
        order.leave(4);
        assert!(order.is_empty());
    }
}

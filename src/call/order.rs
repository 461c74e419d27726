//! Who came first.
//!
//! The calls of a connection are worked on side by side, so a later one may be through with its checks, its tenant or its idempotency key
//! before an earlier one. Before a call enters its queue it waits for those before it that write to the same conversation, in two steps:
//! until all earlier calls of its [connection](Arrival) have been read, so that it is known whom they write to; and until those of its
//! own conversations are in the queue or have ended, which the dispatcher keeps count of. Calls to other conversations are not waited for.

mod arrival;

use std::collections::{BTreeMap, BTreeSet};

use tokio::sync::oneshot;

pub(crate) use self::arrival::{Arrival, Arrivals};

/// Numbers that are on their way to the same place. Each may wait until no smaller one is.
#[derive(Debug, Default)]
pub(crate) struct Order {
    on_their_way: BTreeSet<u128>,
    waiting: BTreeMap<u128, oneshot::Sender<()>>,
}

impl Order {
    pub(crate) fn enter(&mut self, number: u128) {
        self.on_their_way.insert(number);
    }

    /// The number is there, or never will be. It may be told more than once.
    pub(crate) fn leave(&mut self, number: u128) {
        if self.on_their_way.remove(&number) {
            self.waiting.remove(&number);
            self.release();
        }
    }

    /// Completes when no smaller number is on its way; `None` if none is.
    pub(crate) fn turn(&mut self, number: u128) -> Option<oneshot::Receiver<()>> {
        self.on_their_way.range(..number).next()?;
        let (release, turn) = oneshot::channel();
        self.waiting.insert(number, release);
        Some(turn)
    }

    /// Nobody waits for smaller numbers any more.
    pub(crate) fn give_up_before(&mut self, number: u128) {
        self.on_their_way = self.on_their_way.split_off(&number);
        self.release();
    }

    /// Whether nothing is on its way.
    pub(crate) fn is_empty(&self) -> bool {
        self.on_their_way.is_empty()
    }

    fn release(&mut self) {
        let first = self.on_their_way.first().copied();
        while let Some(next) = self.waiting.first_entry()
            && first.is_none_or(|first| *next.key() <= first)
        {
            // Who does not wait any more needs no turn.
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

    #[test]
    fn who_is_given_up_is_not_waited_for_even_if_it_comes() {
        let mut order = Order::default();
        (1..=3).for_each(|number| order.enter(number));
        let mut second = order.turn(2).unwrap();
        order.give_up_before(2);
        assert!(is_turn(&mut second));
        order.leave(1);
        assert!(order.turn(3).is_some(), "the second is still on its way");
    }
}

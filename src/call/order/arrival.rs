//! The calls of one connection in the order in which they arrived.

use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use super::Order;

/// How long later calls of a connection wait for one whose request is incomplete.
const STALLED: Duration = Duration::from_millis(100);

/// The calls of one connection that have not been read.
#[derive(Clone, Debug)]
pub(crate) struct Arrivals {
    unread: Arc<Mutex<Order>>,
    /// How many calls have arrived at the process.
    arrived: Arc<AtomicU64>,
}

/// A call's place in the order in which the calls of its connection arrived. Dropping it releases
/// the later ones.
#[derive(Clone)]
pub(crate) struct Arrival(Arc<Slot>);

struct Slot {
    number: u64,
    unread: Arc<Mutex<Order>>,
}

impl Arrivals {
    /// The calls of a new connection. `arrived` counts those of all.
    pub(crate) fn new(arrived: Arc<AtomicU64>) -> Self {
        Self {
            unread: Arc::default(),
            arrived,
        }
    }

    /// The next call of the connection.
    pub(crate) fn next(&self) -> Arrival {
        let mut unread = lock(&self.unread);
        let number = self.arrived.fetch_add(1, Ordering::Relaxed);
        unread.enter(number.into());
        drop(unread);
        Arrival(Arc::new(Slot {
            number,
            unread: Arc::clone(&self.unread),
        }))
    }
}

impl Arrival {
    /// Its number: later calls have greater ones.
    pub(crate) fn number(&self) -> u64 {
        self.0.number
    }

    /// Notes that the request has been read, so its conversations are known.
    pub(crate) fn note_read(&self) {
        self.0.leave();
    }

    /// Waits until the earlier calls of the connection have been read, or take too long.
    pub(crate) async fn earlier_are_read(&self) {
        let number = self.0.number.into();
        let turn = lock(&self.0.unread).turn(number);
        if let Some(turn) = turn
            && tokio::time::timeout(STALLED, turn).await.is_err()
        {
            lock(&self.0.unread).give_up_before(number);
        }
    }
}

impl Slot {
    fn leave(&self) {
        lock(&self.unread).leave(self.number.into());
    }
}

impl Drop for Slot {
    fn drop(&mut self) {
        self.leave();
    }
}

impl fmt::Debug for Arrival {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Arrival").field(&self.0.number).finish()
    }
}

fn lock(order: &Mutex<Order>) -> MutexGuard<'_, Order> {
    order.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt;

    use super::*;

    fn three() -> [Arrival; 3] {
        let arrivals = Arrivals::new(Arc::default());
        std::array::from_fn(|_| arrivals.next())
    }

    #[tokio::test]
    async fn a_call_waits_until_all_before_it_were_read() {
        let [first, second, third] = three();
        third.note_read();
        let mut waiting = Box::pin(third.earlier_are_read());
        assert!((&mut waiting).now_or_never().is_none());
        first.note_read();
        assert!((&mut waiting).now_or_never().is_none());
        drop(second);
        waiting.await;
    }

    #[tokio::test]
    async fn connections_do_not_wait_for_each_other() {
        let arrived = Arc::default();
        let earlier = Arrivals::new(Arc::clone(&arrived)).next();
        let later = Arrivals::new(arrived).next();
        assert!(earlier.number() < later.number());
        later.earlier_are_read().now_or_never().unwrap();
    }

    #[tokio::test]
    async fn a_request_that_does_not_arrive_delays_the_others_once() {
        let [_stalled, second, third] = three();
        second.note_read();
        second.earlier_are_read().await;
        third.note_read();
        third.earlier_are_read().now_or_never().unwrap();
    }
}

//! The calls of one connection in the order in which they arrived.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

use super::Order;

/// How long the rest of a request may fail to arrive before later calls of its connection stop
/// waiting for it. A request that has arrived is waited for, however busy the machine is.
const STALLED: Duration = Duration::from_millis(100);

/// The calls of one connection that have not been read.
#[derive(Clone, Debug)]
pub(crate) struct Arrivals {
    unread: Arc<Mutex<Unread>>,
}

/// A call's place in the order in which the calls of its connection arrived. Dropping it releases
/// the later ones.
#[derive(Clone)]
pub(crate) struct Arrival(Arc<Position>);

struct Position {
    number: u64,
    has_left: AtomicBool,
    unread: Arc<Mutex<Unread>>,
}

#[derive(Debug, Default)]
struct Unread {
    /// How many calls have arrived at the process.
    arrived: Arc<AtomicU64>,
    order: Order,
    /// Those whose peer owes the rest of the request, and since when.
    starved: BTreeMap<u128, Instant>,
}

impl Arrivals {
    /// The calls of a new connection. `arrived` counts those of all.
    pub(crate) fn new(arrived: Arc<AtomicU64>) -> Self {
        let unread = Unread {
            arrived,
            ..Unread::default()
        };
        Self {
            unread: Arc::new(Mutex::new(unread)),
        }
    }

    /// The next call of the connection.
    pub(crate) fn next(&self) -> Arrival {
        next(&self.unread)
    }
}

impl Arrival {
    /// The place of an item that arrives now on the same connection, in the stream that this is the
    /// place of.
    pub(crate) fn of_item(&self) -> Self {
        next(&self.0.unread)
    }

    /// Its number: later calls have greater ones.
    pub(crate) fn number(&self) -> u64 {
        self.0.number
    }

    /// Notes that the request has been read, so its conversations are known.
    pub(crate) fn note_read(&self) {
        self.0.leave();
    }

    /// Notes that the service waits for the rest of the request, or that more of it has arrived.
    pub(crate) fn note_starved(&self, is_starved: bool) {
        let mut unread = lock(&self.0.unread);
        if is_starved {
            unread.starved.insert(self.0.number.into(), Instant::now());
        } else {
            unread.starved.remove(&self.0.number.into());
        }
    }

    /// Whether the earlier calls of the connection have been read.
    pub(crate) fn is_first(&self) -> bool {
        lock(&self.0.unread).order.is_first(self.0.number.into())
    }

    /// Waits until the earlier calls of the connection have been read, except for requests that
    /// have stalled.
    pub(crate) async fn earlier_are_read(&self) {
        let number = self.0.number.into();
        loop {
            let Some(turn) = lock(&self.0.unread).order.turn(number) else {
                return;
            };
            if tokio::time::timeout(STALLED, turn).await.is_ok() {
                return;
            }
            lock(&self.0.unread).give_up_stalled_before(number);
        }
    }
}

impl Unread {
    fn leave(&mut self, number: u128) {
        if !self.starved.is_empty() {
            self.starved.remove(&number);
        }
        self.order.leave(number);
    }

    fn give_up_stalled_before(&mut self, number: u128) {
        let stalled: Vec<u128> = self
            .starved
            .range(..number)
            .filter(|(_, since)| since.elapsed() >= STALLED)
            .map(|(number, _)| *number)
            .collect();
        for number in stalled {
            self.leave(number);
        }
    }
}

impl Position {
    fn leave(&self) {
        if !self.has_left.swap(true, Ordering::AcqRel) {
            lock(&self.unread).leave(self.number.into());
        }
    }
}

impl Drop for Position {
    fn drop(&mut self) {
        self.leave();
    }
}

impl fmt::Debug for Arrival {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Arrival").field(&self.0.number).finish()
    }
}

fn next(all: &Arc<Mutex<Unread>>) -> Arrival {
    let mut unread = lock(all);
    let number = unread.arrived.fetch_add(1, Ordering::Relaxed);
    unread.order.enter(number.into());
    drop(unread);
    Arrival(Arc::new(Position {
        number,
        has_left: AtomicBool::new(false),
        unread: Arc::clone(all),
    }))
}

fn lock(unread: &Mutex<Unread>) -> MutexGuard<'_, Unread> {
    unread.lock().unwrap_or_else(PoisonError::into_inner)
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
    async fn items_of_a_stream_stand_where_they_arrive_and_not_where_their_stream_did() {
        let [stream, call, _] = three();
        stream.note_read();
        let item = stream.of_item();
        assert!(call.number() < item.number());
        assert!(item.earlier_are_read().now_or_never().is_none());
        call.note_read();
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
    async fn a_request_that_has_arrived_is_waited_for_however_busy_the_machine_is() {
        let [first, second, _] = three();
        first.note_starved(true);
        first.note_starved(false);
        let mut waiting = Box::pin(second.earlier_are_read());
        let long = tokio::time::timeout(3 * STALLED, &mut waiting);
        assert!(long.await.is_err(), "overtaken");
        first.note_read();
        waiting.await;
    }

    #[tokio::test]
    async fn only_the_stalled_ones_are_given_up() {
        let [stalled, second, third] = three();
        stalled.note_starved(true);
        let mut waiting = Box::pin(third.earlier_are_read());
        let long = tokio::time::timeout(3 * STALLED, &mut waiting);
        assert!(long.await.is_err(), "the second was given up, too");
        second.note_read();
        waiting.await;
    }

    #[tokio::test]
    async fn a_request_that_does_not_arrive_delays_the_others_once() {
        let [stalled, second, third] = three();
        stalled.note_starved(true);
        second.note_read();
        second.earlier_are_read().await;
        third.note_read();
        third.earlier_are_read().now_or_never().unwrap();
    }
}

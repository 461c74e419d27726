//! The places for calls in progress and the memory for their requests, shared by all callers.
//!
//! One caller, however many calls it makes and however long its portals take, leaves places and
//! memory to the others (docs/adr/0029).

use std::collections::HashMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use http::HeaderMap;
use pacing::{Exhausted, Pool};

use crate::call::Holdings;

/// What a header takes in memory beside its name and its value, in bytes: a request of one-letter
/// headers is large although it is short.
const HEADER_BYTES: usize = 104;

/// Callers that are remembered although they hold nothing. There are as many as the settings name;
/// more only if callers come and go while the service runs.
const IDLE_CALLERS: usize = 1024;

/// Places and memory.
#[derive(Debug)]
pub(super) struct Shares {
    calls: Pool,
    bytes: Pool,
    callers: Mutex<HashMap<Box<str>, Arc<Holdings>>>,
}

/// The limits.
#[derive(Clone, Copy, Debug)]
pub(super) struct Maximum {
    pub(super) calls: usize,
    pub(super) bytes: usize,
    /// Of one request.
    pub(super) request_bytes: usize,
    /// Of one caller, in percent.
    pub(super) share: u8,
}

/// The place of one call and the memory of its request, until it is dropped.
#[derive(Debug)]
pub(super) struct Place {
    shares: Arc<Shares>,
    caller: Arc<Holdings>,
    bytes: AtomicUsize,
}

impl Shares {
    pub(super) fn new(maximum: Maximum) -> Arc<Self> {
        Arc::new(Self {
            calls: Pool::new(maximum.calls, maximum.share, 0),
            // Whatever others hold, a caller can make one call of any size.
            bytes: Pool::new(maximum.bytes, maximum.share, maximum.request_bytes),
            callers: Mutex::default(),
        })
    }

    /// What the caller of this name holds.
    pub(super) fn of(&self, caller: &str) -> Arc<Holdings> {
        let mut callers = self.callers.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(holdings) = callers.get(caller) {
            return Arc::clone(holdings);
        }
        if callers.len() >= IDLE_CALLERS {
            callers.retain(|_, holdings| Arc::strong_count(holdings) > 1);
        }
        let holdings = Arc::default();
        callers.insert(caller.into(), Arc::clone(&holdings));
        holdings
    }

    /// A place for a call of this caller whose request has these headers.
    ///
    /// # Errors
    ///
    /// [`Exhausted`].
    pub(super) fn admit(
        self: &Arc<Self>,
        caller: Arc<Holdings>,
        headers: &HeaderMap,
    ) -> Result<Arc<Place>, Exhausted> {
        self.calls.take(&caller.calls, 1)?;
        let place = Arc::new(Place {
            shares: Arc::clone(self),
            caller,
            bytes: AtomicUsize::new(0),
        });
        let fields = headers.iter();
        let size = fields.map(|(name, value)| name.as_str().len() + value.len() + HEADER_BYTES);
        place.hold(size.sum())?;
        Ok(place)
    }
}

impl Place {
    /// Holds more of the request in memory.
    ///
    /// # Errors
    ///
    /// [`Exhausted`].
    pub(super) fn hold(&self, bytes: usize) -> Result<(), Exhausted> {
        self.shares.bytes.take(&self.caller.bytes, bytes)?;
        self.bytes.fetch_add(bytes, Ordering::Relaxed);
        Ok(())
    }

    /// Holds so much of it no longer.
    pub(super) fn release(&self, bytes: usize) {
        self.bytes.fetch_sub(bytes, Ordering::Relaxed);
        self.shares.bytes.give_back(&self.caller.bytes, bytes);
    }

    /// One more place for the same caller, which takes over so much of what this one holds.
    ///
    /// # Errors
    ///
    /// [`Exhausted`]. Then this one holds all of it.
    pub(super) fn split(&self, bytes: usize) -> Result<Self, Exhausted> {
        self.shares.calls.take(&self.caller.calls, 1)?;
        self.bytes.fetch_sub(bytes, Ordering::Relaxed);
        Ok(Self {
            shares: Arc::clone(&self.shares),
            caller: Arc::clone(&self.caller),
            bytes: AtomicUsize::new(bytes),
        })
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let (shares, caller) = (&self.shares, &self.caller);
        shares.calls.give_back(&caller.calls, 1);
        shares.bytes.give_back(&caller.bytes, *self.bytes.get_mut());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shares() -> Arc<Shares> {
        Shares::new(Maximum {
            calls: 10,
            bytes: 1_000,
            request_bytes: 300,
            share: 50,
        })
    }

    fn admit(shares: &Arc<Shares>, caller: &str) -> Result<Arc<Place>, Exhausted> {
        shares.admit(shares.of(caller), &HeaderMap::new())
    }

    #[test]
    fn places_and_bytes_are_held_until_the_call_ends() {
        let shares = shares();
        let first = admit(&shares, "shop").unwrap();
        first.hold(200).unwrap();
        let caller = shares.of("shop");
        assert_eq!((caller.calls.amount(), caller.bytes.amount()), (1, 200));
        let body = Arc::clone(&first);
        drop(first);
        assert_eq!(caller.calls.amount(), 1, "its request is still there");
        drop(body);
        assert_eq!((caller.calls.amount(), caller.bytes.amount()), (0, 0));
    }

    #[test]
    fn a_place_of_an_item_takes_over_the_bytes_of_its_message() {
        let shares = shares();
        let stream = admit(&shares, "shop").unwrap();
        stream.hold(150).unwrap();
        let item = stream.split(100).unwrap();
        let caller = shares.of("shop");
        assert_eq!((caller.calls.amount(), caller.bytes.amount()), (2, 150));
        drop(item);
        assert_eq!((caller.calls.amount(), caller.bytes.amount()), (1, 50));
        stream.release(50);
        let items: Vec<_> = std::iter::from_fn(|| stream.split(0).ok()).collect();
        assert_eq!((items.len(), caller.bytes.amount()), (4, 0));
        drop((stream, items));
        assert_eq!((caller.calls.amount(), caller.bytes.amount()), (0, 0));
    }

    #[test]
    fn a_caller_that_takes_all_it_can_leaves_places_and_bytes() {
        let shares = shares();
        let greedy: Vec<_> = std::iter::from_fn(|| admit(&shares, "greedy").ok()).collect();
        assert_eq!(greedy.len(), 5);
        while greedy[0].hold(50).is_ok() {}
        assert_eq!(shares.of("greedy").bytes.amount(), 500);
        let other = admit(&shares, "shop").unwrap();
        assert_eq!(other.hold(300), Ok(()), "the largest request");
    }

    #[test]
    fn many_short_headers_count_for_what_they_take() {
        let mut headers = HeaderMap::new();
        for number in 0..10 {
            let name = http::HeaderName::try_from(format!("x{number}")).unwrap();
            headers.insert(name, http::HeaderValue::from_static(""));
        }
        let shares = shares();
        let refused = shares.admit(shares.of("shop"), &headers).unwrap_err();
        assert_eq!(refused, Exhausted::Pool);
        assert_eq!(
            shares.of("shop").calls.amount(),
            0,
            "its place is free again"
        );
    }

    #[test]
    fn callers_that_hold_nothing_are_forgotten_when_there_are_many() {
        let shares = shares();
        let held = admit(&shares, "shop").unwrap();
        for number in 0..3 * IDLE_CALLERS {
            shares.of(&number.to_string());
        }
        let known = shares.callers.lock().unwrap();
        assert!(known.len() <= IDLE_CALLERS);
        assert!(known.contains_key("shop"));
        drop(held);
    }
}

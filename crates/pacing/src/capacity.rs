//! How many calls may wait in this process, and their total size.

use std::sync::Arc;

use crate::pool::{Exhausted, Held, Pool};

/// The capacity of all portals' queues together. Callers share it.
#[derive(Debug)]
pub struct QueueCapacity {
    calls: Pool,
    bytes: Pool,
    maximum_bytes: usize,
}

/// What one caller has in the queues.
#[derive(Debug, Default)]
pub struct Queued {
    calls: Held,
    bytes: Held,
}

/// The capacity that one call uses; dropping it returns the capacity.
#[derive(Debug)]
pub struct Slot {
    capacity: Arc<QueueCapacity>,
    caller: Arc<Queued>,
    bytes: usize,
    /// What of it counts.
    counted: usize,
}

impl QueueCapacity {
    /// Capacity for this many calls of this total size, of which a caller alone may use `share`
    /// percent.
    pub fn new(maximum_calls: usize, maximum_bytes: usize, share: u8) -> Self {
        Self {
            calls: Pool::new(maximum_calls, share, 0),
            bytes: Pool::new(maximum_bytes, share, 0),
            maximum_bytes,
        }
    }

    /// A slot for a call of this size.
    ///
    /// # Errors
    ///
    /// [`Exhausted`]: there is no capacity, or none for this caller.
    pub fn slot(self: &Arc<Self>, caller: &Arc<Queued>, bytes: usize) -> Result<Slot, Exhausted> {
        // A single call always fits: the size of one request has its own limit.
        let counted = bytes.min(self.maximum_bytes);
        self.calls.take(&caller.calls, 1)?;
        if let Err(exhausted) = self.bytes.take(&caller.bytes, counted) {
            self.calls.give_back(&caller.calls, 1);
            return Err(exhausted);
        }
        Ok(Slot {
            capacity: Arc::clone(self),
            caller: Arc::clone(caller),
            bytes,
            counted,
        })
    }

    /// Whether a call of this size would get a slot now. Nothing is taken.
    ///
    /// # Errors
    ///
    /// [`Exhausted`]: there is no capacity, or none for this caller.
    pub fn check(&self, caller: &Queued, bytes: usize) -> Result<(), Exhausted> {
        self.calls.check(&caller.calls, 1)?;
        let counted = bytes.min(self.maximum_bytes);
        self.bytes.check(&caller.bytes, counted)
    }
}

impl Slot {
    /// The size of the call.
    pub fn bytes(&self) -> usize {
        self.bytes
    }
}

impl Drop for Slot {
    fn drop(&mut self) {
        let (capacity, caller) = (&self.capacity, &self.caller);
        capacity.calls.give_back(&caller.calls, 1);
        capacity.bytes.give_back(&caller.bytes, self.counted);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn calls_and_bytes_are_bounded() {
        let capacity = Arc::new(QueueCapacity::new(3, 100, 100));
        let caller = Arc::default();
        let large = capacity.slot(&caller, 500).unwrap();
        assert_eq!(capacity.slot(&caller, 1).unwrap_err(), Exhausted::Pool);
        drop(large);
        let slots: Vec<_> = (0..3)
            .map(|_| capacity.slot(&caller, 30).unwrap())
            .collect();
        assert_eq!(capacity.slot(&caller, 1).unwrap_err(), Exhausted::Pool);
        drop(slots);
        assert!(capacity.slot(&caller, 100).is_ok());
    }

    #[test]
    fn a_caller_that_fills_the_queues_leaves_some_to_others() {
        let capacity = Arc::new(QueueCapacity::new(100, 1000, 50));
        let (greedy, modest) = (Arc::default(), Arc::default());
        let slots: Vec<_> = std::iter::from_fn(|| capacity.slot(&greedy, 1).ok()).collect();
        assert_eq!(slots.len(), 50);
        assert_eq!(capacity.slot(&greedy, 1).unwrap_err(), Exhausted::Share);
        assert!(capacity.slot(&modest, 400).is_ok());
        drop(slots);
        let large: Vec<_> = std::iter::from_fn(|| capacity.slot(&greedy, 100).ok()).collect();
        assert_eq!(large.len(), 5);
        assert!(capacity.slot(&modest, 100).is_ok());
    }
}

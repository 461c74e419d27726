//! How many calls may wait in this process, and their total size.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

/// The capacity of all portals' queues together.
#[derive(Debug)]
pub struct QueueCapacity {
    maximum_calls: usize,
    maximum_bytes: usize,
    calls: AtomicUsize,
    bytes: AtomicUsize,
}

/// The capacity that one call uses; dropping it returns the capacity.
#[derive(Debug)]
pub struct Slot {
    capacity: Arc<QueueCapacity>,
    bytes: usize,
}

impl QueueCapacity {
    /// Capacity for this many calls of this total size.
    pub fn new(maximum_calls: usize, maximum_bytes: usize) -> Self {
        Self {
            maximum_calls,
            maximum_bytes,
            calls: AtomicUsize::new(0),
            bytes: AtomicUsize::new(0),
        }
    }

    /// A slot for a call of this size, if there is capacity.
    pub fn slot(self: &Arc<Self>, bytes: usize) -> Option<Slot> {
        let calls = self.calls.fetch_add(1, Ordering::Relaxed) + 1;
        let total = self.bytes.fetch_add(bytes, Ordering::Relaxed) + bytes;
        // Dropped below if it exceeds the capacity.
        let slot = Slot {
            capacity: Arc::clone(self),
            bytes,
        };
        // A single call always fits: the size of one request has its own limit.
        let fits = calls <= self.maximum_calls && (calls == 1 || total <= self.maximum_bytes);
        fits.then_some(slot)
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
        self.capacity.calls.fetch_sub(1, Ordering::Relaxed);
        self.capacity.bytes.fetch_sub(self.bytes, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn calls_and_bytes_are_bounded() {
        let capacity = Arc::new(QueueCapacity::new(3, 100));
        let large = capacity.slot(500).unwrap();
        assert!(capacity.slot(1).is_none(), "too large");
        drop(large);
        let slots: Vec<_> = (0..3).map(|_| capacity.slot(30).unwrap()).collect();
        assert!(capacity.slot(1).is_none(), "too many");
        drop(slots);
        assert!(capacity.slot(100).is_some());
    }
}

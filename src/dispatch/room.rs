//! How many calls may wait in this process, and how much they may weigh.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use super::settings::Options;

/// The room for calls of all portals together.
#[derive(Debug)]
pub(super) struct Room {
    maximum_calls: usize,
    maximum_bytes: usize,
    calls: AtomicUsize,
    bytes: AtomicUsize,
}

/// A place for one call; given back when it is dropped.
#[derive(Debug)]
pub(super) struct Seat {
    room: Arc<Room>,
    bytes: usize,
}

impl Room {
    pub(super) fn new(options: &Options) -> Self {
        Self {
            maximum_calls: options.maximum_waiting_calls,
            maximum_bytes: options.maximum_waiting_bytes,
            calls: AtomicUsize::new(0),
            bytes: AtomicUsize::new(0),
        }
    }

    /// A place for a call of this weight, if there is one.
    pub(super) fn seat(self: &Arc<Self>, bytes: usize) -> Option<Seat> {
        let calls = self.calls.fetch_add(1, Ordering::Relaxed) + 1;
        let weight = self.bytes.fetch_add(bytes, Ordering::Relaxed) + bytes;
        // Gives itself back if it is one too many.
        let seat = Seat {
            room: Arc::clone(self),
            bytes,
        };
        // A call by itself always fits: the limit of one request is another one.
        let fits = calls <= self.maximum_calls && (calls == 1 || weight <= self.maximum_bytes);
        fits.then_some(seat)
    }
}

impl Seat {
    pub(super) fn bytes(&self) -> usize {
        self.bytes
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        self.room.calls.fetch_sub(1, Ordering::Relaxed);
        self.room.bytes.fetch_sub(self.bytes, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn there_is_room_for_so_many_calls_and_so_many_bytes() {
        let options = Options {
            maximum_waiting_calls: 3,
            maximum_waiting_bytes: 100,
            ..Options::default()
        };
        let room = Arc::new(Room::new(&options));
        let large = room.seat(500).unwrap();
        assert!(room.seat(1).is_none(), "too heavy");
        drop(large);
        let seats: Vec<_> = (0..3).map(|_| room.seat(30).unwrap()).collect();
        assert!(room.seat(1).is_none(), "too many");
        drop(seats);
        assert!(room.seat(100).is_some());
    }
}

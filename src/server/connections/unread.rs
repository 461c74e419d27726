//! Responses that their peers have not read, in bytes and in time.
//!
//! The HTTP/2 library holds a response until the peer opens its window and the socket takes it. It
//! drops the data then, so the data itself counts.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use bytes::{Buf, Bytes};
use tokio::sync::Notify;

/// What one piece of a response costs beside its bytes.
const OVERHEAD: usize = 256;
/// A response belongs to the period in which it was made. It is late when the third one after that
/// begins, before the fourth one uses the same counter again.
const PERIODS: usize = 4;

/// The unread responses of all connections.
#[derive(Debug)]
pub(super) struct AllUnread {
    bytes: AtomicUsize,
    maximum: usize,
    period: AtomicUsize,
    exceeded: Notify,
}

/// The unread responses of one connection.
#[derive(Debug)]
pub(super) struct Unread {
    all: Arc<AllUnread>,
    bytes: AtomicUsize,
    pieces: [AtomicUsize; PERIODS],
}

/// A piece of a response, which counts until it is dropped.
#[derive(Debug)]
pub(crate) struct Piece {
    bytes: Bytes,
    size: usize,
    period: usize,
    unread: Arc<Unread>,
}

impl AllUnread {
    pub(super) fn new(maximum: usize) -> Arc<Self> {
        Arc::new(Self {
            bytes: AtomicUsize::new(0),
            maximum,
            period: AtomicUsize::new(0),
            exceeded: Notify::new(),
        })
    }

    pub(super) fn bytes(&self) -> usize {
        self.bytes.load(Ordering::Relaxed)
    }

    /// By how much the maximum is exceeded.
    pub(super) fn excess(&self) -> usize {
        self.bytes().saturating_sub(self.maximum)
    }

    /// Completes when the maximum has been exceeded since the last time.
    pub(super) async fn exceeded(&self) {
        self.exceeded.notified().await;
    }

    /// Begins the next period.
    pub(super) fn next_period(&self) {
        self.period.fetch_add(1, Ordering::Relaxed);
    }
}

impl Unread {
    pub(super) fn new(all: &Arc<AllUnread>) -> Arc<Self> {
        Arc::new(Self {
            all: Arc::clone(all),
            bytes: AtomicUsize::new(0),
            pieces: Default::default(),
        })
    }

    pub(super) fn bytes(&self) -> usize {
        self.bytes.load(Ordering::Relaxed)
    }

    /// Whether a piece has been unread for more than two periods.
    pub(super) fn is_late(&self) -> bool {
        let next = self.all.period.load(Ordering::Relaxed).wrapping_add(1);
        self.pieces_of(next)
            .is_some_and(|pieces| pieces.load(Ordering::Relaxed) > 0)
    }

    pub(super) fn piece(self: &Arc<Self>, bytes: Bytes) -> Piece {
        let size = bytes.len().saturating_add(OVERHEAD);
        let period = self.all.period.load(Ordering::Relaxed);
        self.bytes.fetch_add(size, Ordering::Relaxed);
        if let Some(pieces) = self.pieces_of(period) {
            pieces.fetch_add(1, Ordering::Relaxed);
        }
        let before = self.all.bytes.fetch_add(size, Ordering::Relaxed);
        if before.saturating_add(size) > self.all.maximum {
            self.all.exceeded.notify_one();
        }
        Piece {
            bytes,
            size,
            period,
            unread: Arc::clone(self),
        }
    }

    fn pieces_of(&self, period: usize) -> Option<&AtomicUsize> {
        self.pieces.get(period % PERIODS)
    }
}

impl Drop for Piece {
    fn drop(&mut self) {
        let unread = &self.unread;
        unread.bytes.fetch_sub(self.size, Ordering::Relaxed);
        unread.all.bytes.fetch_sub(self.size, Ordering::Relaxed);
        if let Some(pieces) = unread.pieces_of(self.period) {
            pieces.fetch_sub(1, Ordering::Relaxed);
        }
    }
}

impl Buf for Piece {
    fn remaining(&self) -> usize {
        self.bytes.remaining()
    }

    fn chunk(&self) -> &[u8] {
        self.bytes.chunk()
    }

    fn advance(&mut self, count: usize) {
        self.bytes.advance(count);
    }
}

#[cfg(test)]
mod tests {
    use futures_util::FutureExt;

    use super::*;

    #[test]
    fn a_piece_counts_until_it_is_dropped_however_much_of_it_was_sent() {
        let all = AllUnread::new(1_000);
        let (one, other) = (Unread::new(&all), Unread::new(&all));
        let mut piece = one.piece(Bytes::from_static(&[0; 400]));
        piece.advance(399);
        assert_eq!((one.bytes(), other.bytes(), all.bytes()), (656, 0, 656));
        assert!(all.exceeded().now_or_never().is_none());
        let second = other.piece(Bytes::from_static(&[0; 400]));
        assert!(all.exceeded().now_or_never().is_some());
        assert_eq!(all.excess(), 312);
        drop((piece, second));
        assert_eq!((one.bytes(), all.bytes(), all.excess()), (0, 0, 0));
    }

    #[test]
    fn a_piece_is_late_after_two_whole_periods() {
        let all = AllUnread::new(1_000);
        let unread = Unread::new(&all);
        for _ in 0..9 {
            let piece = unread.piece(Bytes::new());
            for _ in 0..2 {
                all.next_period();
                assert!(!unread.is_late());
            }
            all.next_period();
            assert!(unread.is_late());
            drop(piece);
            assert!(!unread.is_late());
        }
    }
}

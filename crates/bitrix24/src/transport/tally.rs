//! How many connections there are, for who watches the process.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

/// The connections to portals and authorization servers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Connections {
    /// They have a request.
    pub in_use: usize,
    /// They wait for the next one.
    pub idle: usize,
}

/// Counts connections. It has no lock, because every request passes here.
#[derive(Debug, Default)]
pub(super) struct Tally {
    open: AtomicUsize,
    in_use: AtomicUsize,
}

/// An open connection. Dropped, it counts no longer.
pub(super) struct Tallied {
    tally: Arc<Tally>,
    is_in_use: bool,
}

impl Tally {
    pub(super) fn open(self: &Arc<Self>) -> Tallied {
        self.open.fetch_add(1, Ordering::Relaxed);
        Tallied {
            tally: Arc::clone(self),
            is_in_use: false,
        }
    }

    pub(super) fn connections(&self) -> Connections {
        let in_use = self.in_use.load(Ordering::Relaxed);
        let open = self.open.load(Ordering::Relaxed);
        Connections {
            in_use,
            // The two are not read at once.
            idle: open.saturating_sub(in_use),
        }
    }
}

impl Tallied {
    /// It has a request from now on, or none.
    pub(super) fn set_in_use(&mut self, is_in_use: bool) {
        if std::mem::replace(&mut self.is_in_use, is_in_use) != is_in_use {
            self.shared_in_use(is_in_use);
        }
    }

    /// The same for a connection with many requests: to be called for the first and after the
    /// last.
    pub(super) fn shared_in_use(&self, is_in_use: bool) {
        if is_in_use {
            self.tally.in_use.fetch_add(1, Ordering::Relaxed);
        } else {
            self.tally.in_use.fetch_sub(1, Ordering::Relaxed);
        }
    }
}

impl Drop for Tallied {
    fn drop(&mut self) {
        self.set_in_use(false);
        self.tally.open.fetch_sub(1, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_connection_that_breaks_with_its_request_counts_no_longer() {
        let tally = Arc::new(Tally::default());
        let (mut one, other) = (tally.open(), tally.open());
        one.set_in_use(true);
        one.set_in_use(true);
        let (in_use, idle) = (1, 1);
        assert_eq!(tally.connections(), Connections { in_use, idle });
        drop(one);
        let in_use = 0;
        assert_eq!(tally.connections(), Connections { in_use, idle });
        drop(other);
        assert_eq!(tally.connections(), Connections::default());
    }
}

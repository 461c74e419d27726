//! Spans that no collector got.

use std::sync::atomic::{AtomicU64, Ordering};

/// Those of the process.
static LOST: AtomicU64 = AtomicU64::new(0);

/// How many spans the process has lost.
pub(crate) fn lost_spans() -> u64 {
    LOST.load(Ordering::Relaxed)
}

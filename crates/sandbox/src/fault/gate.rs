//! Holds responses back until a test lets them go.

use std::sync::Arc;

use tokio::sync::Semaphore;

/// Holds responses back until it is opened. Clones are the same gate.
#[derive(Clone, Debug)]
pub struct Gate(Arc<Semaphore>);

impl Gate {
    /// A closed gate.
    pub fn closed() -> Self {
        Self(Arc::new(Semaphore::new(0)))
    }

    /// Releases the responses that wait and all later ones.
    pub fn open(&self) {
        self.0.close();
    }

    /// Waits until the gate is open.
    pub(crate) async fn opened(&self) {
        // The semaphore has no permits: this ends only when it is closed, as an error.
        let _ = self.0.acquire().await;
    }
}

impl PartialEq for Gate {
    fn eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }
}

impl Eq for Gate {}

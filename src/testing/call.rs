//! Calls that do not come through the layer around all calls.

use std::sync::Arc;

use tokio::time::Instant;
use tonic::Request;

use crate::call::{CallContext, Progress};

/// A call that the test has begun, as the layer around all calls would see it.
#[derive(Clone, Debug)]
pub struct Begun(CallContext);

impl Begun {
    /// Gives a request the deadline by which it has to be answered.
    pub fn of<M>(request: &mut Request<M>, deadline: Instant) -> Self {
        let context = CallContext::new("-".into(), deadline, None, Arc::default());
        request.extensions_mut().insert(context.clone());
        Self(context)
    }

    /// Whether the portal may be executing it or has executed it: what the log says if the caller
    /// leaves now.
    pub fn may_be_executed(&self) -> bool {
        self.0.progress() != Progress::NotStarted
    }

    /// Whether its response is that to an earlier attempt.
    pub fn is_replayed(&self) -> bool {
        self.0.is_replayed()
    }
}

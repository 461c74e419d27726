//! The command line is sound and asks for what cannot be done.

use thiserror::Error;

/// What is wrong, in words. Never a secret.
#[derive(Debug, Error)]
#[error("{0}")]
pub(super) struct Usage(pub(super) String);

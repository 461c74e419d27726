//! Why a call failed.

use super::not_admitted::NotAdmitted;
use super::send_error::SendError;

/// Why a call failed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum DispatchError {
    /// It was not sent.
    #[error(transparent)]
    NotAdmitted(#[from] NotAdmitted),
    /// The portal rejected it, now or before, or its outcome is unknown.
    #[error(transparent)]
    Send(#[from] SendError),
}

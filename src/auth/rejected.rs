//! Why a call is not authenticated.

use thiserror::Error;

/// Why a credential was rejected. Callers see the texts, so they reveal nothing else.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum Rejected {
    #[error("the call has no credential; send the header `authorization: Bearer <API key>`")]
    Missing,
    #[error("the authorization header does not have the form `Bearer <API key>`")]
    Malformed,
    /// No key has this id, or the secret is wrong.
    #[error("the API key is unknown")]
    Unknown,
    #[error("the call has more than one authorization header; send exactly one")]
    DuplicateHeader,
}

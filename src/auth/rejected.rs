//! Why a call has no proven caller.

use thiserror::Error;

/// Why the credential of a call was not accepted. The texts are for the caller and say no more than
/// the caller knows.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum Rejected {
    /// The call has no `authorization` header.
    #[error("the call has no credential; send the header `authorization: Bearer <API key>`")]
    Missing,
    /// The header is not `Bearer` and one well-formed key.
    #[error("the authorization header has not the form `Bearer <API key>`")]
    Malformed,
    /// No such key, or another secret than the key of this id has.
    #[error("the API key is not known here")]
    Unknown,
    /// More than one `authorization` header.
    #[error("the call has more than one authorization header; send exactly one")]
    DuplicateHeader,
}

//! Why a call is not authenticated.

use thiserror::Error;

use super::flaw::Flaw;

/// Why a credential was rejected. Callers see the texts, so they reveal nothing else: what concerns
/// a token's claims is said only after its signature was verified.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum Rejected {
    #[error("the call has no credential; send the header `authorization: Bearer <API key or JWT>`")]
    Missing,
    #[error(
        "the call has no authorization header, and the service reads no other one; send the API key \
         as `authorization: Bearer <API key>`"
    )]
    OtherHeader,
    #[error("the authorization header does not have the form `Bearer <API key or JWT>`: {0}")]
    Malformed(Flaw),
    /// No key has this id, or the secret is wrong.
    #[error("the API key is unknown")]
    Unknown,
    #[error("the API key has expired")]
    KeyExpired,
    #[error("the call has more than one authorization header; send exactly one")]
    DuplicateHeader,
    #[error(
        "the token is not accepted: its issuer, its algorithm or its signature is not one that the \
         service accepts"
    )]
    TokenNotAccepted,
    /// The issuer's current set of keys has no such key. `Callers::renewal` may change that.
    #[error("the token is signed with a key that is not in its issuer's set of keys")]
    SigningKeyUnknown,
    /// The issuer's set of keys was never loaded, or could not be when the token needed it.
    /// `Callers::renewal` may change that.
    #[error("the token cannot be verified now, because its issuer's set of keys cannot be loaded")]
    KeySetUnavailable,
    #[error("the token has expired; send a new one with each call")]
    TokenExpired,
    #[error("the token is not valid yet")]
    TokenNotYetValid,
    #[error("the token is for another audience")]
    WrongAudience,
    #[error(
        "the token lacks a claim that it must have: iss, aud, exp and the one that names the caller"
    )]
    ClaimMissing,
    #[error("the token is valid, but no caller of the service has its subject")]
    SubjectUnknown,
    #[error(
        "the call has no authorization header, and its client certificate belongs to no caller"
    )]
    CertificateUnknown,
    #[error("the client certificate has expired")]
    CertificateExpired,
}

impl Rejected {
    /// Whether the credential can be judged later, by a newer set of keys.
    pub(crate) fn may_change(self) -> bool {
        matches!(self, Self::SigningKeyUnknown | Self::KeySetUnavailable)
    }
}

impl Rejected {
    /// Its word in metrics and in the log.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Missing | Self::OtherHeader => "missing",
            Self::Malformed(_) => "malformed",
            Self::Unknown => "unknown",
            Self::KeyExpired => "key_expired",
            Self::DuplicateHeader => "duplicate_header",
            Self::TokenNotAccepted => "token_not_accepted",
            Self::SigningKeyUnknown => "signing_key_unknown",
            Self::KeySetUnavailable => "key_set_unavailable",
            Self::TokenExpired => "token_expired",
            Self::TokenNotYetValid => "token_not_yet_valid",
            Self::WrongAudience => "wrong_audience",
            Self::ClaimMissing => "claim_missing",
            Self::SubjectUnknown => "subject_unknown",
            Self::CertificateUnknown => "certificate_unknown",
            Self::CertificateExpired => "certificate_expired",
        }
    }
}

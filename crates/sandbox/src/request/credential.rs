//! The credential that a request presents.

use std::hash::{DefaultHasher, Hash, Hasher};

use secrecy::{ExposeSecret, SecretString};

use crate::record::AuthKind;

/// The credential that a request presents.
#[derive(Clone, Debug)]
pub(crate) enum Credential {
    /// `/rest/{user}/{secret}/…`
    Webhook {
        user_id: i64,
        secret: SecretString,
    },
    /// The parameter `auth`, or the header `Authorization: Bearer`.
    Token(SecretString),
    /// The cookie of a logged-in browser.
    Session(SecretString),
    None,
}

impl Credential {
    pub(crate) fn kind(&self) -> AuthKind {
        match self {
            Self::Webhook { .. } => AuthKind::Webhook,
            Self::Token(_) => AuthKind::Application,
            Self::Session(_) => AuthKind::Session,
            Self::None => AuthKind::None,
        }
    }

    /// The secret in it.
    pub(crate) fn secret(&self) -> Option<&SecretString> {
        match self {
            Self::Webhook { secret, .. } | Self::Token(secret) | Self::Session(secret) => {
                Some(secret)
            }
            Self::None => None,
        }
    }

    /// A number that identifies the credential without revealing it.
    pub(crate) fn fingerprint(&self) -> u64 {
        let (user_id, secret) = match self {
            Self::Webhook { user_id, secret } => (*user_id, secret.expose_secret()),
            Self::Token(secret) | Self::Session(secret) => (0, secret.expose_secret()),
            Self::None => (0, ""),
        };
        fingerprint((user_id, secret))
    }
}

/// A number that stands for a value in this process.
pub(crate) fn fingerprint(value: impl Hash) -> u64 {
    let mut hasher = DefaultHasher::new();
    value.hash(&mut hasher);
    hasher.finish()
}

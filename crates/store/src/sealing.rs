//! Sealing: how secrets lie in the store.
//!
//! A sealed value is, byte by byte: version 1, the key's id (12 characters), a random nonce of 24 bytes, and the secret
//! encrypted and authenticated with XChaCha20-Poly1305. Tenant and field are authenticated with it, so that a value
//! that was copied to another place does not open there.

mod key;
mod keyring;

use chacha20poly1305::XNonce;
use chacha20poly1305::aead::{Aead, Payload};
use rand::TryRng;
use rand::rngs::{SysError, SysRng};
use secrecy::{ExposeSecret, SecretString};
use thiserror::Error;

use bitrix24::TenantId;
pub use key::{Key, KeyId, MalformedKey};
pub use keyring::{InvalidKeyring, Keyring};

/// The form that is described above.
const VERSION: u8 = 1;

/// Length of the nonce, in bytes: so many that random ones never meet.
const NONCE_LENGTH: usize = 24;

/// What every value is bound to beside its place, so that no other product's value opens here.
const PURPOSE: &str = "bitrix24-openlines sealed secret";

/// Where a secret belongs.
#[derive(Clone, Copy, Debug)]
pub struct Place<'a> {
    /// Whose it is.
    pub tenant: &'a TenantId,
    /// Which of the tenant's secrets it is.
    pub field: Field,
}

/// The secrets that a tenant may have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Field {
    /// The secret part of a webhook.
    WebhookSecret,
    /// An application's secret.
    ClientSecret,
    /// What proves the origin of the portal's events.
    ApplicationToken,
    /// What opens the portal for an hour.
    AccessToken,
    /// What buys the next pair of tokens.
    RefreshToken,
}

/// Why a secret was not sealed.
#[derive(Clone, Copy, Debug, Error)]
pub enum DoesNotSeal {
    /// The operating system has no random numbers to give.
    #[error("the operating system gave no random numbers")]
    Random(#[from] SysError),
    /// It is longer than the cipher takes: 256 GiB.
    #[error("it is too long")]
    TooLong,
}

/// Why a sealed value does not open. Shows nothing of the value.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum DoesNotOpen {
    /// It was sealed with a key that the keyring does not hold.
    #[error("it was sealed with the key {0}, which is not in the keyring")]
    NoKey(KeyId),
    /// It was changed, or it belongs to another tenant or field.
    #[error("it was changed, or belongs to another place")]
    Forged,
    /// It is not of a form that this version knows.
    #[error("it is not of the form that this version knows")]
    Unknown,
}

impl Keyring {
    /// Seals a secret with the first key.
    ///
    /// # Errors
    ///
    /// The operating system has no random numbers to give, above all.
    pub fn seal(&self, secret: &SecretString, place: Place<'_>) -> Result<Vec<u8>, DoesNotSeal> {
        let keys = self.keys();
        let key = keys.first();
        let mut nonce = [0_u8; NONCE_LENGTH];
        SysRng.try_fill_bytes(&mut nonce)?;
        let mut sealed = vec![VERSION];
        sealed.extend_from_slice(key.id().as_str().as_bytes());
        let bound = place.bound_with(&sealed);
        sealed.extend_from_slice(&nonce);
        let payload = Payload {
            msg: secret.expose_secret().as_bytes(),
            aad: &bound,
        };
        let encrypted = key
            .cipher()
            .encrypt(&XNonce::from(nonce), payload)
            .map_err(|_| DoesNotSeal::TooLong)?;
        sealed.extend(encrypted);
        Ok(sealed)
    }

    /// Opens a sealed value.
    ///
    /// # Errors
    ///
    /// The key is missing, or the value is not what was sealed for this place.
    pub fn open(&self, sealed: &[u8], place: Place<'_>) -> Result<SecretString, DoesNotOpen> {
        let parts = Parts::of(sealed).ok_or(DoesNotOpen::Unknown)?;
        let keys = self.keys();
        let Some(key) = keys.by_id(&parts.key) else {
            return Err(DoesNotOpen::NoKey(parts.key));
        };
        let payload = Payload {
            msg: parts.encrypted,
            aad: &place.bound_with(parts.header),
        };
        let opened = key
            .cipher()
            .decrypt(&XNonce::from(parts.nonce), payload)
            .map_err(|_| DoesNotOpen::Forged)?;
        let text = String::from_utf8(opened).map_err(|_| DoesNotOpen::Unknown)?;
        Ok(text.into())
    }

    /// The id of the key that seals.
    pub fn first(&self) -> KeyId {
        self.keys().first().id().clone()
    }

    /// Whether the keyring holds a key.
    pub fn holds(&self, id: &KeyId) -> bool {
        self.keys().by_id(id).is_some()
    }
}

/// A sealed value, taken apart.
struct Parts<'a> {
    header: &'a [u8],
    key: KeyId,
    nonce: [u8; NONCE_LENGTH],
    encrypted: &'a [u8],
}

impl<'a> Parts<'a> {
    fn of(sealed: &'a [u8]) -> Option<Self> {
        let (header, rest) = sealed.split_at_checked(1 + KeyId::LENGTH)?;
        let (version, key) = header.split_first()?;
        let (nonce, encrypted) = rest.split_first_chunk::<NONCE_LENGTH>()?;
        (*version == VERSION).then_some(())?;
        Some(Self {
            header,
            key: KeyId::parse(std::str::from_utf8(key).ok()?)?,
            nonce: *nonce,
            encrypted,
        })
    }
}

impl Place<'_> {
    /// What is authenticated with a value: each part behind its length, so that no two places give the same bytes.
    fn bound_with(&self, header: &[u8]) -> Vec<u8> {
        let mut bound = Vec::new();
        for part in [
            PURPOSE.as_bytes(),
            header,
            self.tenant.as_str().as_bytes(),
            self.field.as_str().as_bytes(),
        ] {
            // Lengths are far below 2^64; a usize that does not fit would not be a memory's.
            let length = u64::try_from(part.len()).unwrap_or(u64::MAX);
            bound.extend_from_slice(&length.to_be_bytes());
            bound.extend_from_slice(part);
        }
        bound
    }
}

impl Field {
    /// The name, which is that of the column too. It is bound into every sealed value: it must never change.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::WebhookSecret => "webhook_secret",
            Self::ClientSecret => "client_secret",
            Self::ApplicationToken => "application_token",
            Self::AccessToken => "access_token",
            Self::RefreshToken => "refresh_token",
        }
    }
}

#[cfg(test)]
mod tests;

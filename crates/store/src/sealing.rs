//! Sealing: secrets are encrypted and bound to their tenant and field.
//!
//! A sealed value consists of: version 1 (a byte), the key's id (12 characters), a random nonce
//! (24 bytes), and the secret encrypted and authenticated with XChaCha20-Poly1305. Tenant and field
//! are authenticated data, so a value that was copied to another row or column does not open.

mod key;
mod keyring;

use chacha20poly1305::XNonce;
use chacha20poly1305::aead::{Aead, Payload};
use rand::TryRng;
use rand::rngs::{SysError, SysRng};
use secrecy::{ExposeSecret, SecretString};
use thiserror::Error;

use bitrix24::TenantId;

use crate::key_text::ID_CHARACTERS;

pub use crate::key_text::KeyId;
pub use key::{Key, MalformedKey};
pub use keyring::{InvalidKeyring, Keyring};

/// The format above.
const VERSION: u8 = 1;

/// Length of the nonce, in bytes: long enough that random nonces do not repeat.
const NONCE_LENGTH: usize = 24;

/// Bound to every value, so values of another product do not open.
const PURPOSE: &str = "bitrix24-openlines sealed secret";

/// The tenant and field that a sealed value is bound to.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Binding<'a> {
    pub(crate) tenant: &'a TenantId,
    pub(crate) field: Field,
}

/// The secrets of a tenant.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Field {
    WebhookSecret,
    ClientSecret,
    ApplicationToken,
    AccessToken,
    RefreshToken,
}

/// Why a secret was not sealed.
#[derive(Clone, Copy, Debug, Error)]
pub enum DoesNotSeal {
    /// The operating system has no random numbers.
    #[error("the operating system has no random numbers")]
    Random(#[from] SysError),
    /// The secret is longer than the cipher's limit of 256 GiB.
    #[error("it is too long")]
    TooLong,
}

/// Why a sealed value does not open. Shows nothing of the value.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum DoesNotOpen {
    /// The keyring does not hold the key that sealed it.
    #[error("it was sealed with the key {0}, which is not in the keyring")]
    NoKey(KeyId),
    /// It was changed, or it belongs to another tenant or field.
    #[error("it was changed, or belongs to another tenant or field")]
    Forged,
    /// Its format is unknown to this version.
    #[error("its format is unknown to this version")]
    Unknown,
}

impl Keyring {
    /// Seals a secret with the first key.
    pub(crate) fn seal(
        &self,
        secret: &SecretString,
        binding: Binding<'_>,
    ) -> Result<Vec<u8>, DoesNotSeal> {
        let keys = self.keys();
        let key = keys.first();
        let mut nonce = [0_u8; NONCE_LENGTH];
        SysRng.try_fill_bytes(&mut nonce)?;
        let mut sealed = vec![VERSION];
        sealed.extend_from_slice(key.id().as_str().as_bytes());
        let bound = binding.bytes(&sealed);
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
    pub(crate) fn open(
        &self,
        sealed: &[u8],
        binding: Binding<'_>,
    ) -> Result<SecretString, DoesNotOpen> {
        let parts = Parts::of(sealed).ok_or(DoesNotOpen::Unknown)?;
        let keys = self.keys();
        let Some(key) = keys.by_id(&parts.key) else {
            return Err(DoesNotOpen::NoKey(parts.key));
        };
        let payload = Payload {
            msg: parts.encrypted,
            aad: &binding.bytes(parts.header),
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

    pub(crate) fn holds(&self, id: &KeyId) -> bool {
        self.keys().by_id(id).is_some()
    }
}

/// The parts of a sealed value.
struct Parts<'a> {
    header: &'a [u8],
    key: KeyId,
    nonce: [u8; NONCE_LENGTH],
    encrypted: &'a [u8],
}

impl<'a> Parts<'a> {
    fn of(sealed: &'a [u8]) -> Option<Self> {
        let (header, rest) = sealed.split_at_checked(1 + ID_CHARACTERS)?;
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

impl Binding<'_> {
    /// The authenticated data: each part after its length, so different parts give different bytes.
    fn bytes(&self, header: &[u8]) -> Vec<u8> {
        let mut bound = Vec::new();
        for part in [
            PURPOSE.as_bytes(),
            header,
            self.tenant.as_str().as_bytes(),
            self.field.as_str().as_bytes(),
        ] {
            // No length in memory exceeds a u64.
            let length = u64::try_from(part.len()).unwrap_or(u64::MAX);
            bound.extend_from_slice(&length.to_be_bytes());
            bound.extend_from_slice(part);
        }
        bound
    }
}

impl Field {
    /// The name of the column. It is bound into every sealed value and must never change.
    pub(crate) fn as_str(self) -> &'static str {
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

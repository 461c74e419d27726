//! Sealing: secrets are encrypted and bound to their tenant and field.
//!
//! A sealed value consists of: its form (a byte), the key's id (12 characters), a random nonce
//! (24 bytes), and the secret encrypted and authenticated with XChaCha20-Poly1305. Authenticated
//! data are tenant, field and, since form 2, the columns that say where the secret goes. A value
//! that was copied to another row or column does not open, nor does one whose tenant got another
//! portal past the service (docs/adr/0041-seals-name-their-destination.md).

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

/// The form above, as the column `sealed_form` has it.
pub(crate) const FORM: i64 = 2;
/// The same as a value has it.
const CURRENT: u8 = 2;
/// The form before, without a destination.
const UNADDRESSED: u8 = 1;

/// Length of the nonce, in bytes: long enough that random nonces do not repeat.
const NONCE_LENGTH: usize = 24;

/// Bound to every value, so values of another product do not open.
const PURPOSE: &str = "bitrix24-openlines sealed secret";

/// The tenant, field and destination that a sealed value is bound to.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Binding<'a> {
    pub(crate) tenant: &'a TenantId,
    pub(crate) field: Field,
    pub(crate) destination: Destination<'a>,
}

/// The columns of a tenant that decide where its secrets go, and which of them are used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Destination<'a> {
    pub(crate) portal: &'a str,
    pub(crate) member_id: Option<&'a str>,
    pub(crate) credentials: &'a str,
    pub(crate) webhook_user_id: Option<i64>,
    pub(crate) client_id: Option<&'a str>,
    pub(crate) authorization_server: Option<&'a str>,
}

/// The forms of sealed values that open.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Forms {
    /// Only the current one.
    Current,
    /// Those of earlier versions too. Only for re-sealing: they say nothing of the destination.
    All,
}

/// The secrets of a tenant.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Field {
    WebhookSecret,
    ClientSecret,
    ApplicationToken,
    AccessToken,
    RefreshToken,
    /// No secret: proves that the service wrote the row.
    Witness,
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
    /// It was changed, or it belongs to another tenant, field or destination.
    #[error(
        "it was changed, or belongs to another tenant, field, portal, application or authorization server"
    )]
    Forged,
    /// An earlier version sealed it, without its destination.
    #[error("an earlier version sealed it; a start of the service re-seals it")]
    Unaddressed,
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
        let mut sealed = vec![CURRENT];
        sealed.extend_from_slice(key.id().as_str().as_bytes());
        let bound = binding.bytes(CURRENT, &sealed);
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
        forms: Forms,
    ) -> Result<SecretString, DoesNotOpen> {
        let parts = Parts::of(sealed).ok_or(DoesNotOpen::Unknown)?;
        if parts.form == UNADDRESSED && forms == Forms::Current {
            return Err(DoesNotOpen::Unaddressed);
        }
        let keys = self.keys();
        let Some(key) = keys.by_id(&parts.key) else {
            return Err(DoesNotOpen::NoKey(parts.key));
        };
        let payload = Payload {
            msg: parts.encrypted,
            aad: &binding.bytes(parts.form, parts.header),
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

    /// Whether it has the key with this id.
    pub fn holds(&self, id: &KeyId) -> bool {
        self.keys().by_id(id).is_some()
    }
}

/// The parts of a sealed value.
struct Parts<'a> {
    form: u8,
    header: &'a [u8],
    key: KeyId,
    nonce: [u8; NONCE_LENGTH],
    encrypted: &'a [u8],
}

impl<'a> Parts<'a> {
    fn of(sealed: &'a [u8]) -> Option<Self> {
        let (header, rest) = sealed.split_at_checked(1 + ID_CHARACTERS)?;
        let (&form, key) = header.split_first()?;
        let (nonce, encrypted) = rest.split_first_chunk::<NONCE_LENGTH>()?;
        [UNADDRESSED, CURRENT].contains(&form).then_some(())?;
        Some(Self {
            form,
            header,
            key: KeyId::parse(std::str::from_utf8(key).ok()?)?,
            nonce: *nonce,
            encrypted,
        })
    }
}

impl Binding<'_> {
    /// The authenticated data: each part after its length, so different parts give different bytes.
    /// A part that is missing has the length of none.
    fn bytes(&self, form: u8, header: &[u8]) -> Vec<u8> {
        let Self {
            tenant,
            field,
            destination,
        } = self;
        let mut parts = vec![
            Some(PURPOSE.as_bytes()),
            Some(header),
            Some(tenant.as_str().as_bytes()),
            Some(field.as_str().as_bytes()),
        ];
        let Destination {
            portal,
            member_id,
            credentials,
            webhook_user_id,
            client_id,
            authorization_server,
        } = destination;
        let user_id = webhook_user_id.map(i64::to_be_bytes);
        if form != UNADDRESSED {
            parts.extend([
                Some(portal.as_bytes()),
                member_id.map(str::as_bytes),
                Some(credentials.as_bytes()),
                user_id.as_ref().map(<[u8; 8]>::as_slice),
                client_id.map(str::as_bytes),
                authorization_server.map(str::as_bytes),
            ]);
        }
        let mut bound = Vec::new();
        for part in parts {
            let length = part.map_or(u64::MAX, |part| {
                // No length in memory exceeds a u64.
                u64::try_from(part.len()).unwrap_or(u64::MAX)
            });
            bound.extend_from_slice(&length.to_be_bytes());
            bound.extend_from_slice(part.unwrap_or_default());
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
            Self::Witness => "witness",
        }
    }
}

#[cfg(test)]
mod tests;

//! Fingerprints detect changed entries of the tenants file.
//!
//! Refreshes change the tokens in the store but not in the file, so an entry is compared with the
//! entry that was applied last. One half of the fingerprint covers the tokens, the other half the
//! rest, so a changed name does not bring back used tokens.
//!
//! A fingerprint does not reveal the secrets, which have far more than 100 random bits.

use secrecy::{ExposeSecret, SecretString};
use sha2::{Digest, Sha256};

use bitrix24::Plan;
use bitrix24::{ClientId, MemberId};
use store::{StoredCredentials, StoredTenant};

/// Bytes for the tokens.
const TOKENS: usize = 16;

pub(super) fn fingerprint(tenant: &StoredTenant) -> [u8; 32] {
    let mut tokens = Fields::default();
    let mut rest = Fields::default();
    rest.text(tenant.id.as_str());
    rest.text(&tenant.display_name);
    rest.text(&tenant.portal);
    rest.optional(tenant.member_id.as_ref().map(MemberId::as_str));
    match &tenant.credentials {
        StoredCredentials::Webhook { user_id, secret } => {
            rest.text("webhook");
            rest.text(&user_id.to_string());
            rest.text(secret.expose_secret());
        }
        StoredCredentials::Application(application) => {
            rest.text("application");
            rest.optional(application.authorization_server.as_deref());
            rest.secret(&application.client_secret);
            rest.secret(&application.application_token);
            tokens.optional(application.client_id.as_ref().map(ClientId::as_str));
            tokens.secret(&application.access_token);
            tokens.secret(&application.refresh_token);
        }
    }
    // Only if set, so that entries from before plans existed keep their fingerprints.
    if let Some(plan) = tenant.plan {
        rest.text("plan");
        match plan {
            Plan::Own(own) => {
                rest.text(&own.burst.to_string());
                rest.text(&own.per_second.to_string());
            }
            Plan::Standard | Plan::Enterprise | Plan::Unlimited => rest.optional(plan.name()),
        }
    }
    let (tokens, rest) = (tokens.digest.finalize(), rest.digest.finalize());
    let mut bytes = tokens.iter().take(TOKENS).chain(&rest);
    std::array::from_fn(|_| bytes.next().copied().unwrap_or_default())
}

/// Whether two entries have the same tokens.
pub(in crate::tenant) fn same_tokens(one: Option<[u8; 32]>, other: Option<[u8; 32]>) -> bool {
    let half = |fingerprint: [u8; 32]| fingerprint.first_chunk::<TOKENS>().copied();
    one.is_some() && one.and_then(half) == other.and_then(half)
}

/// Hashes each field with its length, so that fields cannot run into each other.
#[derive(Default)]
struct Fields {
    digest: Sha256,
}

impl Fields {
    fn text(&mut self, text: &str) {
        self.optional(Some(text));
    }

    fn secret(&mut self, secret: &Option<SecretString>) {
        self.optional(secret.as_ref().map(SecretString::expose_secret));
    }

    fn optional(&mut self, text: Option<&str>) {
        let length = text.map_or(u64::MAX, |text| {
            u64::try_from(text.len()).unwrap_or(u64::MAX)
        });
        self.digest.update(length.to_be_bytes());
        self.digest.update(text.unwrap_or_default());
    }
}

//! The callers at one moment, found by what they show. A changed callers file makes a new one.

use std::collections::HashMap;
use std::sync::Arc;

use foldhash::fast::RandomState;
use moka::sync::Cache;
use sha2::{Digest, Sha256};

use super::api_key::ApiKey;
use super::caller::{Caller, Credential, Identity, Rights};
use super::expiry::Moment;
use super::issuer::Verified;
use super::key_entry::KeyHash;
use super::peer_certificate::PeerCertificate;
use super::rejected::Rejected;
use super::settings::ConfiguredCaller;
use store::key_text::KeyId;

#[derive(Debug)]
pub(super) struct Registry {
    /// Tells it from those before and after.
    number: u64,
    keys: HashMap<KeyId, Registered>,
    /// By issuer, then by the claim that names the caller.
    subjects: HashMap<Arc<str>, HashMap<Box<str>, Arc<Identity>>>,
    certificates: HashMap<Arc<str>, Arc<Identity>>,
    /// Tokens that were verified: a repeated one costs a hash. A new registry starts without.
    tokens: Cache<TokenHash, Proof, RandomState>,
}

/// The SHA-256 of a token, all that is kept of it.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct TokenHash([u8; 32]);

/// A caller that a header has proved, and for how long.
#[derive(Clone, Debug)]
pub(super) struct Proof {
    pub(super) caller: Caller,
    ends: Option<Moment>,
    /// The place of a token's issuer among the configured ones, and the set of keys that the token
    /// was verified with.
    issuer: Option<(usize, u64)>,
}

#[derive(Debug)]
struct Registered {
    hash: KeyHash,
    ends: Option<Moment>,
    identity: Arc<Identity>,
}

impl Registry {
    /// Enters the callers. Keeps at most `maximum_tokens` verified tokens.
    pub(super) fn new(callers: &[ConfiguredCaller], maximum_tokens: u64, number: u64) -> Self {
        let tokens = Cache::builder().max_capacity(maximum_tokens);
        let mut registry = Self {
            number,
            keys: HashMap::new(),
            subjects: HashMap::new(),
            certificates: HashMap::new(),
            tokens: tokens.build_with_hasher(RandomState::default()),
        };
        for caller in callers {
            registry.enter(caller);
        }
        registry
    }

    pub(super) fn number(&self) -> u64 {
        self.number
    }

    fn enter(&mut self, caller: &ConfiguredCaller) {
        let rights = Arc::new(Rights {
            name: caller.name.as_str().into(),
            grants: caller.grants.clone(),
            methods: caller.methods.clone(),
            manages_tenants: caller.manages_tenants,
        });
        let identity = |credential| {
            let rights = Arc::clone(&rights);
            Arc::new(Identity { rights, credential })
        };
        for key in &caller.keys {
            let id = key.entry.id().clone();
            let registered = Registered {
                hash: key.entry.hash().clone(),
                ends: key.expires,
                identity: identity(Credential::ApiKey(id.clone())),
            };
            self.keys.insert(id, registered);
        }
        for token in &caller.tokens {
            let subjects = self.subjects.entry(Arc::clone(&token.issuer)).or_default();
            let identity = identity(Credential::Token(Arc::clone(&token.issuer)));
            subjects.insert(token.subject.clone(), identity);
        }
        for uri in &caller.certificates {
            let identity = identity(Credential::Certificate(Arc::clone(uri)));
            self.certificates.insert(Arc::clone(uri), identity);
        }
    }

    pub(super) fn by_key(&self, key: &ApiKey<'_>, now: Moment) -> Result<Proof, Rejected> {
        match self.keys.get(key.id()) {
            Some(found) if !found.hash.matches(key) => Err(Rejected::Unknown),
            Some(found) if found.ends.is_some_and(|ends| !ends.is_after(now)) => {
                Err(Rejected::KeyExpired)
            }
            Some(found) => Ok(Proof {
                caller: Caller::prove(Arc::clone(&found.identity)),
                ends: found.ends,
                issuer: None,
            }),
            None => Err(Rejected::Unknown),
        }
    }

    pub(super) fn by_certificate(
        &self,
        certificate: &PeerCertificate,
        now: Moment,
    ) -> Result<Caller, Rejected> {
        let identity = certificate.uri().and_then(|uri| self.certificates.get(uri));
        let identity = identity.ok_or(Rejected::CertificateUnknown)?;
        if !certificate.ends().is_after(now) {
            return Err(Rejected::CertificateExpired);
        }
        Ok(Caller::prove(Arc::clone(identity)))
    }

    /// The caller of a token that was verified before, with a set of keys that is still the one of
    /// its issuer.
    pub(super) fn by_known_token(
        &self,
        hash: TokenHash,
        now: Moment,
        generation: impl Fn(usize) -> Option<u64>,
    ) -> Option<Proof> {
        let found = self.tokens.get(&hash)?;
        found.stands(now, generation).then_some(found)
    }

    /// The caller of a token that was verified now.
    pub(super) fn by_token(
        &self,
        hash: TokenHash,
        (place, issuer): (usize, &str),
        verified: &Verified,
    ) -> Result<Proof, Rejected> {
        let subjects = self.subjects.get(issuer);
        let identity = subjects.and_then(|subjects| subjects.get(&verified.subject));
        let identity = identity.ok_or(Rejected::SubjectUnknown)?;
        let proof = Proof {
            caller: Caller::prove(Arc::clone(identity)),
            ends: Some(verified.ends),
            issuer: Some((place, verified.generation)),
        };
        self.tokens.insert(hash, proof.clone());
        Ok(proof)
    }
}

impl Proof {
    /// Whether it has not ended, and its issuer has the same keys.
    pub(super) fn stands(&self, now: Moment, generation: impl Fn(usize) -> Option<u64>) -> bool {
        let has_keys = |(place, verified): (usize, u64)| generation(place) == Some(verified);
        self.issuer.is_none_or(has_keys) && self.ends.is_none_or(|ends| ends.is_after(now))
    }
}

impl TokenHash {
    pub(super) fn of(token: &str) -> Self {
        Self(Sha256::digest(token.as_bytes()).into())
    }
}

impl std::fmt::Debug for TokenHash {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("TokenHash([redacted])")
    }
}

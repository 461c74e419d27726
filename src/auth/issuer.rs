//! An issuer of JWTs, and the verification of its tokens.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use arc_swap::ArcSwapOption;
use jsonwebtoken::errors::ErrorKind;
use jsonwebtoken::{Algorithm, Validation};
use serde::Deserialize;
use serde_json::{Map, Value};
use tokio::sync::{Notify, watch};

use super::expiry::Moment;
use super::key_set::{Found, KeySet};
use super::rejected::Rejected;
use super::settings::{ConfiguredIssuer, KeySource};

/// An issuer with its current set of keys.
pub(super) struct Issuer {
    name: Arc<str>,
    /// The claim that names the caller.
    claim: String,
    skew: i64,
    /// What tokens are checked against, for each algorithm that is accepted.
    accepted: Vec<(Algorithm, Validation)>,
    keys: ArcSwapOption<KeySet>,
    /// Counts the changes of the set, so that tokens verified with an older one are verified again.
    generation: AtomicU64,
    has_failed: AtomicBool,
    /// Whether a token can make the set be loaded.
    is_fetched: bool,
    demand: Notify,
    attempts: watch::Sender<u64>,
}

/// A token whose signature and claims are right.
pub(super) struct Verified {
    /// The claim that names the caller.
    pub(super) subject: Box<str>,
    /// When it ends, clock skew included.
    pub(super) ends: Moment,
    /// The set of keys that it was verified with.
    pub(super) generation: u64,
}

/// The claim that chooses the issuer. Nothing else is read before the signature is verified.
#[derive(Deserialize)]
struct Unverified {
    iss: String,
}

/// The issuer that a token names, without any proof.
pub(super) fn named_in(token: &str) -> Option<String> {
    let claims = jsonwebtoken::dangerous::insecure_decode_claims::<Unverified>(token);
    claims.ok().map(|claims| claims.iss)
}

impl Issuer {
    pub(super) fn new(settings: &ConfiguredIssuer, skew_seconds: u64) -> Self {
        let validation = |algorithm: Algorithm| {
            let mut validation = Validation::new(algorithm);
            validation.leeway = skew_seconds;
            validation.validate_nbf = true;
            validation.set_issuer(&[&settings.issuer]);
            validation.set_audience(&settings.audiences);
            validation.set_required_spec_claims(&["exp", "iss", "aud"]);
            (algorithm, validation)
        };
        let is_fetched = matches!(settings.source, KeySource::Url(_));
        Self {
            name: Arc::clone(&settings.issuer),
            claim: settings.claim.clone(),
            skew: i64::try_from(skew_seconds).unwrap_or(0),
            accepted: settings
                .algorithms
                .iter()
                .copied()
                .map(validation)
                .collect(),
            keys: ArcSwapOption::from(settings.keys.clone().map(Arc::new)),
            generation: AtomicU64::new(0),
            has_failed: AtomicBool::new(false),
            is_fetched,
            demand: Notify::new(),
            attempts: watch::Sender::new(0),
        }
    }

    pub(super) fn name(&self) -> &Arc<str> {
        &self.name
    }

    pub(super) fn generation(&self) -> u64 {
        self.generation.load(Ordering::Acquire)
    }

    /// Verifies a token that names this issuer.
    pub(super) fn verify(&self, token: &str) -> Result<Verified, Rejected> {
        let header = jsonwebtoken::decode_header(token).map_err(|_| Rejected::TokenNotAccepted)?;
        let accepted = self.accepted.iter().find(|(one, _)| *one == header.alg);
        let (algorithm, validation) = accepted.ok_or(Rejected::TokenNotAccepted)?;
        // Read before the set: a change in between makes the token be verified again.
        let generation = self.generation();
        let keys = self.keys.load();
        let keys = keys.as_ref().ok_or(Rejected::KeySetUnavailable)?;
        let key = match keys.find(header.kid.as_deref(), *algorithm) {
            Found::Key(key) => key,
            Found::OtherAlgorithm => return Err(Rejected::TokenNotAccepted),
            Found::Nothing if self.has_failed.load(Ordering::Acquire) => {
                return Err(Rejected::KeySetUnavailable);
            }
            Found::Nothing => return Err(Rejected::SigningKeyUnknown),
        };
        let decoded = jsonwebtoken::decode::<Map<String, Value>>(token, key, validation);
        let claims = decoded.map_err(|error| rejected(error.kind()))?.claims;
        let subject = claims.get(&self.claim).and_then(Value::as_str);
        let subject = subject.filter(|subject| !subject.is_empty());
        // Verified above; a value that is not a whole number ends at once.
        let ends = claims.get("exp").and_then(Value::as_i64).unwrap_or(0);
        Ok(Verified {
            subject: subject.ok_or(Rejected::ClaimMissing)?.into(),
            ends: Moment(ends.saturating_add(self.skew)),
            generation,
        })
    }

    /// Takes over a set of keys. Returns whether it differs from the one before.
    pub(super) fn replace(&self, keys: KeySet) -> bool {
        self.has_failed.store(false, Ordering::Release);
        let current = self.keys.load();
        if current
            .as_ref()
            .is_some_and(|current| current.is_same(&keys))
        {
            return false;
        }
        self.keys.store(Some(Arc::new(keys)));
        self.generation.fetch_add(1, Ordering::AcqRel);
        true
    }

    /// The set could not be loaded; the one before stays.
    pub(super) fn note_failure(&self) {
        self.has_failed.store(true, Ordering::Release);
    }

    /// Completes when a token has asked for a newer set.
    pub(super) async fn demanded(&self) {
        self.demand.notified().await;
    }

    /// An attempt to load the set has ended.
    pub(super) fn note_attempt(&self) {
        self.attempts.send_modify(|attempts| *attempts += 1);
    }

    /// Asks for a newer set, and waits until the next attempt to load it has ended. `None` if the
    /// set comes from a file.
    pub(super) fn renewal(self: Arc<Self>) -> Option<impl Future<Output = ()> + Send + 'static> {
        if !self.is_fetched {
            return None;
        }
        let mut attempts = self.attempts.subscribe();
        Some(async move {
            self.demand.notify_one();
            // The sender lives as long as the issuer.
            let _ = attempts.changed().await;
        })
    }
}

/// What the holder of a token may be told. The claims are judged after the signature.
fn rejected(kind: &ErrorKind) -> Rejected {
    let is_incomplete = matches!(
        kind,
        ErrorKind::MissingRequiredClaim(_) | ErrorKind::InvalidClaimFormat(_)
    );
    if is_incomplete {
        Rejected::ClaimMissing
    } else if matches!(kind, ErrorKind::ExpiredSignature) {
        Rejected::TokenExpired
    } else if matches!(kind, ErrorKind::ImmatureSignature) {
        Rejected::TokenNotYetValid
    } else if matches!(kind, ErrorKind::InvalidAudience) {
        Rejected::WrongAudience
    } else {
        Rejected::TokenNotAccepted
    }
}

impl fmt::Debug for Issuer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Issuer")
            .field("name", &self.name)
            .field("keys", &self.keys.load().as_deref())
            .finish_non_exhaustive()
    }
}

//! An issuer's set of public keys (JWKS, RFC 7517).

use std::fmt;

use jsonwebtoken::jwk::{AlgorithmParameters, EllipticCurve, Jwk, KeyOperations, PublicKeyUse};
use jsonwebtoken::{Algorithm, DecodingKey};
use serde_json::Value;
use thiserror::Error;

/// Most keys of a set. Issuers publish one to five.
const MAXIMUM_KEYS: usize = 100;

const RSA: &[Algorithm] = &[
    Algorithm::RS256,
    Algorithm::RS384,
    Algorithm::RS512,
    Algorithm::PS256,
    Algorithm::PS384,
    Algorithm::PS512,
];

/// The keys of a set that can verify the signature of a token. Keys of other kinds are left out:
/// symmetric ones above all, which anyone who can read them could sign with.
#[derive(Clone)]
pub(crate) struct KeySet {
    keys: Vec<Key>,
    /// What the set was made of, to notice a change.
    source: Vec<Value>,
}

#[derive(Clone)]
struct Key {
    id: Option<Box<str>>,
    algorithms: Vec<Algorithm>,
    decoding: DecodingKey,
}

/// A document is not a usable set of keys.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub(crate) enum InvalidKeySet {
    #[error("is not a JSON object with the list `keys`")]
    Form,
    #[error("has more than {MAXIMUM_KEYS} keys")]
    TooMany,
    #[error("has no key that can verify a signature with RS256, ES256, EdDSA or their like")]
    NoKey,
}

/// What a set has for a token.
pub(super) enum Found<'a> {
    Key(&'a DecodingKey),
    /// The set has this key, and the token's algorithm is not the key's.
    OtherAlgorithm,
    Nothing,
}

impl KeySet {
    /// Reads a set.
    ///
    /// # Errors
    ///
    /// The document is not a set, is too large, or has no usable key.
    pub(crate) fn parse(document: &[u8]) -> Result<Self, InvalidKeySet> {
        let document: Value = serde_json::from_slice(document).map_err(|_| InvalidKeySet::Form)?;
        let Some(source) = document.get("keys").and_then(Value::as_array) else {
            return Err(InvalidKeySet::Form);
        };
        if source.len() > MAXIMUM_KEYS {
            return Err(InvalidKeySet::TooMany);
        }
        let keys: Vec<Key> = source.iter().filter_map(Key::read).collect();
        if keys.is_empty() {
            return Err(InvalidKeySet::NoKey);
        }
        let source = source.clone();
        Ok(Self { keys, source })
    }

    /// The number of usable keys.
    pub(super) fn len(&self) -> usize {
        self.keys.len()
    }

    /// Whether another set was made of the same keys.
    pub(super) fn is_same(&self, other: &Self) -> bool {
        self.source == other.source
    }

    /// The key for a token with this `kid` and `alg`. A token without `kid` fits if only one key
    /// has its algorithm.
    pub(super) fn find(&self, id: Option<&str>, algorithm: Algorithm) -> Found<'_> {
        let has_id = |key: &&Key| id.is_none() || key.id.as_deref() == id;
        let mut candidates = self.keys.iter().filter(has_id).peekable();
        if candidates.peek().is_none() {
            return Found::Nothing;
        }
        let mut fitting = candidates.filter(|key| key.algorithms.contains(&algorithm));
        match (fitting.next(), fitting.next()) {
            (Some(key), None) => Found::Key(&key.decoding),
            _ => Found::OtherAlgorithm,
        }
    }
}

impl Key {
    /// `None` for a key that is of another kind or for another use.
    fn read(value: &Value) -> Option<Self> {
        let jwk: Jwk = serde_json::from_value(value.clone()).ok()?;
        let common = &jwk.common;
        if !matches!(common.public_key_use, None | Some(PublicKeyUse::Signature)) {
            return None;
        }
        let operations = common.key_operations.as_ref();
        if operations.is_some_and(|operations| !operations.contains(&KeyOperations::Verify)) {
            return None;
        }
        let possible = algorithms(&jwk.algorithm);
        let algorithms: Vec<Algorithm> = match common.key_algorithm {
            None => possible.to_vec(),
            Some(named) => {
                let named = Algorithm::try_from(named).ok()?;
                possible
                    .iter()
                    .copied()
                    .filter(|one| *one == named)
                    .collect()
            }
        };
        if algorithms.is_empty() {
            return None;
        }
        Some(Self {
            id: common.key_id.as_deref().map(Into::into),
            algorithms,
            decoding: DecodingKey::from_jwk(&jwk).ok()?,
        })
    }
}

/// The algorithms of a kind of key; none for a symmetric or an unknown one.
fn algorithms(parameters: &AlgorithmParameters) -> &'static [Algorithm] {
    if let AlgorithmParameters::RSA(_) = parameters {
        return RSA;
    }
    let curve = match parameters {
        AlgorithmParameters::EllipticCurve(key) => &key.curve,
        AlgorithmParameters::OctetKeyPair(key) => &key.curve,
        AlgorithmParameters::RSA(_)
        | AlgorithmParameters::OctetKey(_)
        | AlgorithmParameters::Other(_)
        | _ => return &[],
    };
    // A curve that does not fit the kind of key gives a key that verifies nothing.
    if *curve == EllipticCurve::P256 {
        &[Algorithm::ES256]
    } else if *curve == EllipticCurve::P384 {
        &[Algorithm::ES384]
    } else if *curve == EllipticCurve::Ed25519 {
        &[Algorithm::EdDSA]
    } else {
        &[]
    }
}

impl fmt::Debug for KeySet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "KeySet({} keys)", self.keys.len())
    }
}

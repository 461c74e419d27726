//! Keys that sign JWTs, as an issuer has them. The unit tests of `auth` use this file, too.

use std::time::{SystemTime, UNIX_EPOCH};

use base64::Engine;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use jsonwebtoken::jwk::Jwk;
use jsonwebtoken::{Algorithm, DecodingKey, EncodingKey};
use rcgen::{KeyPair, PublicKeyData, SigningKey};
use serde_json::{Value, json};

pub(crate) const ISSUER: &str = "https://kubernetes.default.svc.cluster.local";
pub(crate) const AUDIENCE: &str = "openlines";
pub(crate) const SUBJECT: &str = "system:serviceaccount:shop:sender";

/// A private key with its name in the set of keys.
pub(crate) struct Signer {
    pub(crate) id: String,
    algorithm: Algorithm,
    key: KeyPair,
}

impl Signer {
    /// What Kubernetes signs with.
    pub(crate) fn rs256(id: &str) -> Self {
        Self::generate(id, Algorithm::RS256, &rcgen::PKCS_RSA_SHA256)
    }

    pub(crate) fn es256(id: &str) -> Self {
        Self::generate(id, Algorithm::ES256, &rcgen::PKCS_ECDSA_P256_SHA256)
    }

    pub(crate) fn ed_dsa(id: &str) -> Self {
        Self::generate(id, Algorithm::EdDSA, &rcgen::PKCS_ED25519)
    }

    fn generate(id: &str, algorithm: Algorithm, kind: &'static rcgen::SignatureAlgorithm) -> Self {
        Self {
            id: id.to_owned(),
            algorithm,
            key: KeyPair::generate_for(kind).unwrap(),
        }
    }

    /// The public key, as the issuer publishes it.
    pub(crate) fn jwk(&self) -> Value {
        let mut jwk = if self.algorithm == Algorithm::EdDSA {
            let key = BASE64_URL_SAFE_NO_PAD.encode(self.key.der_bytes());
            json!({"kty": "OKP", "crv": "Ed25519", "x": key, "alg": "EdDSA"})
        } else {
            let jwk = if self.algorithm == Algorithm::RS256 {
                let key = DecodingKey::from_rsa_der(self.key.der_bytes());
                Jwk::from_decoding_key(&key, Some(self.algorithm))
            } else {
                Jwk::from_encoding_key(&self.encoding_key(), self.algorithm)
            };
            serde_json::to_value(jwk.unwrap()).unwrap()
        };
        jwk["kid"] = json!(self.id);
        jwk["use"] = json!("sig");
        jwk
    }

    pub(crate) fn token(&self, claims: &Value) -> String {
        let header = json!({"alg": format!("{:?}", self.algorithm), "typ": "JWT", "kid": self.id});
        self.token_with(&header, claims)
    }

    /// A token with this header, which may lie.
    pub(crate) fn token_with(&self, header: &Value, claims: &Value) -> String {
        let message = format!("{}.{}", encoded(header), encoded(claims));
        let signature = if self.algorithm == Algorithm::ES256 {
            let key = self.encoding_key();
            jsonwebtoken::crypto::sign(message.as_bytes(), &key, self.algorithm).unwrap()
        } else {
            let signature = self.key.sign(message.as_bytes()).unwrap();
            BASE64_URL_SAFE_NO_PAD.encode(signature)
        };
        format!("{message}.{signature}")
    }

    fn encoding_key(&self) -> EncodingKey {
        EncodingKey::from_ec_der(&self.key.serialize_der())
    }
}

pub(crate) fn encoded(part: &Value) -> String {
    BASE64_URL_SAFE_NO_PAD.encode(part.to_string())
}

/// A set of keys.
pub(crate) fn key_set(signers: &[&Signer]) -> String {
    let keys: Vec<Value> = signers.iter().map(|signer| signer.jwk()).collect();
    json!({ "keys": keys }).to_string()
}

/// Seconds since 1970.
pub(crate) fn now() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    since.unwrap().as_secs()
}

/// The claims of a projected service-account token, as Kubernetes makes them.
pub(crate) fn claims() -> Value {
    json!({
        "aud": [AUDIENCE],
        "exp": now() + 600,
        "iat": now(),
        "iss": ISSUER,
        "jti": "5a6c1d2b-52c6-4a77-9f9a-0d8f3c1b7c11",
        "kubernetes.io": {
            "namespace": "shop",
            "pod": {"name": "sender-6d9f7c", "uid": "1d0b9f1e-6d0b-4d43-a7b0-4b7d1c2e3f40"},
            "serviceaccount": {"name": "sender", "uid": "0f3f1c5e-3c2b-4f5e-9f7d-2a1b3c4d5e6f"},
        },
        "nbf": now(),
        "sub": SUBJECT,
    })
}

/// These claims with one that differs; `null` leaves it out.
pub(crate) fn claims_with(name: &str, value: Value) -> Value {
    let mut claims = claims();
    let fields = claims.as_object_mut().unwrap();
    if value.is_null() {
        fields.remove(name);
    } else {
        fields.insert(name.to_owned(), value);
    }
    claims
}

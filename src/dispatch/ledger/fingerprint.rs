//! The fingerprint of a request.

use std::fmt;

use sha2::{Digest, Sha256};

use bitrix24::{Method, Parameters};

/// SHA-256 of a request to the portal. Requests with the same idempotency key must have the same
/// fingerprint.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Fingerprint([u8; 32]);

impl Fingerprint {
    pub fn of(method: Method, parameters: &Parameters) -> Self {
        let mut hash = Sha256::new();
        hash.update(method.name());
        // No method's name contains it, so the boundary to the parameters is unambiguous.
        hash.update([0]);
        hash.update(parameters.as_json());
        Self(hash.finalize().into())
    }

    pub(super) fn bytes(self) -> [u8; 32] {
        self.0
    }
}

/// Shows the first bytes.
impl fmt::Debug for Fingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [first, second, third, fourth, ..] = self.0;
        write!(
            f,
            "Fingerprint({first:02x}{second:02x}{third:02x}{fourth:02x}…)"
        )
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn method_and_parameters_tell_requests_apart() {
        let of = |method, json| Fingerprint::of(method, &Parameters::of(&json).unwrap());
        let one = of(Method::AddCrmMessage, json!({"MESSAGE": "a"}));
        assert_eq!(one, of(Method::AddCrmMessage, json!({"MESSAGE": "a"})));
        assert_ne!(one, of(Method::AddCrmMessage, json!({"MESSAGE": "b"})));
        assert_ne!(one, of(Method::AddNetworkMessage, json!({"MESSAGE": "a"})));
    }
}

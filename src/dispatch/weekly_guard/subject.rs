//! The hashes under which recipients and portals are stored.
//!
//! They keep ids of users out of the store's files and backups. They are no secret: who knows
//! tenant, portal, line and user computes the same.

use std::fmt::Write;

use sha2::{Digest, Sha256};

use crate::call::Recipient;
use bitrix24::TenantId;

/// The tenant is a part: one tenant's messages say nothing to another one of the same portal.
pub(super) fn of_recipient(tenant: &TenantId, portal: &str, recipient: &Recipient) -> String {
    let user = recipient.user_id.to_string();
    let parts = [tenant.as_str(), portal, &recipient.line_code, &user];
    of("recipient", &parts)
}

/// A licence is that of a portal, whatever its tenants.
pub(super) fn of_portal(portal: &str) -> String {
    of("portal", &[portal])
}

fn of(kind: &str, parts: &[&str]) -> String {
    let mut hash = Sha256::new();
    hash.update(kind);
    for part in parts {
        // None of them contains it, so their boundaries are unambiguous.
        hash.update([0]);
        hash.update(part);
    }
    let mut text = String::with_capacity(64);
    for byte in hash.finalize() {
        // Writing to a text cannot fail.
        let _ = write!(text, "{byte:02x}");
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn recipient(line_code: &str, user_id: i64) -> Recipient {
        Recipient {
            line_code: line_code.to_owned(),
            user_id,
            is_accepted: |_| true,
        }
    }

    #[test]
    fn tenant_portal_line_and_user_tell_recipients_apart() {
        let tenants = ["acme", "other"].map(|id| TenantId::parse(id).unwrap());
        let mut subjects = Vec::new();
        for tenant in &tenants {
            for portal in ["one.example", "two.example"] {
                subjects.push(of_portal(portal));
                for line in ["a", "b"] {
                    for user in [1, 2] {
                        subjects.push(of_recipient(tenant, portal, &recipient(line, user)));
                    }
                }
            }
        }
        assert!(subjects.iter().all(|subject| subject.len() == 64));
        subjects.sort_unstable();
        subjects.dedup();
        // Of two tenants with two portals, which are the same.
        assert_eq!(subjects.len(), 2 * 2 * 2 * 2 + 2);
    }
}

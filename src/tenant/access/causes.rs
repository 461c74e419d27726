//! Why a tenant needs reauthorization, as far as the service itself finds it out. Other causes are
//! codes of an authorization server.

use std::time::Duration;

use jiff::Timestamp;
use store::Reauthorization;

/// A response of the authorization server was lost, and the new pair with it.
pub(super) const ANSWER_LOST: &str = "answer_lost";
/// A replica ended in the middle of a refresh, and the new pair may have been lost with it.
pub(super) const INTERRUPTED: &str = "refresh_interrupted";
/// The new pair is for another portal.
pub(super) const OTHER_PORTAL: &str = "other_portal";
/// The portal's administrator removed the application.
pub(crate) const UNINSTALLED: &str = "uninstalled";

/// All of these.
pub(crate) const OUR_CAUSES: [&str; 4] = [ANSWER_LOST, INTERRUPTED, OTHER_PORTAL, UNINSTALLED];

/// Codes that only new credentials resolve, like all causes of ours.
const FINAL_CODES: [&str; 2] = ["invalid_grant", "bad_verification_code"];

/// After what time a call tries a refresh although the tenant needs reauthorization, if the cause
/// can go away without new credentials: a bill is paid, a client secret in the settings is
/// corrected.
const RETRY_AFTER: Duration = Duration::from_secs(15 * 60);

/// Whether calls of a tenant that needs reauthorization fail without trying a refresh.
pub(super) fn stands(needed: &Reauthorization) -> bool {
    let age = Timestamp::now().duration_since(needed.since);
    let is_young = Duration::try_from(age).is_ok_and(|age| age < RETRY_AFTER);
    let mut finals = OUR_CAUSES.iter().chain(&FINAL_CODES);
    is_young || finals.any(|cause| needed.cause.eq_ignore_ascii_case(cause))
}

/// Whether calls fail although the access token is valid: its portal does not want them any more.
pub(super) fn is_withdrawn(needed: Option<&Reauthorization>) -> bool {
    needed.is_some_and(|needed| needed.cause == UNINSTALLED)
}

//! The keys of the tenants file, for whoever reads one.

/// The keys of an entry.
pub(crate) const ENTRY: [&str; 6] = [
    "id",
    "display_name",
    "portal",
    "plan",
    "webhook",
    "application",
];

/// The keys of `webhook` in it.
pub(crate) const WEBHOOK: [&str; 2] = ["user_id", "secret"];

/// The keys of `application` in it.
pub(crate) const APPLICATION: [&str; 7] = [
    "client_id",
    "client_secret",
    "authorization_server",
    "member_id",
    "access_token",
    "refresh_token",
    "application_token",
];

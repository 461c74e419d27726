//! Errors that any method may return: the official table, and errors observed besides it.

use crate::switches::StatusTable;

/// An error that any method may return.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SystemError {
    /// Value of `error`.
    pub code: &'static str,
    /// Value of `error_description`; empty where none is known.
    pub description: &'static str,
    /// Status of the official table; for errors outside it the observed one, 400 if unknown.
    pub documented: u16,
    /// Status that live portals return; the documented one where none was observed.
    pub observed: u16,
}

macro_rules! system_errors {
    ($($name:ident: $code:literal $documented:literal $observed:literal $description:literal;)+) => {
        impl SystemError {
            $(
                #[doc = concat!("`", $code, "`: ", $description)]
                pub const $name: Self = Self {
                    code: $code,
                    description: $description,
                    documented: $documented,
                    observed: $observed,
                };
            )+

            /// Every system error: the official table in its order, then those observed besides it.
            pub const ALL: &'static [Self] = &[$(Self::$name,)+];
        }
    };
}

system_errors! {
    INTERNAL_SERVER_ERROR: "INTERNAL_SERVER_ERROR" 500 500 "Internal server error";
    UNEXPECTED_ANSWER: "ERROR_UNEXPECTED_ANSWER" 500 500 "Server returned an unexpected response";
    QUERY_LIMIT_EXCEEDED: "QUERY_LIMIT_EXCEEDED" 503 503 "Too many requests";
    OPERATION_TIME_LIMIT: "OPERATION_TIME_LIMIT" 429 429 "Method is blocked due to operation time limit.";
    BATCH_METHOD_NOT_ALLOWED: "ERROR_BATCH_METHOD_NOT_ALLOWED" 405 405 "Method is not allowed for batch usage";
    BATCH_LENGTH_EXCEEDED: "ERROR_BATCH_LENGTH_EXCEEDED" 400 400 "Max batch length exceeded";
    NO_AUTH_FOUND: "NO_AUTH_FOUND" 401 401 "Wrong authorization data";
    HTTPS_REQUIRED: "INVALID_REQUEST" 400 400 "Https required";
    OVERLOAD_LIMIT: "OVERLOAD_LIMIT" 503 503 "REST API is blocked due to overload";
    COMMERCIAL_ONLY: "ACCESS_DENIED" 403 403 "REST API is available only on commercial plans";
    INVALID_CREDENTIALS: "INVALID_CREDENTIALS" 403 401 "Invalid request credentials";
    MANIFEST_IS_NOT_AVAILABLE: "ERROR_MANIFEST_IS_NOT_AVAILABLE" 404 404 "Manifest is not available";
    WEBHOOK_SCOPE: "insufficient_scope" 403 401 "The request requires higher privileges than provided by the webhook token";
    TOKEN_SCOPE: "insufficient_scope" 403 401 "The request requires higher privileges than provided by the access token";
    EXPIRED_TOKEN: "expired_token" 401 401 "The access token provided has expired";
    USER_ACCESS_ERROR: "user_access_error" 403 403 "The user does not have access to the application";
    PORTAL_DELETED: "PORTAL_DELETED" 500 500 "Portal was deleted";
    INVALID_TOKEN: "invalid_token" 401 401 "Unable to get application by token";
    AUTHORIZATION_ERROR: "authorization_error" 401 401 "Unable to authorize user";
    APPLICATION_NOT_FOUND: "APPLICATION_NOT_FOUND" 401 401 "Application not found";
    NOT_INSTALLED: "ERROR_OAUTH" 401 401 "Application not installed";
    PAYMENT_REQUIRED: "PAYMENT_REQUIRED" 401 401 "Subscription has been ended";
    METHOD_CONFIRM_WAITING: "METHOD_CONFIRM_WAITING" 401 401 "Waiting for confirmation";
    METHOD_CONFIRM_DENIED: "METHOD_CONFIRM_DENIED" 403 403 "Method call denied";
    VERIFICATION_NEEDED: "verification_needed" 401 401 "License check failed.";
    ACCESS_ERROR: "ACCESS_ERROR" 403 403 "";
    INTRANET_USER_ONLY: "ALLOWED_ONLY_INTRANET_USER" 403 403 "";
    METHOD_NOT_FOUND: "ERROR_METHOD_NOT_FOUND" 404 404 "Method not found!";
    INVALID_ARGUMENT_VALUE: "INVALID_ARG_VALUE" 400 400 "";
    CORE: "ERROR_CORE" 400 400 "";
    ERROR_NOT_FOUND: "ERROR_NOT_FOUND" 400 400 "Not found";
    NOT_FOUND: "NOT_FOUND" 400 400 "Not found";
    NAMELESS: "" 400 400 "Not found";
    LICENSE_SCANNER: "PORTAL_BLOCKED_BY_LICENSE_SCANNER" 400 400 "";
}

impl SystemError {
    /// The first error with this code; codes are compared without regard to case.
    pub fn by_code(code: &str) -> Option<Self> {
        Self::ALL
            .iter()
            .copied()
            .find(|error| error.code.eq_ignore_ascii_case(code))
    }

    pub(crate) fn status(self, table: StatusTable) -> u16 {
        match table {
            StatusTable::Observed => self.observed,
            StatusTable::Documented => self.documented,
        }
    }
}

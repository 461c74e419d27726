//! What is known of Bitrix24's error codes: when each comes.

/// The portal failed while it worked.
///
/// Source: system errors, status 500.
pub(super) const FAILED_INSIDE: &[&str] = &["INTERNAL_SERVER_ERROR", "ERROR_UNEXPECTED_ANSWER"];

/// Codes that stand in front of every method although their status is 5xx.
///
/// Source: system errors and limits.
pub(super) const IN_FRONT_OF_METHODS: &[&str] =
    &["QUERY_LIMIT_EXCEEDED", "OVERLOAD_LIMIT", "PORTAL_DELETED"];

/// Codes about the portal, its licence, the credential or its user, which stand in front of every method.
///
/// Source: system errors, limits, and codes that client libraries have met.
pub(super) const OF_PORTAL: &[&str] = &[
    "QUERY_LIMIT_EXCEEDED",
    "OVERLOAD_LIMIT",
    "PORTAL_DELETED",
    "NO_AUTH_FOUND",
    "INVALID_REQUEST",
    "ACCESS_DENIED",
    "INVALID_CREDENTIALS",
    "ERROR_MANIFEST_IS_NOT_AVAILABLE",
    "expired_token",
    "user_access_error",
    "invalid_token",
    "authorization_error",
    "APPLICATION_NOT_FOUND",
    "ERROR_OAUTH",
    "PAYMENT_REQUIRED",
    "verification_needed",
    "ACCESS_ERROR",
    "ALLOWED_ONLY_INTRANET_USER",
    "PORTAL_BLOCKED_BY_LICENSE_SCANNER",
    "wrong_client",
];

/// Codes about a method, which come before it begins.
///
/// Source: system errors, limits, page "batch".
pub(super) const OF_METHOD: &[&str] = &[
    "OPERATION_TIME_LIMIT",
    "ERROR_BATCH_METHOD_NOT_ALLOWED",
    "ERROR_BATCH_LENGTH_EXCEEDED",
    "ERROR_METHOD_NOT_FOUND",
    "METHOD_CONFIRM_WAITING",
    "METHOD_CONFIRM_DENIED",
    "insufficient_scope",
    "WRONG_AUTH_TYPE",
];

/// Codes of the three methods that come before the message is added, or say that it was not. Those that come while
/// messages are worked on one by one, like `CONNECTOR_PROXY_NO_ADD_USER`, are not among them.
///
/// Source: the three method pages, current and previous generation.
pub(super) const OF_ARGUMENTS: &[&str] = &[
    "ERROR_ARGUMENT",
    "INVALID_ARG_VALUE",
    "NOT_ACTIVE_LINE",
    "IMCONNECTOR_NO_CORRECT_PROVIDER",
    "IMCONNECTOR_NOT_SPECIFIED_CORRECT_COMMAND",
    "IMCONNECTOR_COULD_NOT_GET_PROVIDER_OBJECT",
    "IMCONNECTOR_NOT_SPECIFIED_CORRECT_CONNECTOR",
    "CONNECTOR",
    "LINE",
    "MESSAGES",
    "100",
    "CHAT_NOT_IN_CRM",
    "CANCELED",
    "MESSAGE_ADD_ERROR",
    "CODE",
    "CODE_ERROR",
    "IMBOT_ERROR",
    "NOT_FOUND",
    "INACTIVE",
    "USER_ID_EMPTY",
    "USER_MESSAGE_LIMIT",
    "MESSAGE_EMPTY",
    "ATTACH_OVERSIZE",
    "ATTACH_ERROR",
    "KEYBOARD_ERROR",
    "KEYBOARD_OVERSIZE",
    "WRONG_REQUEST",
];

//! Why a portal refuses a call, with code and text in both dialects.

use super::system::SystemError;
use crate::switches::{ErrorDialect, StatusTable, Switches};

/// Why a call was refused before any effect.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Refusal {
    /// An error that any method may return.
    System(SystemError),
    /// A required argument of the connector or CRM method is empty.
    EmptyArgument(&'static str),
    /// An argument of the CRM method is not an integer.
    InvalidType(&'static str),
    /// The sender is not in the chat. A switch sets the status.
    Canceled,
    /// An error of one method's page.
    Method(&'static MethodError),
}

/// Status, then code and text in the current and in the previous dialect.
#[derive(Debug)]
pub(crate) struct MethodError {
    status: u16,
    current: (&'static str, &'static str),
    old: (&'static str, &'static str),
}

macro_rules! method_errors {
    ($($(#[$doc:meta])* $name:ident: $status:literal $code:literal $text:literal
        $(old $old_code:literal $old_text:literal)?;)+) => {
        impl Refusal {$(
            $(#[$doc])*
            pub(crate) const $name: Self = Self::Method(&MethodError {
                status: $status,
                current: ($code, $text),
                old: method_errors!(@last ($code, $text) $(($old_code, $old_text))?),
            });
        )+}
    };
    (@last $current:tt) => { $current };
    (@last $current:tt $old:tt) => { $old };
}

// Source: the three method pages, current and previous generation. Statuses are those of the
// current pages, 400 where they give none.
method_errors! {
    APPLICATION_REQUIRED: 403
        "WRONG_AUTH_TYPE" "Current authorization type is denied for this method Application context required"
        old "WRONG_AUTH_TYPE" "Current authorization type is denied for this method";
    SESSION_DENIED: 403 "WRONG_AUTH_TYPE" "Access for this method not allowed by session authorization";
    /// `MESSAGES` is a scalar.
    MESSAGES_NOT_ARRAY: 400
        "ERROR_ARGUMENT" "The value of an argument 'MESSAGES' must be of type array"
        old "MESSAGES" "The value of an argument 'MESSAGES' must be of type array";
    /// `MESSAGES` is longer than the switch allows. Neither the real limit nor its error is known.
    TOO_MANY_MESSAGES: 400
        "ERROR_ARGUMENT" "Argument 'MESSAGES' is too long"
        old "MESSAGES" "Argument 'MESSAGES' is too long";
    /// An element of `MESSAGES` is a scalar.
    MESSAGE_NOT_ARRAY: 400
        "ERROR_ARGUMENT" "The MESSAGES parameter must be an array of messages (arrays)"
        old "100" "The MESSAGES parameter must be an array of messages (arrays)";
    /// An element of `MESSAGES` lacks `user`, `message` or `chat`.
    MESSAGE_STRUCTURE: 400
        "ERROR_ARGUMENT" "The incorrect structure of a message inside MESSAGES parameter"
        old "100" "The incorrect structure of a message inside the MESSAGES parameter.";
    /// The line is inactive or unknown, or the connector is not activated on it.
    LINE_INACTIVE: 400
        "NOT_ACTIVE_LINE" "The line with this ID is inactive or does not exist"
        old "NOT_ACTIVE_LINE" "Line with this ID is inactive or does not exist";
    /// The connector is unknown.
    NO_PROVIDER: 400
        "IMCONNECTOR_NO_CORRECT_PROVIDER" "Failed to find a suitable provider for the connector"
        old "IMCONNECTOR_NO_CORRECT_PROVIDER" "Could not find a suitable provider for the connector";
    /// The caller may not read the CRM item.
    CALLER_WITHOUT_ACCESS: 403 "ACCESS_DENIED" "Access denied! You dont have access to this action";
    /// The sender may not read the CRM item.
    SENDER_WITHOUT_ACCESS: 403
        "ACCESS_DENIED" "Access denied! User dont have access to this entity"
        old "ACCESS_DENIED" "Access denied! User doesn't have access to this entity";
    CHAT_NOT_IN_CRM: 400 "CHAT_NOT_IN_CRM" "Chat does not belong to the CRM entity being checked";
    /// The sender is not in the chat; the newest table lists this in place of `CANCELED`.
    MESSAGE_ADD_ERROR: 400 "MESSAGE_ADD_ERROR" "Message isn't added";
    /// `CODE` is empty or malformed.
    INVALID_CODE: 400
        "CODE" "You entered an invalid code"
        old "CODE_ERROR" "Open Channel code is incorrect";
    NO_BOTS: 400 "IMBOT_ERROR" "Module IMBOT is not installed";
    /// No joined network line has this code. The previous page knows one error for any bad code.
    LINE_NOT_FOUND: 400
        "NOT_FOUND" "Line not found"
        old "CODE_ERROR" "Open Channel code is incorrect";
    NO_RECIPIENT: 400 "USER_ID_EMPTY" "User ID can't be empty";
    NO_TEXT: 400 "MESSAGE_EMPTY" "Message can't be empty";
    ATTACH_INCORRECT: 400 "ATTACH_ERROR" "Incorrect attach params";
    ATTACH_OVERSIZE: 400 "ATTACH_OVERSIZE" "You have exceeded the maximum allowable size of attach";
    KEYBOARD_INCORRECT: 400 "KEYBOARD_ERROR" "Incorrect keyboard params";
    /// The current table has no code of its own for this.
    KEYBOARD_OVERSIZE: 400
        "KEYBOARD_ERROR" "Incorrect keyboard params"
        old "KEYBOARD_OVERSIZE" "You have exceeded the maximum allowable size of keyboard";
    /// The recipient had a message within the week.
    WEEKLY_LIMIT: 400
        "USER_MESSAGE_LIMIT" "You cant send more than one message per week to each user";
    NOT_ADDED: 400
        "WRONG_REQUEST" "Message isn't added"
        old "WRONG_REQUEST" "Something went wrong";
}

/// A refusal as the client gets it.
#[derive(Clone, Debug)]
pub(crate) struct WireError {
    pub(crate) status: u16,
    pub(crate) code: String,
    pub(crate) description: String,
}

impl WireError {
    fn new(status: u16, code: &str, description: impl Into<String>) -> Self {
        Self {
            status,
            code: code.to_owned(),
            description: description.into(),
        }
    }

    pub(crate) fn system(error: SystemError, table: StatusTable) -> Self {
        Self::new(error.status(table), error.code, error.description)
    }
}

impl Refusal {
    pub(crate) fn wire_error(self, switches: &Switches) -> WireError {
        let old = switches.error_dialect == ErrorDialect::Old;
        match self {
            Self::System(error) => WireError::system(error, switches.status_table),
            Self::EmptyArgument(name) => {
                // The previous CRM page already had the common code; only the connector's differs.
                let is_connectors = matches!(name, "CONNECTOR" | "LINE" | "MESSAGES");
                let code = if old && is_connectors {
                    name
                } else {
                    "ERROR_ARGUMENT"
                };
                WireError::new(400, code, format!("Argument '{name}' is null or empty"))
            }
            Self::InvalidType(name) => {
                let text = format!("The value of an argument '{name}' has an invalid type");
                WireError::new(400, "ERROR_ARGUMENT", text)
            }
            Self::Canceled => {
                let text = "You cannot send messages to the specified chat";
                WireError::new(switches.canceled_status, "CANCELED", text)
            }
            Self::Method(error) => {
                let (code, text) = if old { error.old } else { error.current };
                WireError::new(error.status, code, text)
            }
        }
    }
}

impl From<SystemError> for Refusal {
    fn from(error: SystemError) -> Self {
        Self::System(error)
    }
}

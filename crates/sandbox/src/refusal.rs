//! The reasons for which a portal refuses a call, and the code and text each has in both dialects.

use super::switches::{ErrorDialect, StatusTable, Switches};
use super::system_error::SystemError;

/// Why a call was refused before any effect.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Refusal {
    /// One of the errors that any method may answer.
    System(SystemError),
    /// The method works only for an application.
    ApplicationRequired,
    /// The method does not work for a logged-in browser.
    SessionDenied,
    /// A required argument of the connector or CRM method is empty.
    EmptyArgument(&'static str),
    /// An argument of the CRM method is no integer.
    InvalidType(&'static str),
    /// `MESSAGES` is a scalar.
    MessagesNotArray,
    /// `MESSAGES` has more elements than the switch allows.
    TooManyMessages,
    /// An element of `MESSAGES` is a scalar.
    MessageNotArray,
    /// An element of `MESSAGES` lacks `user`, `message` or `chat`.
    MessageStructure,
    /// The line is inactive, unknown, or the connector is not activated on it.
    LineInactive,
    /// The connector is unknown.
    NoProvider,
    /// The caller may not read the CRM item.
    CallerWithoutAccess,
    /// The sender may not read the CRM item.
    SenderWithoutAccess,
    /// The chat is not linked to the CRM item.
    ChatNotInCrm,
    /// The sender is not in the chat, said the one way.
    Canceled,
    /// The sender is not in the chat, said the other way.
    MessageAddError,
    /// `CODE` is empty or no code.
    InvalidCode,
    /// The module for bots is missing.
    NoBots,
    /// No joined network line has this code.
    LineNotFound,
    /// `USER_ID` of a network message is empty.
    NoRecipient,
    /// `MESSAGE` of a network message is empty.
    NoText,
    /// ATTACH is wrongly built.
    AttachIncorrect,
    /// ATTACH is too large.
    AttachOversize,
    /// KEYBOARD is wrongly built.
    KeyboardIncorrect,
    /// KEYBOARD is too large.
    KeyboardOversize,
    /// The recipient had a message within the week.
    WeeklyLimit,
    /// A network message could not be added.
    NotAdded,
}

/// How a refusal shows on the wire.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Face {
    pub(super) status: u16,
    pub(super) code: String,
    pub(super) description: String,
}

impl Face {
    fn new(status: u16, code: &str, description: impl Into<String>) -> Self {
        Self {
            status,
            code: code.to_owned(),
            description: description.into(),
        }
    }

    /// A system error as the given table has it.
    pub(super) fn system(error: SystemError, table: StatusTable) -> Self {
        Self::new(error.status(table), error.code, error.description)
    }
}

impl Refusal {
    /// Status, code and text of the refusal under the switches. Source: the three method pages, current
    /// and previous generation; their statuses are those of the current pages, 400 where none is given.
    pub(super) fn face(self, switches: &Switches) -> Face {
        let old = switches.error_dialect == ErrorDialect::Old;
        let either = |current, previous| if old { previous } else { current };
        let argument = |old_code, description: String| {
            Face::new(400, either("ERROR_ARGUMENT", old_code), description)
        };
        match self {
            Self::System(error) => Face::system(error, switches.status_table),
            Self::ApplicationRequired => Face::new(
                403,
                "WRONG_AUTH_TYPE",
                either(
                    "Current authorization type is denied for this method Application context required",
                    "Current authorization type is denied for this method",
                ),
            ),
            Self::SessionDenied => Face::new(
                403,
                "WRONG_AUTH_TYPE",
                "Access for this method not allowed by session authorization",
            ),
            Self::EmptyArgument(name) => argument(
                // The previous CRM page already had the common code; only the connector's differs.
                if matches!(name, "CONNECTOR" | "LINE" | "MESSAGES") {
                    name
                } else {
                    "ERROR_ARGUMENT"
                },
                format!("Argument '{name}' is null or empty"),
            ),
            Self::InvalidType(name) => Face::new(
                400,
                "ERROR_ARGUMENT",
                format!("The value of an argument '{name}' has an invalid type"),
            ),
            Self::MessagesNotArray => argument(
                "MESSAGES",
                "The value of an argument 'MESSAGES' must be of type array".to_owned(),
            ),
            // Neither the limit nor what is said of it is known.
            Self::TooManyMessages => {
                argument("MESSAGES", "Argument 'MESSAGES' is too long".to_owned())
            }
            Self::MessageNotArray => argument(
                "100",
                "The MESSAGES parameter must be an array of messages (arrays)".to_owned(),
            ),
            Self::MessageStructure => argument(
                "100",
                either(
                    "The incorrect structure of a message inside MESSAGES parameter",
                    "The incorrect structure of a message inside the MESSAGES parameter.",
                )
                .to_owned(),
            ),
            Self::LineInactive => Face::new(
                400,
                "NOT_ACTIVE_LINE",
                either(
                    "The line with this ID is inactive or does not exist",
                    "Line with this ID is inactive or does not exist",
                ),
            ),
            Self::NoProvider => Face::new(
                400,
                "IMCONNECTOR_NO_CORRECT_PROVIDER",
                either(
                    "Failed to find a suitable provider for the connector",
                    "Could not find a suitable provider for the connector",
                ),
            ),
            Self::CallerWithoutAccess => Face::new(
                403,
                "ACCESS_DENIED",
                "Access denied! You dont have access to this action",
            ),
            Self::SenderWithoutAccess => Face::new(
                403,
                "ACCESS_DENIED",
                either(
                    "Access denied! User dont have access to this entity",
                    "Access denied! User doesn't have access to this entity",
                ),
            ),
            Self::ChatNotInCrm => Face::new(
                400,
                "CHAT_NOT_IN_CRM",
                "Chat does not belong to the CRM entity being checked",
            ),
            Self::Canceled => Face::new(
                switches.canceled_status,
                "CANCELED",
                "You cannot send messages to the specified chat",
            ),
            Self::MessageAddError => Face::new(400, "MESSAGE_ADD_ERROR", "Message isn't added"),
            Self::InvalidCode => Face::new(
                400,
                either("CODE", "CODE_ERROR"),
                either(
                    "You entered an invalid code",
                    "Open Channel code is incorrect",
                ),
            ),
            Self::NoBots => Face::new(400, "IMBOT_ERROR", "Module IMBOT is not installed"),
            // The previous page knows no other answer to a code without a line.
            Self::LineNotFound => Face::new(
                400,
                either("NOT_FOUND", "CODE_ERROR"),
                either("Line not found", "Open Channel code is incorrect"),
            ),
            Self::NoRecipient => Face::new(400, "USER_ID_EMPTY", "User ID can't be empty"),
            Self::NoText => Face::new(400, "MESSAGE_EMPTY", "Message can't be empty"),
            Self::AttachIncorrect => Face::new(400, "ATTACH_ERROR", "Incorrect attach params"),
            Self::AttachOversize => Face::new(
                400,
                "ATTACH_OVERSIZE",
                "You have exceeded the maximum allowable size of attach",
            ),
            Self::KeyboardIncorrect => {
                Face::new(400, "KEYBOARD_ERROR", "Incorrect keyboard params")
            }
            // The current table has no code of its own for this.
            Self::KeyboardOversize => Face::new(
                400,
                either("KEYBOARD_ERROR", "KEYBOARD_OVERSIZE"),
                either(
                    "Incorrect keyboard params",
                    "You have exceeded the maximum allowable size of keyboard",
                ),
            ),
            Self::WeeklyLimit => Face::new(
                400,
                "USER_MESSAGE_LIMIT",
                "You cant send more than one message per week to each user",
            ),
            Self::NotAdded => Face::new(
                400,
                "WRONG_REQUEST",
                either("Message isn't added", "Something went wrong"),
            ),
        }
    }
}

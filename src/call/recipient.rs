//! Who gets a network message.

use bitrix24::Answer;

/// The recipient of a network message, as far as Bitrix24's weekly limit goes.
#[derive(Clone, Debug)]
pub(crate) struct Recipient {
    /// The code of the open channel.
    pub(crate) line_code: String,
    /// The user of the portal.
    pub(crate) user_id: i64,
    /// Whether an answer says that the message was accepted.
    pub(crate) is_accepted: fn(&Answer) -> bool,
}

//! The rules that the operator decides, because Bitrix24 does not document the limits.

/// Limits are inclusive.
#[derive(Clone, Debug)]
pub struct Rules {
    /// Whether first and last names are held to the documented letters and length.
    pub strict_names: bool,
    /// The largest number of messages in one call.
    pub maximum_messages: usize,
    /// The longest text, in characters.
    pub maximum_text_characters: usize,
    /// The largest attachment, in bytes of the JSON that is sent.
    pub maximum_attachment_bytes: usize,
    /// The largest keyboard, in bytes of the JSON that is sent.
    pub maximum_keyboard_bytes: usize,
}

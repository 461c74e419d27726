//! Single messages that fail.

/// Makes single messages of `imconnector.send.messages` fail inside a response with HTTP 200.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MessageRule {
    /// The external message id that fails. `None`: any.
    pub message_id: Option<String>,
    /// The text that fails. `None`: any.
    pub text: Option<String>,
    /// The error in `ERRORS`.
    pub error: String,
}

impl MessageRule {
    /// Whether the message fails. A rule with neither id nor text applies to every message.
    pub(crate) fn applies(&self, message_id: Option<&str>, text: &str) -> bool {
        let (wanted_id, wanted_text) = (self.message_id.as_deref(), self.text.as_deref());
        wanted_id.is_none_or(|wanted| Some(wanted) == message_id)
            && wanted_text.is_none_or(|wanted| wanted == text)
    }
}

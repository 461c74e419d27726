//! One message of a call.

use serde_json::Value;

use crate::error::Refusal;
use crate::php;
use crate::record::DeliveredFile;

/// One element of MESSAGES with its three blocks, valid or not.
#[derive(Debug)]
pub(crate) struct Message<'a> {
    user: &'a Value,
    message: &'a Value,
    chat: &'a Value,
}

impl<'a> Message<'a> {
    pub(crate) fn read(element: &'a Value) -> Result<Self, Refusal> {
        if php::elements(element).is_none() {
            return Err(Refusal::MESSAGE_NOT_ARRAY);
        }
        let block = |name| {
            element
                .get(name)
                .filter(|block| !block.is_null())
                .ok_or(Refusal::MESSAGE_STRUCTURE)
        };
        Ok(Self {
            user: block("user")?,
            message: block("message")?,
            chat: block("chat")?,
        })
    }

    pub(crate) fn user(&self, name: &str) -> Option<&'a Value> {
        self.user.get(name)
    }

    pub(crate) fn message(&self, name: &str) -> Option<&'a Value> {
        self.message.get(name)
    }

    pub(crate) fn chat(&self, name: &str) -> Option<&'a Value> {
        self.chat.get(name)
    }

    pub(crate) fn message_id(&self) -> Option<String> {
        php::text(self.message("id"))
    }

    pub(crate) fn text(&self) -> String {
        php::text(self.message("text")).unwrap_or_default()
    }

    pub(crate) fn user_name(&self) -> String {
        let names = ["name", "last_name"].map(|field| php::text(self.user(field)));
        let names = names.into_iter().flatten().filter(|name| !name.is_empty());
        names.collect::<Vec<_>>().join(" ")
    }

    pub(crate) fn files(&self) -> Vec<DeliveredFile> {
        let files = self.message("files").and_then(php::elements);
        let text = |file: &Value, name| php::text(file.get(name)).unwrap_or_default();
        let files = files.into_iter().flatten().map(|file| DeliveredFile {
            name: text(file, "name"),
            url: text(file, "url"),
        });
        files.collect()
    }

    /// Whether `name` and `last_name` have no digits and at most 25 characters, as documented.
    pub(crate) fn has_valid_names(&self) -> bool {
        ["name", "last_name"].iter().all(|field| {
            let name = php::text(self.user(field)).unwrap_or_default();
            name.chars().count() <= 25 && !name.chars().any(|letter| letter.is_ascii_digit())
        })
    }

    /// Whether it has the external user, the external chat, and text or files.
    pub(crate) fn is_complete(&self) -> bool {
        let is_text = |value| php::text(value).is_some() && !php::is_empty(value);
        let files = self.message("files");
        is_text(self.user("id"))
            && is_text(self.chat("id"))
            && (is_text(self.message("text")) || !php::is_empty(files))
    }
}

//! A JSON object under Bitrix24's names, in which what is not given is left out.

use serde_json::{Map, Value};

use crate::api::openlines::v1::ColorToken;

/// An object in the making.
#[derive(Default)]
pub(super) struct JsonObject {
    entries: Map<String, Value>,
}

impl JsonObject {
    /// A text, unless it is empty.
    pub(super) fn text(self, key: &str, value: &str) -> Self {
        if value.is_empty() {
            self
        } else {
            self.put(key, value)
        }
    }

    /// A number, unless it is 0.
    pub(super) fn number(self, key: &str, value: impl Into<i64>) -> Self {
        match value.into() {
            0 => self,
            number => self.put(key, number),
        }
    }

    /// `Y`, if it is on.
    pub(super) fn switch(self, key: &str, on: bool) -> Self {
        if on { self.put(key, "Y") } else { self }
    }

    /// A named colour, unless it is not given.
    pub(super) fn color_token(self, key: &str, token: ColorToken) -> Self {
        let name = match token {
            ColorToken::Unspecified => "",
            ColorToken::Primary => "primary",
            ColorToken::Secondary => "secondary",
            ColorToken::Alert => "alert",
            ColorToken::Base => "base",
        };
        self.text(key, name)
    }

    /// Anything.
    pub(super) fn put(mut self, key: &str, value: impl Into<Value>) -> Self {
        self.entries.insert(key.to_owned(), value.into());
        self
    }

    pub(super) fn build(self) -> Value {
        Value::Object(self.entries)
    }
}

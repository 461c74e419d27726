//! `validation.*`: what is refused before Bitrix24 is asked.
//!
//! Each rule here is one whose counterpart at Bitrix24 is unknown or undocumented, so an operator
//! who knows better can change it without waiting for us.

use super::reader::Reader;
use super::setting::{Form, Setting};

/// What is refused before Bitrix24 is asked.
#[derive(Clone, Debug)]
pub struct Validation {
    /// How first and last names are judged. Default strict.
    pub names: NameRule,
    /// Most messages of one `SendConnectorMessages` call. Default 100; 1–10,000.
    pub maximum_messages: usize,
    /// Longest text of a message, in Unicode characters. Default 20,000; 1–1,000,000.
    pub maximum_text_characters: usize,
    /// Largest ATTACH of a message, in bytes of JSON. Default 30,720; 1–1,048,576.
    pub maximum_attachment_bytes: usize,
    /// Largest KEYBOARD of a message, in bytes of JSON. Default 30,720; 1–1,048,576.
    pub maximum_keyboard_bytes: usize,
}

/// How first and last names of outside users are judged.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum NameRule {
    /// As documented: letters, spaces, hyphens and apostrophes, at most 25 characters.
    Strict,
    /// Not at all; Bitrix24 does with them what it does.
    Unchecked,
}

pub(super) const SETTINGS: &[&Setting] = &[
    &NAMES,
    &MAXIMUM_MESSAGES,
    &MAXIMUM_TEXT_CHARACTERS,
    &MAXIMUM_ATTACHMENT_BYTES,
    &MAXIMUM_KEYBOARD_BYTES,
];

static NAMES: Setting = Setting {
    path: "validation.names",
    form: Form::Word(&["strict", "unchecked"]),
    default: Some("strict"),
    meaning: "`strict` takes first and last names as Bitrix24 documents them: letters, spaces, hyphens and \
              apostrophes, at most 25 characters. What Bitrix24 does with others is unknown; `unchecked` sends \
              them.",
};
static MAXIMUM_MESSAGES: Setting = Setting {
    path: "validation.maximum_messages",
    form: Form::Whole {
        minimum: 1,
        maximum: 10_000,
        unit: "messages",
    },
    default: Some("100"),
    meaning: "Most messages of one `SendConnectorMessages` call. Bitrix24's own limit is unknown.",
};
static MAXIMUM_TEXT_CHARACTERS: Setting = Setting {
    path: "validation.maximum_text_characters",
    form: Form::Whole {
        minimum: 1,
        maximum: 1_000_000,
        unit: "characters",
    },
    default: Some("20000"),
    meaning: "Longest text of a message. Bitrix24's own limit is unknown.",
};
static MAXIMUM_ATTACHMENT_BYTES: Setting = Setting {
    path: "validation.maximum_attachment_bytes",
    form: Form::Whole {
        minimum: 1,
        maximum: 1_048_576,
        unit: "bytes",
    },
    default: Some("30720"),
    meaning: "Largest attachment (`ATTACH`) of a message, as JSON. Bitrix24's documents contradict each other: \
              30 KB or 60,000 characters.",
};
static MAXIMUM_KEYBOARD_BYTES: Setting = Setting {
    path: "validation.maximum_keyboard_bytes",
    form: Form::Whole {
        minimum: 1,
        maximum: 1_048_576,
        unit: "bytes",
    },
    default: Some("30720"),
    meaning: "Largest keyboard (`KEYBOARD`) of a message, as JSON. Bitrix24's own limit is unknown.",
};

impl Validation {
    pub(super) fn read(reader: &mut Reader<'_>) -> Option<Self> {
        let names = reader.word(
            &NAMES,
            &[
                ("strict", NameRule::Strict),
                ("unchecked", NameRule::Unchecked),
            ],
        );
        let maximum_messages = reader.whole(&MAXIMUM_MESSAGES);
        let maximum_text_characters = reader.whole(&MAXIMUM_TEXT_CHARACTERS);
        let maximum_attachment_bytes = reader.whole(&MAXIMUM_ATTACHMENT_BYTES);
        let maximum_keyboard_bytes = reader.whole(&MAXIMUM_KEYBOARD_BYTES);
        Some(Self {
            names: names?,
            maximum_messages: maximum_messages?,
            maximum_text_characters: maximum_text_characters?,
            maximum_attachment_bytes: maximum_attachment_bytes?,
            maximum_keyboard_bytes: maximum_keyboard_bytes?,
        })
    }
}

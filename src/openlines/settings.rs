//! `validation.*`: limits whose counterparts at Bitrix24 are unknown or undocumented, so that
//! operators can change them.

use crate::settings::form::{whole, words};
use crate::settings::table;

table! {
    /// Limits of requests that operators may change.
    pub struct Rules {
        /// `strict` accepts first and last names as Bitrix24 documents them: letters, spaces,
        /// hyphens and apostrophes, at most 25 characters. `unchecked` sends all names. How
        /// Bitrix24 treats other names is unknown.
        strict_names: bool =
            "validation.names" => words(&[("strict", true), ("unchecked", false)]),
            default "strict";

        /// Most messages in one `SendConnectorMessages` call. Bitrix24's own limit is unknown.
        maximum_messages: usize =
            "validation.maximum_messages" => whole(1..=10_000, "messages"), default "100";

        /// Longest text of a message. Bitrix24's own limit is unknown.
        maximum_text_characters: usize =
            "validation.maximum_text_characters" => whole(1..=1_000_000, "characters"),
            default "20000";

        /// Largest attachment (`ATTACH`) of a message, as JSON. Bitrix24's documentation
        /// contradicts itself: 30 KB or 60,000 characters.
        maximum_attachment_bytes: usize =
            "validation.maximum_attachment_bytes" => whole(1..=1_048_576, "bytes"),
            default "30720";

        /// Largest keyboard (`KEYBOARD`) of a message, as JSON. Bitrix24's own limit is unknown.
        maximum_keyboard_bytes: usize =
            "validation.maximum_keyboard_bytes" => whole(1..=1_048_576, "bytes"),
            default "30720";
    }
}

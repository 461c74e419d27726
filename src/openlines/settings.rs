//! `validation.*`: limits whose counterparts at Bitrix24 are unknown or undocumented, so that
//! operators can change them.

use super::names::NameRule;
use crate::settings::form::{whole, words};
use crate::settings::table;

table! {
    /// Limits of requests that operators may change.
    pub struct Rules {
        /// First and last names. Bitrix24 documents letters, spaces, hyphens and apostrophes, at
        /// most 25 characters; how it treats other names is unknown. `strict` rejects a call with
        /// others. `clean` sends what is allowed of them: other characters become a space, what is
        /// too long is cut, and a name without a letter is left out; each result says which names
        /// were changed. `unchecked` sends all names.
        names: NameRule =
            "validation.names" => words(&[
                ("strict", NameRule::Strict),
                ("clean", NameRule::Clean),
                ("unchecked", NameRule::Unchecked),
            ]),
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

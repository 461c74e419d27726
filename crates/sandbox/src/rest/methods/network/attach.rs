//! The rules of ATTACH (pages "attachments"): the full form or a bare array of blocks.

use serde_json::{Map, Value};

use super::shape::{COLOUR_TOKENS, Field, Kind, fits, optional, required};

pub(crate) fn is_correct(attach: &Value) -> bool {
    match attach {
        Value::Array(blocks) => are_blocks(blocks),
        Value::Object(full) => {
            fits(full, FULL)
                && full
                    .get("BLOCKS")
                    .and_then(Value::as_array)
                    .is_some_and(|b| are_blocks(b))
        }
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => false,
    }
}

fn are_blocks(blocks: &[Value]) -> bool {
    !blocks.is_empty()
        && blocks
            .iter()
            .all(|block| block.as_object().is_some_and(is_block))
}

/// A block is an object with one key, which names its kind.
fn is_block(block: &Map<String, Value>) -> bool {
    let mut entries = block.iter();
    let (Some((kind, content)), None) = (entries.next(), entries.next()) else {
        return false;
    };
    let one = |fields| {
        content
            .as_object()
            .is_some_and(|object| fits(object, fields))
    };
    let many = |fields| {
        content
            .as_array()
            .is_some_and(|rows| rows_fit(rows, fields))
    };
    match kind.as_str() {
        "MESSAGE" => content.is_string() || content.is_number(),
        "LINK" => one(LINK),
        "USER" => one(USER),
        "GRID" => many(GRID),
        // The page shows an array; a single image is accepted too.
        "IMAGE" => many(IMAGE) || one(IMAGE),
        "FILE" => many(FILE),
        "DELIMITER" => one(DELIMITER) || content.as_array().is_some_and(Vec::is_empty),
        _ => false,
    }
}

fn rows_fit(rows: &[Value], fields: &[Field]) -> bool {
    !rows.is_empty()
        && rows
            .iter()
            .all(|row| row.as_object().is_some_and(|row| fits(row, fields)))
}

const FULL: &[Field] = &[
    optional("ID", Kind::Integer),
    optional("COLOR_TOKEN", COLOUR_TOKENS),
    optional("COLOR", Kind::Colour),
];

const LINK: &[Field] = &[
    required("LINK", Kind::Url),
    optional("NAME", Kind::Text),
    optional("DESC", Kind::Text),
    optional("HTML", Kind::Text),
    optional("PREVIEW", Kind::Url),
    optional("WIDTH", Kind::Integer),
    optional("HEIGHT", Kind::Integer),
    optional("USER_ID", Kind::Integer),
    optional("CHAT_ID", Kind::Integer),
    optional("NETWORK_ID", Kind::Text),
];

const USER: &[Field] = &[
    required("NAME", Kind::Text),
    optional("AVATAR", Kind::Url),
    optional("LINK", Kind::Url),
    optional("USER_ID", Kind::Integer),
    optional("CHAT_ID", Kind::Integer),
    optional("BOT_ID", Kind::Integer),
    optional("NETWORK_ID", Kind::Text),
    optional("AVATAR_TYPE", Kind::OneOf(&["USER", "CHAT", "BOT"])),
];

const GRID: &[Field] = &[
    required("DISPLAY", Kind::OneOf(&["BLOCK", "LINE", "ROW", "TABLE"])),
    optional("NAME", Kind::Text),
    optional("VALUE", Kind::Text),
    optional("WIDTH", Kind::Integer),
    optional("HEIGHT", Kind::Integer),
    optional("COLOR_TOKEN", COLOUR_TOKENS),
    optional("COLOR", Kind::Colour),
    optional("LINK", Kind::Url),
    optional("USER_ID", Kind::Integer),
    optional("CHAT_ID", Kind::Integer),
];

const IMAGE: &[Field] = &[
    required("LINK", Kind::Url),
    optional("NAME", Kind::Text),
    optional("PREVIEW", Kind::Url),
    optional("WIDTH", Kind::Integer),
    optional("HEIGHT", Kind::Integer),
];

const FILE: &[Field] = &[
    required("LINK", Kind::Url),
    optional("NAME", Kind::Text),
    optional("SIZE", Kind::Integer),
];

const DELIMITER: &[Field] = &[
    optional("SIZE", Kind::Integer),
    optional("COLOR", Kind::Colour),
];

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn every_documented_block_is_accepted() {
        let blocks = json!([
            {"MESSAGE": "[B]New[/B]"},
            {"LINK": {"LINK": "https://example.com", "NAME": "Open", "PREVIEW": "/p.png", "WIDTH": "10"}},
            {"USER": {"NAME": "Ivan", "AVATAR": "https://example.com/a.png", "AVATAR_TYPE": "BOT"}},
            {"GRID": [{"DISPLAY": "LINE", "NAME": "a", "VALUE": "b", "COLOR": "#f00", "WIDTH": 100}]},
            {"IMAGE": [{"LINK": "https://example.com/i.png"}]},
            {"IMAGE": {"LINK": "https://example.com/i.png"}},
            {"FILE": [{"LINK": "https://example.com/f.zip", "NAME": "f.zip", "SIZE": 12}]},
            {"DELIMITER": {"SIZE": 200, "COLOR": "#c6c6c6"}},
            {"DELIMITER": {}},
        ]);
        assert!(is_correct(&blocks));
        assert!(is_correct(
            &json!({"ID": 1, "COLOR_TOKEN": "primary", "COLOR": "#29619b", "BLOCKS": blocks})
        ));
    }

    #[test]
    fn what_the_pages_do_not_allow_is_refused() {
        for bad in [
            json!("text"),
            json!(7),
            json!({"ID": 1}),
            json!({"BLOCKS": []}),
            json!({"BLOCKS": {"MESSAGE": "x"}}),
            json!({"COLOR_TOKEN": "pink", "BLOCKS": [{"MESSAGE": "x"}]}),
            json!(["x"]),
            json!([{}]),
            json!([{"MESSAGE": "x", "LINK": {"LINK": "/x"}}]),
            json!([{"TABLE": []}]),
            json!([{"MESSAGE": {"TEXT": "x"}}]),
            json!([{"LINK": {"NAME": "no address"}}]),
            json!([{"LINK": {"LINK": "example.com"}}]),
            json!([{"LINK": {"LINK": "/x", "WIDTH": "wide"}}]),
            json!([{"USER": {"AVATAR": "/a.png"}}]),
            json!([{"USER": {"NAME": "x", "AVATAR_TYPE": "DOG"}}]),
            json!([{"GRID": []}]),
            json!([{"GRID": [{"NAME": "no display"}]}]),
            json!([{"GRID": [{"DISPLAY": "CIRCLE"}]}]),
            json!([{"IMAGE": [{"NAME": "no address"}]}]),
            json!([{"FILE": {"LINK": "/f"}}]),
            json!([{"DELIMITER": {"COLOR": "red"}}]),
        ] {
            assert!(!is_correct(&bad), "{bad}");
        }
    }
}

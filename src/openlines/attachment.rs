//! `ATTACH`: the check of a typed attachment, and its form under Bitrix24's names.
//!
//! Source: pages "attachments" of the messenger and of its bots.

use serde_json::Value;

use super::json_object::JsonObject;
use crate::api::openlines::v1 as api;
use crate::api::openlines::v1::attachment_block::Block;
use crate::check::Check;
use crate::check::Path;

pub(super) fn check(path: Path<'_>, attachment: &api::Attachment, check: &mut Check) {
    check.not_negative(path.field("id"), attachment.id);
    check.known::<api::ColorToken>(path.field("color_token"), attachment.color_token);
    check.color(path.field("color"), &attachment.color);
    check.some(path.field("blocks"), &attachment.blocks);
    for (index, block) in attachment.blocks.iter().enumerate() {
        let path = path.field("blocks").item(index);
        match &block.block {
            None => check.wrong(
                path.field("block"),
                "REQUIRED",
                "is required; choose a kind of block",
            ),
            Some(Block::Message(text)) => check.nonempty(path.field("message"), text),
            Some(Block::Link(link)) => check_link(path.field("link"), link, check),
            Some(Block::User(user)) => check_user(path.field("user"), user, check),
            Some(Block::Grid(grid)) => check_grid(path.field("grid"), grid, check),
            Some(Block::Image(image)) => check_images(path.field("image"), image, check),
            Some(Block::File(file)) => check_files(path.field("file"), file, check),
            Some(Block::Delimiter(delimiter)) => {
                let path = path.field("delimiter");
                check.not_negative(path.field("size_pixels"), delimiter.size_pixels);
                check.color(path.field("color"), &delimiter.color);
            }
        }
    }
}

fn check_link(path: Path<'_>, link: &api::LinkBlock, check: &mut Check) {
    check.required_link(path.field("url"), &link.url);
    check.link(path.field("preview_url"), &link.preview_url);
    check.not_negative(path.field("width_pixels"), link.width_pixels);
    check.not_negative(path.field("height_pixels"), link.height_pixels);
    check.not_negative(path.field("user_id"), link.user_id);
    check.not_negative(path.field("portal_chat_id"), link.portal_chat_id);
}

fn check_user(path: Path<'_>, user: &api::UserBlock, check: &mut Check) {
    check.nonempty(path.field("name"), &user.name);
    check.link(path.field("avatar_url"), &user.avatar_url);
    check.link(path.field("url"), &user.url);
    check.not_negative(path.field("user_id"), user.user_id);
    check.not_negative(path.field("portal_chat_id"), user.portal_chat_id);
    check.not_negative(path.field("bot_id"), user.bot_id);
    check.known::<api::AvatarType>(path.field("avatar_type"), user.avatar_type);
}

fn check_grid(path: Path<'_>, grid: &api::GridBlock, check: &mut Check) {
    check.some(path.field("entries"), &grid.entries);
    for (index, entry) in grid.entries.iter().enumerate() {
        let path = path.field("entries").item(index);
        check.required_value::<api::GridDisplay>(path.field("display"), entry.display);
        check.not_negative(path.field("width_pixels"), entry.width_pixels);
        check.not_negative(path.field("height_pixels"), entry.height_pixels);
        check.known::<api::ColorToken>(path.field("color_token"), entry.color_token);
        check.color(path.field("color"), &entry.color);
        check.link(path.field("url"), &entry.url);
        check.not_negative(path.field("user_id"), entry.user_id);
        check.not_negative(path.field("portal_chat_id"), entry.portal_chat_id);
    }
}

fn check_images(path: Path<'_>, block: &api::ImageBlock, check: &mut Check) {
    check.some(path.field("images"), &block.images);
    for (index, image) in block.images.iter().enumerate() {
        let path = path.field("images").item(index);
        check.required_link(path.field("url"), &image.url);
        check.link(path.field("preview_url"), &image.preview_url);
        check.not_negative(path.field("width_pixels"), image.width_pixels);
        check.not_negative(path.field("height_pixels"), image.height_pixels);
    }
}

fn check_files(path: Path<'_>, block: &api::FileBlock, check: &mut Check) {
    check.some(path.field("files"), &block.files);
    for (index, file) in block.files.iter().enumerate() {
        let path = path.field("files").item(index);
        check.required_link(path.field("url"), &file.url);
        check.not_negative(path.field("size_bytes"), file.size_bytes);
    }
}

/// The attachment as Bitrix24's JSON, in its full form.
pub(super) fn to_json(attachment: &api::Attachment) -> Value {
    let blocks: Vec<Value> = attachment.blocks.iter().filter_map(block_to_json).collect();
    JsonObject::default()
        .number("ID", attachment.id)
        .color_token("COLOR_TOKEN", attachment.color_token())
        .text("COLOR", &attachment.color)
        .put("BLOCKS", blocks)
        .build()
}

fn block_to_json(block: &api::AttachmentBlock) -> Option<Value> {
    let (key, value) = match block.block.as_ref()? {
        Block::Message(text) => ("MESSAGE", Value::from(text.as_str())),
        Block::Link(link) => ("LINK", link_to_json(link)),
        Block::User(user) => ("USER", user_to_json(user)),
        Block::Grid(grid) => ("GRID", grid.entries.iter().map(entry_to_json).collect()),
        Block::Image(block) => ("IMAGE", block.images.iter().map(image_to_json).collect()),
        Block::File(block) => ("FILE", block.files.iter().map(file_to_json).collect()),
        Block::Delimiter(delimiter) => (
            "DELIMITER",
            JsonObject::default()
                .number("SIZE", delimiter.size_pixels)
                .text("COLOR", &delimiter.color)
                .build(),
        ),
    };
    Some(JsonObject::default().put(key, value).build())
}

fn link_to_json(link: &api::LinkBlock) -> Value {
    JsonObject::default()
        .text("LINK", &link.url)
        .text("NAME", &link.name)
        .text("DESC", &link.description)
        .text("HTML", &link.html)
        .text("PREVIEW", &link.preview_url)
        .number("WIDTH", link.width_pixels)
        .number("HEIGHT", link.height_pixels)
        .number("USER_ID", link.user_id)
        .number("CHAT_ID", link.portal_chat_id)
        .text("NETWORK_ID", &link.network_id)
        .build()
}

fn user_to_json(user: &api::UserBlock) -> Value {
    let avatar_type = match user.avatar_type() {
        api::AvatarType::Unspecified => "",
        api::AvatarType::User => "USER",
        api::AvatarType::Chat => "CHAT",
        api::AvatarType::Bot => "BOT",
    };
    JsonObject::default()
        .text("NAME", &user.name)
        .text("AVATAR", &user.avatar_url)
        .text("LINK", &user.url)
        .number("USER_ID", user.user_id)
        .number("CHAT_ID", user.portal_chat_id)
        .number("BOT_ID", user.bot_id)
        .text("NETWORK_ID", &user.network_id)
        .text("AVATAR_TYPE", avatar_type)
        .build()
}

fn entry_to_json(entry: &api::GridEntry) -> Value {
    let display = match entry.display() {
        api::GridDisplay::Unspecified => "",
        api::GridDisplay::Block => "BLOCK",
        api::GridDisplay::Line => "LINE",
        api::GridDisplay::Row => "ROW",
        api::GridDisplay::Table => "TABLE",
    };
    JsonObject::default()
        .text("DISPLAY", display)
        .text("NAME", &entry.name)
        .text("VALUE", &entry.value)
        .number("WIDTH", entry.width_pixels)
        .number("HEIGHT", entry.height_pixels)
        .color_token("COLOR_TOKEN", entry.color_token())
        .text("COLOR", &entry.color)
        .text("LINK", &entry.url)
        .number("USER_ID", entry.user_id)
        .number("CHAT_ID", entry.portal_chat_id)
        .build()
}

fn image_to_json(image: &api::AttachmentImage) -> Value {
    JsonObject::default()
        .text("LINK", &image.url)
        .text("NAME", &image.name)
        .text("PREVIEW", &image.preview_url)
        .number("WIDTH", image.width_pixels)
        .number("HEIGHT", image.height_pixels)
        .build()
}

fn file_to_json(file: &api::AttachmentFile) -> Value {
    JsonObject::default()
        .text("LINK", &file.url)
        .text("NAME", &file.name)
        .number("SIZE", file.size_bytes)
        .build()
}

//! The rules of typed attachments, and of those in Bitrix24's own form.

use crate::api::openlines::v1 as api;
use crate::api::openlines::v1::attachment_block::Block;
use crate::api::openlines::v1::send_network_message_request::AttachmentForm;
use prost_types::value::Kind;
use prost_types::{Struct, Value};

use super::{assert_only_violation, network_message, url_of};
use crate::openlines::network_message::SendNetworkMessage;

/// Field and rule of the violation, and the attachment.
type Case = (&'static str, &'static str, api::Attachment);

/// An attachment whose second block is the one in question.
fn with(block: Block) -> api::Attachment {
    let blocks = [Block::Message("first".to_owned()), block];
    api::Attachment {
        blocks: blocks
            .map(|block| api::AttachmentBlock { block: Some(block) })
            .into(),
        ..Default::default()
    }
}

fn changed(change: impl FnOnce(&mut api::Attachment)) -> api::Attachment {
    let mut attachment = with(Block::Message("second".to_owned()));
    change(&mut attachment);
    attachment
}

fn link(change: impl FnOnce(&mut api::LinkBlock)) -> api::Attachment {
    let mut link = api::LinkBlock {
        url: "/crm/".to_owned(),
        ..Default::default()
    };
    change(&mut link);
    with(Block::Link(link))
}

fn user(change: impl FnOnce(&mut api::UserBlock)) -> api::Attachment {
    let mut user = api::UserBlock {
        name: "Ada".to_owned(),
        ..Default::default()
    };
    change(&mut user);
    with(Block::User(user))
}

fn entry(change: impl FnOnce(&mut api::GridEntry)) -> api::Attachment {
    let mut entry = api::GridEntry {
        display: api::GridDisplay::Row.into(),
        ..Default::default()
    };
    change(&mut entry);
    with(Block::Grid(api::GridBlock {
        entries: vec![entry],
    }))
}

fn image(change: impl FnOnce(&mut api::AttachmentImage)) -> api::Attachment {
    let mut image = api::AttachmentImage {
        url: "https://a/i.png".to_owned(),
        ..Default::default()
    };
    change(&mut image);
    with(Block::Image(api::ImageBlock {
        images: vec![image],
    }))
}

fn file(change: impl FnOnce(&mut api::AttachmentFile)) -> api::Attachment {
    let mut file = api::AttachmentFile {
        url: "https://a/f.zip".to_owned(),
        ..Default::default()
    };
    change(&mut file);
    with(Block::File(api::FileBlock { files: vec![file] }))
}

fn delimiter(size_pixels: i32, color: &str) -> api::Attachment {
    with(Block::Delimiter(api::DelimiterBlock {
        size_pixels,
        color: color.to_owned(),
    }))
}

fn assert_each(cases: Vec<Case>) {
    for (field, rule, attachment) in cases {
        let mut request = network_message("text");
        request.attachment_form = Some(AttachmentForm::Attachment(attachment));
        assert_only_violation::<SendNetworkMessage>(&request, field, rule);
    }
}

fn text(value: &str) -> String {
    value.to_owned()
}

#[test]
fn each_rule_of_the_whole_and_of_texts_and_lines_is_named_alone() {
    assert_each(vec![
        ("attachment.id", "NEGATIVE", changed(|a| a.id = -1)),
        (
            "attachment.color_token",
            "UNKNOWN_VALUE",
            changed(|a| a.color_token = 5),
        ),
        (
            "attachment.color",
            "COLOR",
            changed(|a| a.color = text("red")),
        ),
        (
            "attachment.color",
            "COLOR",
            changed(|a| a.color = text("#ffff")),
        ),
        (
            "attachment.color",
            "COLOR",
            changed(|a| a.color = text("#fff\n")),
        ),
        (
            "attachment.blocks",
            "REQUIRED",
            changed(|a| a.blocks.clear()),
        ),
        (
            "attachment.blocks[1].block",
            "REQUIRED",
            changed(|a| a.blocks[1].block = None),
        ),
        (
            "attachment.blocks[1].message",
            "REQUIRED",
            with(Block::Message(String::new())),
        ),
        (
            "attachment.blocks[1].delimiter.size_pixels",
            "NEGATIVE",
            delimiter(-1, ""),
        ),
        (
            "attachment.blocks[1].delimiter.color",
            "COLOR",
            delimiter(0, "fff"),
        ),
        (
            "attachment.blocks[1].grid.entries",
            "REQUIRED",
            with(Block::Grid(Default::default())),
        ),
        (
            "attachment.blocks[1].image.images",
            "REQUIRED",
            with(Block::Image(Default::default())),
        ),
        (
            "attachment.blocks[1].file.files",
            "REQUIRED",
            with(Block::File(Default::default())),
        ),
    ]);
}

#[test]
fn each_rule_of_a_link_is_named_alone() {
    let long = || url_of(2049);
    assert_each(vec![
        (
            "attachment.blocks[1].link.url",
            "REQUIRED",
            link(|l| l.url.clear()),
        ),
        (
            "attachment.blocks[1].link.url",
            "ADDRESS",
            link(|l| l.url = text("//evil/")),
        ),
        (
            "attachment.blocks[1].link.url",
            "ADDRESS",
            link(|l| l.url = text("javascript:x")),
        ),
        (
            "attachment.blocks[1].link.url",
            "TOO_LONG",
            link(|l| l.url = long()),
        ),
        (
            "attachment.blocks[1].link.preview_url",
            "ADDRESS",
            link(|l| l.preview_url = text("a")),
        ),
        (
            "attachment.blocks[1].link.preview_url",
            "TOO_LONG",
            link(|l| l.preview_url = long()),
        ),
        (
            "attachment.blocks[1].link.width_pixels",
            "NEGATIVE",
            link(|l| l.width_pixels = -1),
        ),
        (
            "attachment.blocks[1].link.height_pixels",
            "NEGATIVE",
            link(|l| l.height_pixels = -1),
        ),
        (
            "attachment.blocks[1].link.user_id",
            "NEGATIVE",
            link(|l| l.user_id = -1),
        ),
        (
            "attachment.blocks[1].link.portal_chat_id",
            "NEGATIVE",
            link(|l| l.portal_chat_id = -1),
        ),
    ]);
}

#[test]
fn each_rule_of_a_person_is_named_alone() {
    let long = || url_of(2049);
    assert_each(vec![
        (
            "attachment.blocks[1].user.name",
            "REQUIRED",
            user(|u| u.name.clear()),
        ),
        (
            "attachment.blocks[1].user.avatar_url",
            "ADDRESS",
            user(|u| u.avatar_url = text("a")),
        ),
        (
            "attachment.blocks[1].user.avatar_url",
            "TOO_LONG",
            user(|u| u.avatar_url = long()),
        ),
        (
            "attachment.blocks[1].user.url",
            "ADDRESS",
            user(|u| u.url = text("/a b")),
        ),
        (
            "attachment.blocks[1].user.url",
            "TOO_LONG",
            user(|u| u.url = long()),
        ),
        (
            "attachment.blocks[1].user.user_id",
            "NEGATIVE",
            user(|u| u.user_id = -1),
        ),
        (
            "attachment.blocks[1].user.portal_chat_id",
            "NEGATIVE",
            user(|u| u.portal_chat_id = -1),
        ),
        (
            "attachment.blocks[1].user.bot_id",
            "NEGATIVE",
            user(|u| u.bot_id = -1),
        ),
        (
            "attachment.blocks[1].user.avatar_type",
            "UNKNOWN_VALUE",
            user(|u| u.avatar_type = 4),
        ),
    ]);
}

#[test]
fn each_rule_of_a_grid_is_named_alone() {
    assert_each(vec![
        (
            "attachment.blocks[1].grid.entries[0].display",
            "REQUIRED",
            entry(|e| e.display = 0),
        ),
        (
            "attachment.blocks[1].grid.entries[0].display",
            "UNKNOWN_VALUE",
            entry(|e| e.display = 5),
        ),
        (
            "attachment.blocks[1].grid.entries[0].width_pixels",
            "NEGATIVE",
            entry(|e| e.width_pixels = -1),
        ),
        (
            "attachment.blocks[1].grid.entries[0].height_pixels",
            "NEGATIVE",
            entry(|e| e.height_pixels = -1),
        ),
        (
            "attachment.blocks[1].grid.entries[0].color_token",
            "UNKNOWN_VALUE",
            entry(|e| e.color_token = 9),
        ),
        (
            "attachment.blocks[1].grid.entries[0].color",
            "COLOR",
            entry(|e| e.color = text("#12")),
        ),
        (
            "attachment.blocks[1].grid.entries[0].url",
            "ADDRESS",
            entry(|e| e.url = text("x")),
        ),
        (
            "attachment.blocks[1].grid.entries[0].user_id",
            "NEGATIVE",
            entry(|e| e.user_id = -1),
        ),
        (
            "attachment.blocks[1].grid.entries[0].portal_chat_id",
            "NEGATIVE",
            entry(|e| e.portal_chat_id = -1),
        ),
    ]);
}

#[test]
fn each_rule_of_pictures_and_files_is_named_alone() {
    assert_each(vec![
        (
            "attachment.blocks[1].image.images[0].url",
            "REQUIRED",
            image(|i| i.url.clear()),
        ),
        (
            "attachment.blocks[1].image.images[0].url",
            "ADDRESS",
            image(|i| i.url = text("i.png")),
        ),
        (
            "attachment.blocks[1].image.images[0].preview_url",
            "ADDRESS",
            image(|i| i.preview_url = text("p")),
        ),
        (
            "attachment.blocks[1].image.images[0].width_pixels",
            "NEGATIVE",
            image(|i| i.width_pixels = -1),
        ),
        (
            "attachment.blocks[1].image.images[0].height_pixels",
            "NEGATIVE",
            image(|i| i.height_pixels = -1),
        ),
        (
            "attachment.blocks[1].file.files[0].url",
            "REQUIRED",
            file(|f| f.url.clear()),
        ),
        (
            "attachment.blocks[1].file.files[0].url",
            "ADDRESS",
            file(|f| f.url = text("f.zip")),
        ),
        (
            "attachment.blocks[1].file.files[0].size_bytes",
            "NEGATIVE",
            file(|f| f.size_bytes = -1),
        ),
    ]);
}

#[test]
fn a_number_that_json_does_not_know_is_refused() {
    for number in [f64::NAN, f64::INFINITY, f64::NEG_INFINITY] {
        let mut request = network_message("text");
        let kind = Some(Kind::NumberValue(number));
        let fields = [("ID".to_owned(), Value { kind })].into();
        request.attachment_form = Some(AttachmentForm::AttachmentStruct(Struct { fields }));
        assert_only_violation::<SendNetworkMessage>(&request, "attachment_struct", "NOT_FINITE");
    }
}

//! `ATTACH` and `KEYBOARD`: every block and button under Bitrix24's names, and the untyped forms as
//! they were given.

use bitrix24_openlines::api::openlines::v1 as api;
use bitrix24_openlines::api::openlines::v1::attachment_block::Block;
use bitrix24_openlines::api::openlines::v1::keyboard_button::Action;
use bitrix24_openlines::api::openlines::v1::keyboard_item::Item;
use bitrix24_openlines::api::openlines::v1::send_network_message_request::{
    AttachmentForm, KeyboardForm,
};
use sandbox::Delivery;
use serde_json::{Value, json};

use super::Desk;
use crate::support::World;
use crate::support::requests::{network_message, struct_of};

const DONE: &str = r#"{"result":true}"#;

fn text(value: &str) -> String {
    value.to_owned()
}

async fn attach_of(blocks: Vec<Block>) -> Value {
    let blocks = blocks
        .into_iter()
        .map(|block| api::AttachmentBlock { block: Some(block) });
    let attachment = api::Attachment {
        blocks: blocks.collect(),
        ..Default::default()
    };
    sent(Some(AttachmentForm::Attachment(attachment)), None).await["ATTACH"].clone()
}

/// The parameters as they were sent.
async fn sent(attachment: Option<AttachmentForm>, keyboard: Option<KeyboardForm>) -> Value {
    let desk = Desk::answering(DONE).await;
    let request = api::SendNetworkMessageRequest {
        attachment_form: attachment,
        keyboard_form: keyboard,
        ..network_message("Hello")
    };
    desk.sent(request).await.json()
}

#[tokio::test]
async fn an_attachment_has_its_id_and_colours() {
    let attachment = api::Attachment {
        id: 5,
        color_token: api::ColorToken::Alert.into(),
        color: text("#29619b"),
        blocks: vec![api::AttachmentBlock {
            block: Some(Block::Message(text("[B]New[/B]"))),
        }],
    };
    let sent = sent(Some(AttachmentForm::Attachment(attachment)), None).await;
    let expected = json!({
        "ID": 5,
        "COLOR_TOKEN": "alert",
        "COLOR": "#29619b",
        "BLOCKS": [{"MESSAGE": "[B]New[/B]"}],
    });
    assert_eq!(sent["ATTACH"], expected);
}

#[tokio::test]
async fn a_link_has_every_field() {
    let full = api::LinkBlock {
        url: text("/crm/"),
        name: text("name"),
        description: text("description"),
        html: text("<b>html</b>"),
        preview_url: text("/p.png"),
        width_pixels: 1,
        height_pixels: 2,
        user_id: 3,
        portal_chat_id: 4,
        network_id: text("n5"),
    };
    let bare = api::LinkBlock {
        url: text("https://example.com/"),
        ..Default::default()
    };
    let expected = json!({"BLOCKS": [
        {"LINK": {
            "LINK": "/crm/", "NAME": "name", "DESC": "description", "HTML": "<b>html</b>",
            "PREVIEW": "/p.png", "WIDTH": 1, "HEIGHT": 2, "USER_ID": 3, "CHAT_ID": 4, "NETWORK_ID": "n5",
        }},
        {"LINK": {"LINK": "https://example.com/"}},
    ]});
    assert_eq!(
        attach_of(vec![Block::Link(full), Block::Link(bare)]).await,
        expected
    );
}

#[tokio::test]
async fn a_person_has_every_field_and_every_stand_in_picture() {
    let full = api::UserBlock {
        name: text("Ada"),
        avatar_url: text("/a.png"),
        url: text("https://example.com/"),
        user_id: 1,
        portal_chat_id: 2,
        bot_id: 3,
        network_id: text("n4"),
        avatar_type: api::AvatarType::User.into(),
    };
    let with = |avatar: api::AvatarType| {
        Block::User(api::UserBlock {
            name: text("x"),
            avatar_type: avatar.into(),
            ..Default::default()
        })
    };
    let expected = json!({"BLOCKS": [
        {"USER": {
            "NAME": "Ada", "AVATAR": "/a.png", "LINK": "https://example.com/", "USER_ID": 1, "CHAT_ID": 2,
            "BOT_ID": 3, "NETWORK_ID": "n4", "AVATAR_TYPE": "USER",
        }},
        {"USER": {"NAME": "x", "AVATAR_TYPE": "CHAT"}},
        {"USER": {"NAME": "x", "AVATAR_TYPE": "BOT"}},
        {"USER": {"NAME": "x"}},
    ]});
    let blocks = vec![
        Block::User(full),
        with(api::AvatarType::Chat),
        with(api::AvatarType::Bot),
        with(api::AvatarType::Unspecified),
    ];
    assert_eq!(attach_of(blocks).await, expected);
}

#[tokio::test]
async fn a_grid_has_every_field_and_every_layout() {
    let full = api::GridEntry {
        display: api::GridDisplay::Block.into(),
        name: text("name"),
        value: text("value"),
        width_pixels: 1,
        height_pixels: 2,
        color_token: api::ColorToken::Base.into(),
        color: text("#fff"),
        url: text("/x"),
        user_id: 3,
        portal_chat_id: 4,
    };
    let with = |display: api::GridDisplay, color: api::ColorToken| api::GridEntry {
        display: display.into(),
        color_token: color.into(),
        ..Default::default()
    };
    let entries = vec![
        full,
        with(api::GridDisplay::Line, api::ColorToken::Primary),
        with(api::GridDisplay::Row, api::ColorToken::Secondary),
        with(api::GridDisplay::Table, api::ColorToken::Unspecified),
    ];
    let expected = json!({"BLOCKS": [{"GRID": [
        {
            "DISPLAY": "BLOCK", "NAME": "name", "VALUE": "value", "WIDTH": 1, "HEIGHT": 2, "COLOR_TOKEN": "base",
            "COLOR": "#fff", "LINK": "/x", "USER_ID": 3, "CHAT_ID": 4,
        },
        {"DISPLAY": "LINE", "COLOR_TOKEN": "primary"},
        {"DISPLAY": "ROW", "COLOR_TOKEN": "secondary"},
        {"DISPLAY": "TABLE"},
    ]}]});
    assert_eq!(
        attach_of(vec![Block::Grid(api::GridBlock { entries })]).await,
        expected
    );
}

#[tokio::test]
async fn pictures_files_and_lines_have_every_field() {
    let image = api::AttachmentImage {
        url: text("/i.png"),
        name: text("i"),
        preview_url: text("/p.png"),
        width_pixels: 1,
        height_pixels: 2,
    };
    let file = api::AttachmentFile {
        url: text("https://example.com/f.zip"),
        name: text("f.zip"),
        size_bytes: 5_000_000_000,
    };
    let line = api::DelimiterBlock {
        size_pixels: 200,
        color: text("#c6c6c6"),
    };
    let expected = json!({"BLOCKS": [
        {"IMAGE": [{"LINK": "/i.png", "NAME": "i", "PREVIEW": "/p.png", "WIDTH": 1, "HEIGHT": 2}]},
        {"FILE": [{"LINK": "https://example.com/f.zip", "NAME": "f.zip", "SIZE": 5_000_000_000_i64}]},
        {"DELIMITER": {"SIZE": 200, "COLOR": "#c6c6c6"}},
        {"DELIMITER": {}},
    ]});
    let blocks = vec![
        Block::Image(api::ImageBlock {
            images: vec![image],
        }),
        Block::File(api::FileBlock { files: vec![file] }),
        Block::Delimiter(line),
        Block::Delimiter(api::DelimiterBlock::default()),
    ];
    assert_eq!(attach_of(blocks).await, expected);
}

fn keyboard() -> api::Keyboard {
    let full = api::KeyboardButton {
        text: text("Open"),
        action: Some(Action::Url(text("https://example.com/"))),
        disabled: true,
        context: api::ButtonContext::Mobile.into(),
        display: api::ButtonDisplay::Line.into(),
        width_pixels: 100,
        background_color: text("#111"),
        background_color_token: api::ColorToken::Primary.into(),
        text_color: text("#222"),
        disabled_background_color: text("#333"),
        disabled_text_color: text("#444"),
    };
    let with = |context: api::ButtonContext, display: api::ButtonDisplay| api::KeyboardButton {
        text: text("x"),
        action: Some(Action::Url(text("http://x"))),
        context: context.into(),
        display: display.into(),
        ..Default::default()
    };
    let items = [
        Item::Button(full),
        Item::RowBreak(api::RowBreak {}),
        Item::Button(with(api::ButtonContext::Desktop, api::ButtonDisplay::Block)),
        Item::Button(with(
            api::ButtonContext::All,
            api::ButtonDisplay::Unspecified,
        )),
        Item::Button(with(
            api::ButtonContext::Unspecified,
            api::ButtonDisplay::Unspecified,
        )),
    ];
    api::Keyboard {
        items: items
            .map(|item| api::KeyboardItem { item: Some(item) })
            .into(),
    }
}

fn keyboard_json() -> Value {
    json!({"BUTTONS": [
        {
            "TEXT": "Open", "LINK": "https://example.com/", "DISABLED": "Y", "CONTEXT": "MOBILE", "DISPLAY": "LINE",
            "WIDTH": 100, "BG_COLOR": "#111", "BG_COLOR_TOKEN": "primary", "TEXT_COLOR": "#222",
            "OFF_BG_COLOR": "#333", "OFF_TEXT_COLOR": "#444",
        },
        {"TYPE": "NEWLINE"},
        {"TEXT": "x", "LINK": "http://x", "CONTEXT": "DESKTOP", "DISPLAY": "BLOCK"},
        {"TEXT": "x", "LINK": "http://x", "CONTEXT": "ALL"},
        {"TEXT": "x", "LINK": "http://x"},
    ]})
}

#[tokio::test]
async fn a_keyboard_has_every_field_of_its_buttons_and_its_row_breaks() {
    let sent = sent(None, Some(KeyboardForm::Keyboard(keyboard()))).await;
    assert_eq!(sent["KEYBOARD"], keyboard_json());
}

/// The portal of the sandbox is written from the documentation alone, and takes it.
#[tokio::test]
async fn the_portal_accepts_the_keyboard_in_both_forms() {
    for form in [
        KeyboardForm::Keyboard(keyboard()),
        KeyboardForm::KeyboardStruct(struct_of(&keyboard_json())),
    ] {
        let world = World::start().await;
        let mut request = network_message("Hello");
        request.keyboard_form = Some(form);

        world.send(request).await.unwrap();
        let record = world.sandbox.record();
        let delivered: Vec<_> = record.deliveries().collect();
        assert!(
            matches!(delivered[..], [Delivery::Network { keyboard: Some(found), .. }] if *found == keyboard_json()),
            "{delivered:?}"
        );
    }
}

#[tokio::test]
async fn an_untyped_attachment_travels_as_it_is_with_whole_numbers_as_integers() {
    let given = json!({
        "ID": 1.0, "NEW": [0.0, -3.0, 1.5, 1e15, null, true, "5.0", {"DEEP": 2.0}], "BLOCKS": [{"MESSAGE": "x"}],
    });
    let form = AttachmentForm::AttachmentStruct(struct_of(&given));
    let keyboard =
        json!({"BUTTONS": [{"TEXT": "x", "LINK": "/x", "WIDTH": 100.0, "NEW": {"A": 1.0}}]});
    let keyboard = KeyboardForm::KeyboardStruct(struct_of(&keyboard));
    let sent = sent(Some(form), Some(keyboard)).await;
    let expected = json!({
        "ID": 1, "NEW": [0, -3, 1.5, 1_000_000_000_000_000_i64, null, true, "5.0", {"DEEP": 2}],
        "BLOCKS": [{"MESSAGE": "x"}],
    });
    // As texts: to a JSON value 1 and 1.0 would be different, but -0 and others could hide.
    assert_eq!(sent["ATTACH"].to_string(), expected.to_string());
    let expected = json!({"BUTTONS": [{"TEXT": "x", "LINK": "/x", "WIDTH": 100, "NEW": {"A": 1}}]});
    assert_eq!(sent["KEYBOARD"].to_string(), expected.to_string());
}

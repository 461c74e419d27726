//! The rules of `SendConnectorMessages`.

use crate::api::openlines::v1 as api;
use prost_types::Timestamp;

use super::{assert_only_violation, connector_message, url_of, violations};
use crate::openlines::connector_messages::SendConnectorMessages;

type Request = api::SendConnectorMessagesRequest;

/// Three good messages; the rules below are broken in the last one.
fn good() -> Request {
    let message = |number| connector_message(&format!("m{number}"), "text");
    Request {
        tenant_id: "app".to_owned(),
        connector_id: "connector".to_owned(),
        line_id: 1,
        messages: (0..3).map(message).collect(),
        ..Default::default()
    }
}

fn user(request: &mut Request) -> &mut api::ExternalUser {
    request.messages[2].user.as_mut().unwrap()
}

fn message(request: &mut Request) -> &mut api::ExternalMessage {
    request.messages[2].message.as_mut().unwrap()
}

fn chat(request: &mut Request) -> &mut api::ExternalChat {
    request.messages[2].chat.as_mut().unwrap()
}

fn file(url: &str, name: &str) -> api::ExternalFile {
    api::ExternalFile {
        url: url.to_owned(),
        name: name.to_owned(),
    }
}

fn at(seconds: i64) -> Option<Timestamp> {
    Some(Timestamp { seconds, nanos: 0 })
}

/// Field, rule, and the change that breaks it.
type Rule = (&'static str, &'static str, fn(&mut Request));

fn assert_each(rules: &[Rule]) {
    for (field, rule, change) in rules {
        let mut request = good();
        change(&mut request);
        assert_only_violation::<SendConnectorMessages>(&request, field, rule);
    }
}

#[test]
fn each_rule_of_the_call_is_named_alone() {
    assert_each(&[
        ("tenant_id", "REQUIRED", |r| r.tenant_id.clear()),
        ("request_id", "UUID", |r| r.request_id = "once".to_owned()),
        ("connector_id", "REQUIRED", |r| r.connector_id.clear()),
        ("connector_id", "TOO_LONG", |r| {
            r.connector_id = "c".repeat(256)
        }),
        ("connector_id", "CHARACTERS", |r| {
            r.connector_id = "my.connector".to_owned()
        }),
        ("connector_id", "CHARACTERS", |r| {
            r.connector_id = "my connector".to_owned()
        }),
        ("connector_id", "CHARACTERS", |r| {
            r.connector_id = "my\u{7f}connector".to_owned()
        }),
        ("line_id", "NOT_POSITIVE", |r| r.line_id = 0),
        ("line_id", "NOT_POSITIVE", |r| r.line_id = -107),
        ("messages", "REQUIRED", |r| r.messages.clear()),
        ("messages", "TOO_MANY", |r| {
            r.messages = vec![r.messages[0].clone(); 101];
        }),
        ("messages[2].user", "REQUIRED", |r| {
            r.messages[2].user = None
        }),
        ("messages[2].message", "REQUIRED", |r| {
            r.messages[2].message = None
        }),
        ("messages[2].chat", "REQUIRED", |r| {
            r.messages[2].chat = None
        }),
    ]);
}

#[test]
fn each_rule_of_a_user_is_named_alone() {
    assert_each(&[
        ("messages[2].user.id", "REQUIRED", |r| user(r).id.clear()),
        ("messages[2].user.id", "TOO_LONG", |r| {
            user(r).id = "u".repeat(256)
        }),
        ("messages[2].user.first_name", "TOO_LONG", |r| {
            user(r).first_name = "a".repeat(26)
        }),
        ("messages[2].user.first_name", "CHARACTERS", |r| {
            user(r).first_name = "R2D2".to_owned()
        }),
        ("messages[2].user.last_name", "TOO_LONG", |r| {
            user(r).last_name = "ü".repeat(26)
        }),
        ("messages[2].user.last_name", "CHARACTERS", |r| {
            user(r).last_name = "Smith_".to_owned()
        }),
        ("messages[2].user.last_name", "CHARACTERS", |r| {
            user(r).last_name = "🙂".to_owned()
        }),
        ("messages[2].user.picture_url", "ADDRESS", |r| {
            user(r).picture_url = "/a.png".to_owned()
        }),
        ("messages[2].user.picture_url", "TOO_LONG", |r| {
            user(r).picture_url = url_of(2049)
        }),
        ("messages[2].user.profile_url", "ADDRESS", |r| {
            user(r).profile_url = "ftp://a".to_owned()
        }),
        ("messages[2].user.profile_url", "TOO_LONG", |r| {
            user(r).profile_url = url_of(2049)
        }),
        ("messages[2].user.gender", "UNKNOWN_VALUE", |r| {
            user(r).gender = 3
        }),
        ("messages[2].user.email", "TOO_LONG", |r| {
            user(r).email = "e".repeat(255)
        }),
        ("messages[2].user.phone", "TOO_LONG", |r| {
            user(r).phone = "7".repeat(65)
        }),
    ]);
}

#[test]
fn each_rule_of_a_message_is_named_alone() {
    assert_each(&[
        ("messages[2].message.id", "REQUIRED", |r| {
            message(r).id.clear()
        }),
        ("messages[2].message.id", "TOO_LONG", |r| {
            message(r).id = "m".repeat(256)
        }),
        ("messages[2].message.send_time", "TIME", |r| {
            message(r).send_time = at(0)
        }),
        ("messages[2].message.send_time", "TIME", |r| {
            message(r).send_time = at(-1)
        }),
        ("messages[2].message.send_time", "TIME", |r| {
            message(r).send_time = at(253_402_300_800)
        }),
        ("messages[2].message", "TEXT_OR_FILES", |r| {
            message(r).text.clear()
        }),
        ("messages[2].message.text", "TOO_LONG", |r| {
            message(r).text = "t".repeat(20_001)
        }),
        ("messages[2].message.files", "TOO_MANY", |r| {
            message(r).files = vec![file("https://a/b", ""); 101];
        }),
        ("messages[2].message.files[1].url", "REQUIRED", |r| {
            message(r).files = vec![file("https://a/b", ""), file("", "")];
        }),
        ("messages[2].message.files[0].url", "ADDRESS", |r| {
            message(r).files = vec![file("https://a b", "")];
        }),
        ("messages[2].message.files[0].url", "TOO_LONG", |r| {
            message(r).files = vec![file(&url_of(2049), "")];
        }),
        ("messages[2].message.files[0].name", "TOO_LONG", |r| {
            message(r).files = vec![file("https://a/b", &"n".repeat(256))];
        }),
        ("messages[2].message.portal_user_id", "NEGATIVE", |r| {
            message(r).portal_user_id = Some(-1);
        }),
    ]);
}

#[test]
fn each_rule_of_a_chat_is_named_alone() {
    assert_each(&[
        ("messages[2].chat.id", "REQUIRED", |r| chat(r).id.clear()),
        ("messages[2].chat.id", "TOO_LONG", |r| {
            chat(r).id = "c".repeat(256)
        }),
        ("messages[2].chat.name", "TOO_LONG", |r| {
            chat(r).name = "n".repeat(256)
        }),
        ("messages[2].chat.url", "ADDRESS", |r| {
            chat(r).url = "example.com".to_owned()
        }),
        ("messages[2].chat.url", "TOO_LONG", |r| {
            chat(r).url = url_of(2049)
        }),
    ]);
}

#[test]
fn a_request_exactly_at_every_limit_breaks_no_rule() {
    let mut request = good();
    *user(&mut request) = api::ExternalUser {
        id: "u".repeat(255),
        first_name: "é".repeat(25),
        last_name: format!("D’Arc-o' {}", "я".repeat(16)),
        picture_url: url_of(2048),
        profile_url: "HTTP://x".to_owned(),
        gender: api::Gender::Male.into(),
        email: "e".repeat(254),
        phone: "7".repeat(64),
        skip_phone_validation: true,
    };
    *message(&mut request) = api::ExternalMessage {
        id: "m".repeat(255),
        send_time: at(253_402_300_799),
        text: "я".repeat(20_000),
        files: vec![file(&url_of(2048), &"n".repeat(255)); 100],
        disable_crm_tracker: true,
        portal_user_id: Some(0),
    };
    *chat(&mut request) = api::ExternalChat {
        id: "c".repeat(255),
        name: "n".repeat(255),
        url: url_of(2048),
    };
    request.messages[1].message.as_mut().unwrap().send_time = at(1);
    assert_eq!(violations::<SendConnectorMessages>(&request), []);
}

#[test]
fn files_alone_are_a_message() {
    let mut request = good();
    message(&mut request).text.clear();
    message(&mut request).files = vec![file("https://example.com/a.pdf", "")];
    assert_eq!(violations::<SendConnectorMessages>(&request), []);
}

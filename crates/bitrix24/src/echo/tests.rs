use proptest::prelude::*;
use serde_json::json;

use super::*;

const SECRET: &str = "xk3b1hkvi0hn3b44";
const TOKEN: &str = r#"a/b+c=|"\d<é>&f.2-9_~"#;

fn cut(secret: &str, text: &str) -> Option<String> {
    Echoes::of([&SecretString::from(secret)]).cut(text)
}

#[test]
fn a_secret_is_cut_out_in_every_form() {
    for form in [
        "xk3b1hkvi0hn3b44",
        "XK3B1HKVI0HN3B44",
        "xk3b1hkvi0HN3b44",
        // Escapes of URLs, once and twice, of HTML and of JSON.
        "%78k3b1hkvi0hn3b44",
        "%2578%6b3b1hkvi0hn3b44",
        "&#120;k3b1hkvi0hn3b4&#x34;",
        "\\u0078k3b1hkvi0hn3b44",
        // Hexadecimal, and base64 behind 0, 1 and 2 other bytes.
        "786b336231686b766930686e33623434",
        "786B336231686B766930686E33623434",
        "eGszYjFoa3ZpMGhuM2I0NA==",
        "LnhrM2IxaGt2aTBobjNiNDQu",
        "Li54azNiMWhrdmkwaG4zYjQ0Li4=",
    ] {
        let text = format!("the webhook ({form}) is not valid");
        assert_eq!(
            cut(SECRET, &text).as_deref(),
            Some("the webhook ([redacted]) is not valid"),
            "{form}"
        );
    }
}

#[test]
fn a_token_with_special_characters_is_cut_out_in_every_form() {
    let token = TOKEN.replace('é', "e");
    let url: String = form_urlencoded::byte_serialize(token.as_bytes()).collect();
    let json = serde_json::to_string(&token).unwrap();
    let html = token.replace('&', "&amp;").replace('<', "&lt;");
    let html = html.replace('>', "&gt;").replace('"', "&quot;");
    for form in [&token, &url, json.trim_matches('"'), &html] {
        assert_eq!(
            cut(&token, &format!("({form})")).as_deref(),
            Some("([redacted])"),
            "{form}"
        );
    }
}

#[test]
fn every_place_is_cut_out() {
    let text = format!("{SECRET}, {SECRET}{SECRET} и %78k3b1hkvi0hn3b44.");
    let expected = "[redacted], [redacted][redacted] и [redacted].";
    assert_eq!(cut(SECRET, &text).as_deref(), Some(expected));
}

#[test]
fn other_texts_stay_as_they_are() {
    for text in [
        "",
        "xk3b1hkvi0hn3b4",
        "2026-11-28T21:52:41+00:00",
        "https://acme.bitrix24.com/disk/showFile/1/?&ncc=1&filename=abcdefghijklmnopqrstuvwxyz",
        "100 % & \\ %zz &nope; \\u00",
    ] {
        assert_eq!(cut(SECRET, text), None, "{text}");
    }
    assert_eq!(cut("true", "true"), None, "too short to be a secret");
}

#[test]
fn texts_keys_and_numbers_of_a_document_are_cut() {
    let secrets = ["1234567890123456".into(), SECRET.into()];
    let echoes = Echoes::of(&secrets);
    let mut document = json!({
        "error": SECRET,
        "list": [{"deep": [format!("a {SECRET} b"), 7, true, null]}],
        SECRET: 1,
        "number": 1_234_567_890_123_456_u64,
    });
    echoes.cut_from(&mut document);
    let expected = json!({
        "error": "[redacted]",
        "list": [{"deep": ["a [redacted] b", 7, true, null]}],
        "[redacted]": 1,
        "number": "[redacted]",
    });
    assert_eq!(document, expected);
}

#[test]
fn a_document_is_clean_for_certain_if_nothing_in_it_can_be_a_secret() {
    let secret = SecretString::from(SECRET);
    let is_clean = |json: &str| Sent::one(&secret).are_surely_not_in(json.as_bytes());
    for clean in [
        r#"{"result":8441,"time":{"date_start":"2026-03-11T13:53:13+01:00","operating_reset_at":0}}"#,
        r#"{"result":"xk3b1hkvi0hn3b4","x":"xk3b1h kvi0hn3b44"}"#,
        "",
    ] {
        assert!(is_clean(clean), "{clean}");
    }
    for other in [
        r#"{"result":"xk3b1hkvi0hn3b44"}"#,
        r#"{"XK3B1HKVI0HN3B44":1}"#,
        r#"{"result":"xxk3b1hkvi0hn3b44"}"#,
        r#"{"result":"786b336231686b766930686e33623434"}"#,
        r#"{"result":"eGszYjFoa3ZpMGhuM2I0NA=="}"#,
        r#"{"result":"LnhrM2IxaGt2aTBobjNiNDQu"}"#,
        // These take a closer look.
        r#"{"result":"a\/b"}"#,
        r#"{"result":"100 %"}"#,
        r#"{"result":"a & b"}"#,
        r#"{"result":"abcdefghijklmnopqrst"}"#,
    ] {
        assert!(!is_clean(other), "{other}");
    }
    let number = SecretString::from("1234567890123456");
    assert!(!Sent::one(&number).are_surely_not_in(br#"{"result":1.234567890123456e15}"#));
    assert!(Sent::default().are_surely_not_in(b"{}"));
}

proptest! {
    #[test]
    fn a_document_that_is_clean_for_certain_has_nothing_to_cut_out(
        before in "[ -~]{0,20}",
        form in 0..6_usize,
        secret in "[a-zA-Z0-9+/=~-]{6,40}",
    ) {
        let form = match form {
            0 => String::new(),
            1 => secret.clone(),
            2 => secret.to_uppercase(),
            3 => String::from_utf8(hexadecimal(secret.as_bytes())).unwrap(),
            _ => {
                let needles = base64(secret.as_bytes());
                String::from_utf8(needles[form % needles.len()].clone()).unwrap()
            }
        };
        let value = json!({"result": format!("{before}{form} ")});
        let secret = SecretString::from(secret);
        let sent = Sent::one(&secret);
        if sent.are_surely_not_in(value.to_string().as_bytes()) {
            prop_assert!(!sent.echoes().are_in(&value), "{value}");
        }
    }

    #[test]
    fn no_text_hides_a_secret_between_others(
        before in "\\PC{0,20}",
        after in "\\PC{0,20}",
        secret in "[a-zA-Z0-9.+/=~-]{6,40}",
    ) {
        let text = format!("{before}{secret}{after}");
        let cut = cut(&secret, &text).unwrap();
        // What stands beside it may be the start of the secret again.
        prop_assert!(!cut.to_lowercase().contains(&secret.to_lowercase()));
    }
}

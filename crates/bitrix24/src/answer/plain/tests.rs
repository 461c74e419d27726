//! The one pass says what the rules with all quirks say, or nothing.

use std::fs;
use std::path::Path;

use proptest::prelude::*;
use secrecy::SecretString;
use serde_json::{Value, json};

use super::*;
use crate::batch::Maps;
use crate::echo::Sent;

const SECRET: &str = "xk3b1hkvi0hn3b44";

/// Reads the body in both ways. Whether the one pass read it.
#[track_caller]
fn both<R: Contents + PartialEq + fmt::Debug>(status: u16, body: &[u8], secret: &str) -> bool {
    let secret = SecretString::from(secret);
    let body = body.to_vec();
    let response = HttpResponse::new(status, None, body, Sent::one(&secret));
    let Some(envelope) = read::<R>(&response) else {
        return false;
    };
    let told = String::from_utf8_lossy(response.body()).into_owned();
    assert_eq!(
        Envelope::read_with_quirks(&response),
        Ok(envelope),
        "{told}"
    );
    true
}

#[track_caller]
fn single(body: &str) -> bool {
    both::<Value>(200, body.as_bytes(), SECRET)
}

#[track_caller]
fn batch(body: &str) -> bool {
    both::<Maps>(200, body.as_bytes(), SECRET)
}

#[test]
fn usual_answers_are_read_in_one_pass() {
    let time = r#""time":{"start":1773265993,"finish":1773265994.487149,"duration":1.5,
        "processing":0.2,"date_start":"2026-03-11T13:53:13+01:00",
        "date_finish":"2026-03-11T13:53:14+01:00","operating_reset_at":1773266593,"operating":0.1}"#;
    for result in [
        "8441",
        "true",
        "null",
        r#"{"SUCCESS":true,"DATA":[{"text":"й \u0439 \/"}]}"#,
    ] {
        assert!(
            single(&format!(r#"{{"result":{result},{time}}}"#)),
            "{result}"
        );
        assert!(single(&format!(
            r#"{{"error":null,"result":{result},"total":1}}"#
        )));
    }
    let maps = r#"{"result":{"m1":8441,"m2":[1]},"result_error":[],"result_total":[],
        "result_next":[],"result_time":{"m1":{"operating":0.5},"m2":{}}}"#;
    assert!(batch(&format!(r#"{{"result":{maps},{time}}}"#)));
    assert!(batch(
        r#"{"result":{"result":[],"result_error":{"m1":{"error":"NOT_FOUND"}}}}"#
    ));
}

#[test]
fn what_is_unusual_is_left_to_the_other_rules() {
    for body in [
        "",
        "7",
        r#"["result"]"#,
        r#"{"result":1"#,
        r#"{"result":1}}"#,
        r#"{"error":"","result":1}"#,
        r#"{"time":{}}"#,
        r#"{"SUCCESS":true,"DATA":{"RESULT":[]}}"#,
        r#"{"result":1,"time":[]}"#,
        r#"{"result":1,"time":{"start":"1.5"}}"#,
        r#"{"result":1,"x":"\ud800"}"#,
        r#"{"result":1,"x":1e999}"#,
    ] {
        assert!(!single(body), "{body}");
    }
    assert!(!both::<Value>(500, br#"{"result":1}"#, SECRET));
    assert!(!both::<Value>(
        200,
        b"{\"result\":1,\"x\":\"\xcd\"}",
        SECRET
    ));
    assert!(!batch(r#"{"result":{"result":[1],"result_error":[]}}"#));
    let deep = format!(
        r#"{{"result":1,"x":{}{}}}"#,
        "[".repeat(200),
        "]".repeat(200)
    );
    assert!(!single(&deep));
}

#[test]
fn an_answer_that_repeats_a_secret_is_left_to_the_other_rules() {
    for form in [
        SECRET,
        "XK3B1HKVI0HN3B44",
        "%78k3b1hkvi0hn3b44",
        "\\u0078k3b1hkvi0hn3b44",
        "786b336231686b766930686e33623434",
        "LnhrM2IxaGt2aTBobjNiNDQu",
    ] {
        for body in [
            format!(r#"{{"result":["a {form} b"]}}"#),
            format!(r#"{{"result":{{"{form}":1}}}}"#),
            format!(r#"{{"result":1,"time":{{"date_start":"{form}"}}}}"#),
        ] {
            assert!(!single(&body), "{body}");
        }
        assert!(!batch(&format!(
            r#"{{"result":{{"result":{{"m1":"{form}"}}}}}}"#
        )));
    }
    let number = r#"{"result":1234567890123456}"#;
    assert!(!both::<Value>(200, number.as_bytes(), "1234567890123456"));
    assert!(!both::<Value>(200, br#"{"result":"\/"}"#, "result"));
}

#[test]
fn every_response_that_was_found_by_fuzzing_is_read_alike() {
    let corpus = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fuzz/corpus");
    let mut read = 0;
    for folder in ["portal_answer", "batch_answer"] {
        for input in fs::read_dir(corpus.join(folder)).unwrap() {
            let bytes = fs::read(input.unwrap().path()).unwrap();
            for start in 0..bytes.len().min(5) {
                for secret in [SECRET, "s3cr3tcanary"] {
                    read += usize::from(both::<Value>(200, &bytes[start..], secret));
                    read += usize::from(both::<Maps>(200, &bytes[start..], secret));
                }
            }
        }
    }
    assert!(read > 0);
}

/// Texts that are of interest somewhere.
fn text() -> impl Strategy<Value = String> {
    prop_oneof![
        "[a-z0-9 +/=%&\\\\\"я-]{0,30}",
        Just(SECRET.to_owned()),
        Just(format!("x{SECRET}y")),
        Just("2026-03-11T13:53:13+01:00".to_owned()),
        Just("1.5".to_owned()),
    ]
}

fn name() -> impl Strategy<Value = String> {
    let names = [
        "result",
        "error",
        "time",
        "SUCCESS",
        "DATA",
        "result_error",
        "result_time",
        "m1",
        "m2",
        "m02",
        "m1001",
        "start",
        "finish",
        "duration",
        "date_start",
        "operating",
        "other",
        "error_description",
    ];
    prop_oneof![
        12 => proptest::sample::select(names.to_vec()).prop_map(str::to_owned),
        1 => text(),
    ]
}

fn value() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(json!(null)),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        text().prop_map(Value::from),
        Just(json!([])),
    ];
    leaf.prop_recursive(4, 40, 6, |inner| {
        prop_oneof![
            proptest::collection::vec(inner.clone(), 0..3).prop_map(Value::from),
            proptest::collection::vec((name(), inner), 0..5)
                .prop_map(|fields| Value::Object(fields.into_iter().collect())),
        ]
    })
}

/// The text of a document, with fields that come twice, and perhaps with a byte that is wrong.
fn body() -> impl Strategy<Value = Vec<u8>> {
    let fields = proptest::collection::vec((name(), value()), 0..5);
    let damage = proptest::option::weighted(0.2, (any::<prop::sample::Index>(), any::<u8>()));
    (proptest::option::of(value()), fields, damage).prop_map(|(result, fields, damage)| {
        let result = result.map(|result| ("result".to_owned(), result));
        let fields: Vec<String> = result
            .into_iter()
            .chain(fields)
            .map(|(name, value)| format!("{}:{value}", Value::from(name)))
            .collect();
        let mut body = format!("{{{}}}", fields.join(",")).into_bytes();
        if let Some((at, byte)) = damage {
            let at = at.index(body.len());
            body[at] = byte;
        }
        body
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]

    #[test]
    fn both_ways_of_reading_agree(body in body(), status in prop_oneof![Just(200), Just(204), Just(400)]) {
        both::<Value>(status, &body, SECRET);
        both::<Maps>(status, &body, SECRET);
    }
}

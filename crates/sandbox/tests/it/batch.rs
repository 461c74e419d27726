//! `batch`: order, maps, references, refusals of commands and of the batch, and the record.

use std::time::{Duration, Instant};

use sandbox::{
    AnswerGeneration, BatchReferences, CommandEntry, CommandFault, Fault, FaultKind, Intensity,
    Moment, Portal, SystemError, TokenState, demo,
};
use serde_json::{Value, json};

use crate::desk::*;

const BATCH: &str = "batch";

/// A command of the CRM method with this text.
fn add(text: &str) -> String {
    let text: String = form_urlencoded(text);
    format!(
        "{CRM}?CRM_ENTITY_TYPE=lead&CRM_ENTITY={}&USER_ID={}&CHAT_ID={}&MESSAGE={text}",
        demo::LEAD,
        demo::MEMBER,
        demo::CHAT
    )
}

fn form_urlencoded(text: &str) -> String {
    text.bytes().map(|byte| format!("%{byte:02X}")).collect()
}

async fn batch(desk: &Desk, commands: Value) -> Value {
    desk.as_webhook(BATCH, json!({"cmd": commands}))
        .await
        .result()
}

fn texts(desk: &Desk) -> Vec<String> {
    let record = desk.sandbox.record();
    record
        .deliveries()
        .map(|delivery| delivery.text().to_owned())
        .collect()
}

#[tokio::test]
async fn each_command_has_its_result_and_time_or_its_error() {
    let desk = Desk::open().await;
    let commands =
        json!({"a good": add("one"), "bad": format!("{CRM}?USER_ID=1"), "none": "im.nothing"});
    let response = desk
        .as_webhook(BATCH, json!({"halt": 0, "cmd": commands}))
        .await;
    let result = response.result();
    assert!(result["result"]["a good"].is_i64());
    assert_eq!(
        result["result_error"],
        json!({
            "bad": {"error": "ERROR_ARGUMENT", "error_description": "Argument 'CRM_ENTITY_TYPE' is null or empty"},
            "none": {"error": "ERROR_METHOD_NOT_FOUND", "error_description": "Method not found!"},
        })
    );
    assert_eq!(
        (&result["result_total"], &result["result_next"]),
        (&json!([]), &json!([]))
    );
    let times = result["result_time"].as_object().unwrap();
    assert_eq!(times.keys().collect::<Vec<_>>(), ["a good"]);
    assert!(times["a good"]["operating_reset_at"].is_i64());
    // The commands are charged, not the batch.
    let time = response.json()["time"].clone();
    assert!(
        time["start"].is_i64() && time.get("operating").is_none(),
        "{time}"
    );

    let entry = desk.last_entry();
    assert!(entry.executed && entry.method == BATCH && entry.deliveries.len() == 1);
    let command = |key: &str, method: &str, error: Option<&str>| CommandEntry {
        key: key.to_owned(),
        method: method.to_owned(),
        executed: error.is_none(),
        fault: None,
        error: error.map(str::to_owned),
    };
    assert_eq!(
        entry.commands,
        [
            command("a good", CRM, None),
            command("bad", CRM, Some("ERROR_ARGUMENT")),
            command("none", "im.nothing", Some("ERROR_METHOD_NOT_FOUND")),
        ]
    );
}

#[tokio::test]
async fn maps_are_written_as_php_writes_them() {
    let desk = Desk::open().await;
    let nothing = json!({
        "result": [], "result_error": [], "result_total": [], "result_next": [], "result_time": [],
    });
    assert_eq!(batch(&desk, json!({})).await, nothing);
    assert_eq!(desk.as_webhook(BATCH, json!({})).await.result(), nothing);

    let all_good = batch(&desk, json!([add("a"), add("b")])).await;
    assert_eq!(all_good["result"].as_array().unwrap().len(), 2);
    assert_eq!(all_good["result_time"].as_array().unwrap().len(), 2);

    let first_bad = batch(&desk, json!(["im.nothing", add("c")])).await;
    assert_eq!(first_bad["result_error"].as_array().unwrap().len(), 1);
    assert!(first_bad["result"]["1"].is_i64());

    let numbers = batch(&desk, json!({"35943": add("d"), "0": "im.nothing"})).await;
    assert!(numbers["result"]["35943"].is_i64());
    assert!(numbers["result_error"].is_array());
}

#[tokio::test]
async fn commands_run_in_the_order_in_which_they_were_sent() {
    let desk = Desk::open().await;
    let body = format!(
        r#"{{"cmd": {{"z": "{}", "a": "{}", "m": "{}"}}}}"#,
        add("first"),
        add("second"),
        add("third")
    );
    let request = desk.client.post(desk.url(&webhook(BATCH)));
    let request = request
        .header("content-type", "application/json")
        .body(body);
    Desk::send(request).await.unwrap().result();
    assert_eq!(texts(&desk), ["first", "second", "third"]);
}

#[tokio::test]
async fn a_batch_is_understood_in_every_encoding() {
    let desk = Desk::open().await;
    let command = form_urlencoded(&add("a & b"));
    let token = demo::ACCESS_TOKEN;
    let multipart = format!(
        "--xx\r\nContent-Disposition: form-data; name=\"cmd[one]\"\r\n\r\n{}\r\n\
         --xx\r\nContent-Disposition: form-data; name=\"auth\"\r\n\r\n{token}\r\n--xx--\r\n",
        add("a & b")
    );
    let requests = [
        desk.post_json(
            &webhook("batch.json"),
            &json!({"cmd": {"one": add("a & b")}}),
        ),
        desk.post_form(&webhook(BATCH), &format!("cmd[one]={command}&halt=0")),
        desk.post_form(
            &format!("/rest/batch?auth={token}"),
            &format!("cmd%5Bone%5D={command}"),
        ),
        desk.client
            .get(desk.url(&format!("{}?cmd[one]={command}", webhook(BATCH)))),
        desk.client
            .post(desk.url("/rest/batch"))
            .header("content-type", "multipart/form-data; boundary=xx")
            .body(multipart),
    ];
    let count = requests.len();
    for request in requests {
        let result = Desk::send(request).await.unwrap().result();
        assert!(result["result"]["one"].is_i64(), "{result}");
    }
    assert_eq!(desk.sandbox.record().times_delivered("a & b"), count);
}

#[tokio::test]
async fn halt_ends_the_batch_at_the_first_error_and_leaves_no_trace_of_the_rest() {
    let desk = Desk::open().await;
    let commands = json!({"a": add("a"), "b": "im.nothing", "c": add("c")});
    let result = desk
        .as_webhook(BATCH, json!({"halt": 1, "cmd": commands}))
        .await
        .result();
    assert!(result["result"].get("c").is_none() && result["result_error"].get("c").is_none());
    assert_eq!(texts(&desk), ["a"]);
    assert_eq!(desk.last_entry().commands.len(), 2);
}

#[tokio::test]
async fn commands_after_the_fiftieth_are_refused_one_by_one() {
    let desk = Desk::open().await;
    let commands: Vec<String> = (0..53).map(|at| add(&format!("m{at}"))).collect();
    let result = batch(&desk, json!(commands)).await;
    assert_eq!(result["result"].as_array().unwrap().len(), 50);
    let errors = result["result_error"].as_object().unwrap();
    assert_eq!(errors.keys().collect::<Vec<_>>(), ["50", "51", "52"]);
    assert_eq!(
        errors["50"],
        json!({"error": "ERROR_BATCH_LENGTH_EXCEEDED", "error_description": "Max batch length exceeded"})
    );
    assert_eq!(texts(&desk).len(), 50);
}

#[tokio::test]
async fn some_methods_are_not_allowed_in_a_batch() {
    let desk = Desk::open().await;
    let result = batch(
        &desk,
        json!({"a": "batch?cmd[x]=y", "b": "download", "c": "Upload?x=1"}),
    )
    .await;
    for key in ["a", "b", "c"] {
        assert_eq!(
            result["result_error"][key],
            json!({"error": "ERROR_BATCH_METHOD_NOT_ALLOWED", "error_description": "Method is not allowed for batch usage"})
        );
    }
}

#[tokio::test]
async fn a_reference_takes_the_result_of_an_earlier_command() {
    let desk = Desk::open().await;
    let first = batch(
        &desk,
        json!({"a": add("one"), "b": format!("{}$result[a]", add("after "))}),
    )
    .await;
    let id = first["result"]["a"].clone();
    assert_eq!(texts(&desk), ["one".to_owned(), format!("after {id}")]);

    // Encoded as clients encode user text it is still a reference, unless the switch differs.
    desk.sandbox.clear_record();
    let commands = || json!({"a": add("one"), "b": add("$result[a]"), "c": add("$result[zz][0]")});
    let second = batch(&desk, commands()).await;
    let id = second["result"]["a"].to_string();
    assert_eq!(texts(&desk), ["one", id.as_str(), "$result[zz][0]"]);
    desk.sandbox.clear_record();
    desk.sandbox
        .switch(|switches| switches.batch_references = BatchReferences::BeforeDecoding);
    batch(&desk, commands()).await;
    assert_eq!(texts(&desk), ["one", "$result[a]", "$result[zz][0]"]);
}

#[tokio::test]
async fn the_credential_of_the_request_is_that_of_its_commands() {
    let desk = Desk::open().await;
    let command = format!(
        "{CONNECTOR}?CONNECTOR={}&LINE={}&MESSAGES[0][user][id]=u&MESSAGES[0][chat][id]=c\
         &MESSAGES[0][message][text]=t",
        demo::CONNECTOR,
        demo::LINE
    );
    let body = json!({"cmd": {"one": command}});
    let refused = desk.as_webhook(BATCH, body.clone()).await.result();
    assert_eq!(
        refused["result_error"]["one"]["error"],
        json!("WRONG_AUTH_TYPE")
    );
    let accepted = desk.as_application(BATCH, body).await.result();
    assert_eq!(accepted["result"]["one"]["SUCCESS"], json!(true));
    assert_eq!(texts(&desk), ["t"]);
}

#[tokio::test]
async fn what_is_wrong_with_the_credential_ends_the_whole_request() {
    let desk = Desk::open().await;
    desk.sandbox.alter(demo::HOST, |portal| {
        portal.tokens[0].state = TokenState::Expired;
        portal.webhooks[0].scopes.clear();
    });
    let response = desk.as_application(BATCH, json!({"cmd": [add("x")]})).await;
    let text = "The access token provided has expired";
    desk.refused_with(&response, 401, "expired_token", text);
    // A missing scope concerns the command and has no text.
    let result = batch(&desk, json!({"a": add("x")})).await;
    assert_eq!(
        result["result_error"],
        json!({"a": {"error": "insufficient_scope", "error_description": ""}})
    );
}

#[tokio::test]
async fn a_lost_answer_leaves_all_commands_executed_or_none() {
    let desk = Desk::open().await;
    for (moment, delivered) in [(Moment::Before, 0), (Moment::After, 2)] {
        desk.sandbox.inject(Fault::once(FaultKind::Reset(moment)));
        let body = json!({"cmd": {"a": add("a"), "b": add("b")}});
        assert!(desk.try_webhook(BATCH, &body).await.is_err());
        let entry = desk.last_entry();
        assert_eq!(entry.executed, delivered > 0);
        assert_eq!(
            (entry.deliveries.len(), entry.commands.len()),
            (delivered, delivered)
        );
    }
}

#[tokio::test]
async fn a_batch_keeps_its_envelope_in_every_generation() {
    let desk = Desk::open().await;
    desk.sandbox.set_generation(AnswerGeneration::OldBare);
    assert!(batch(&desk, json!({"a": add("a")})).await["result"]["a"].is_i64());
}

#[tokio::test]
async fn every_command_takes_its_time_and_the_request_once_more() {
    let mut portal = Portal::demo();
    portal.limits.request_latency_ms = 40;
    portal.limits.command_latency_ms = 20;
    let desk = Desk::with(vec![portal]).await;
    for (commands, least) in [(1, 60), (5, 140)] {
        let begun = Instant::now();
        let texts: Vec<String> = (0..commands).map(|at| add(&format!("m{at}"))).collect();
        batch(&desk, json!(texts)).await;
        assert!(begun.elapsed() >= Duration::from_millis(least));
    }
}

#[tokio::test]
async fn a_fault_of_commands_hits_one_command_and_the_batch_is_answered() {
    let error = SystemError::INTERNAL_SERVER_ERROR;
    let code = Some("INTERNAL_SERVER_ERROR");
    for (fault, executed, expected) in [
        (CommandFault::Refuse(error), false, code),
        (CommandFault::Fail(error), true, code),
        (CommandFault::Omit(Moment::Before), false, None),
        (CommandFault::Omit(Moment::After), true, None),
    ] {
        let desk = Desk::open().await;
        let kind = FaultKind::Command(fault);
        desk.sandbox.inject(Fault::every(2, kind.clone()));
        let result = batch(&desk, json!({"a": add("a"), "b": add("b"), "c": add("c")})).await;
        assert!(result["result"]["a"].is_i64() && result["result"]["c"].is_i64());
        let told = (
            &result["result"]["b"],
            result["result_error"]["b"]["error"].as_str(),
        );
        assert_eq!(told, (&Value::Null, expected), "{}", kind.name());
        assert!(result["result_time"]["b"].is_null());

        let command = desk.last_entry().commands.remove(1);
        assert_eq!(command.fault.as_deref(), Some(kind.name()));
        assert_eq!(
            (command.executed, command.error.as_deref()),
            (executed, expected)
        );
        let delivered: &[&str] = if executed {
            &["a", "b", "c"]
        } else {
            &["a", "c"]
        };
        assert_eq!(texts(&desk), delivered);
    }
}

#[tokio::test]
async fn a_fault_of_commands_spares_single_calls_and_other_methods() {
    let desk = Desk::open().await;
    let fault = FaultKind::Command(CommandFault::Omit(Moment::Before));
    desk.sandbox.inject(Fault::always(fault).for_method(CRM));
    desk.as_webhook(CRM, crm_call()).await.result();
    let result = batch(&desk, json!({"a": add("a"), "b": "scope"})).await;
    assert!(result["result"]["b"].is_array(), "{result}");
    assert!(result["result"].get("a").is_none());
}

#[tokio::test]
async fn a_method_that_a_portal_does_not_want_in_a_batch_is_refused_there_only() {
    let desk = Desk::open().await;
    desk.sandbox
        .switch(|switches| switches.not_in_batch = vec![CRM.to_owned()]);
    let result = batch(&desk, json!({"a": add("a"), "b": "scope"})).await;
    assert_eq!(
        result["result_error"]["a"]["error"],
        "ERROR_BATCH_METHOD_NOT_ALLOWED"
    );
    assert!(result["result"]["b"].is_array());
    desk.as_webhook(CRM, crm_call()).await.result();
}

#[tokio::test]
async fn the_record_tells_how_full_the_bucket_was() {
    let mut portal = Portal::demo();
    portal.limits.intensity = Some(Intensity {
        burst: 2,
        drain_per_second: 0.0,
    });
    let desk = Desk::with(vec![portal]).await;
    for _ in 0..3 {
        desk.as_webhook(CRM, crm_call()).await;
    }
    let record = desk.sandbox.record();
    let levels: Vec<Option<f64>> = record.entries.iter().map(|entry| entry.bucket).collect();
    assert_eq!(levels, [Some(1.0), Some(2.0), Some(2.0)]);
}

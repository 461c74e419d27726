//! A command means the same as the call sent alone.

use bitrix24::{CallError, Command, Method};
use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};
use sandbox::{Delivery, Sandbox, decode_form, demo};
use serde_json::{Value, json};

use super::values::{as_decoded, message_text, messages, parameters};
use super::{Counter, possible_command, sandbox};

#[test]
fn a_command_decodes_to_the_parameters_it_was_made_of() {
    let mut runner = TestRunner::new(Config::with_cases(2000));
    let outcome = runner.run(&parameters(), |parameters| {
        let Some(command) = possible_command(Method::AddCrmMessage, &parameters) else {
            return Ok(());
        };
        let (method, query) = command.as_str().split_once('?').unwrap();
        prop_assert_eq!(method, "imopenlines.crm.message.add");
        // The top level is always a map.
        let mut expected = as_decoded(&json!({"all": parameters}))["all"].take();
        if let Value::Array(items) = expected {
            let items = items.into_iter().enumerate();
            expected = items.map(|(at, item)| (at.to_string(), item)).collect();
        }
        prop_assert_eq!(Value::Object(decode_form(query)), expected);
        Ok(())
    });
    outcome.unwrap();
}

/// A message of any of the three methods.
fn calls() -> impl Strategy<Value = (Method, Value)> {
    prop_oneof![
        messages().prop_map(|messages| {
            let parameters = json!({
                "CONNECTOR": demo::CONNECTOR,
                "LINE": demo::LINE,
                "MESSAGES": messages,
            });
            (Method::SendConnectorMessages, parameters)
        }),
        message_text().prop_map(|text| (Method::AddCrmMessage, super::crm(&text))),
        (message_text(), any::<bool>(), any::<bool>()).prop_map(|(text, has_blocks, hides)| {
            let mut parameters = json!({
                "CODE": demo::NETWORK_CODE,
                "USER_ID": demo::OUTSIDER,
                "MESSAGE": format!("t{text}"),
            });
            if has_blocks {
                parameters["ATTACH"] = json!([{"MESSAGE": text}, {"LINK": {"NAME": text, "LINK": "https://x.example/?a=1&b=%20"}}]);
                parameters["KEYBOARD"] = json!({"BUTTONS": [{"TEXT": text, "BLOCK": "Y", "COMMAND_PARAMS": text}]});
            }
            if hides {
                parameters["URL_PREVIEW"] = json!("N");
            }
            (Method::AddNetworkMessage, parameters)
        }),
    ]
}

/// A portal's deliveries for a call, and its response.
async fn told(sandbox: &Sandbox, answer: Result<Value, CallError>) -> (Vec<Value>, String) {
    let record = sandbox.record();
    let deliveries = record.deliveries().map(|delivery: &Delivery| {
        // Numbers in blocks are texts in a query, as documented.
        as_decoded(&serde_json::to_value(delivery).unwrap())
    });
    let answer = match answer {
        Ok(result) => result.to_string(),
        Err(CallError::Refused(refusal)) => refusal.code,
        Err(error) => panic!("{error}"),
    };
    (deliveries.collect(), answer)
}

#[test]
fn a_call_in_a_batch_and_the_call_by_itself_are_recorded_and_answered_alike() {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let mut runner = TestRunner::new(Config::with_cases(150));
    let outcome = runner.run(&calls(), |(method, parameters)| {
        let Some(command) = possible_command(method, &parameters) else {
            return Ok(());
        };
        let (alone, batched) = runtime.block_on(async {
            let (first, second) = (sandbox().await, sandbox().await);
            let answer = Counter::at(first.address()).call(method, &parameters).await;
            let alone = told(&first, answer.map(|answer| answer.result)).await;
            let batch = Counter::at(second.address()).batch(&[command]).await;
            let [answer] = <[_; 1]>::try_from(batch.unwrap().results).unwrap();
            (
                alone,
                told(&second, answer.map(|answer| answer.result)).await,
            )
        });
        prop_assert_eq!(alone, batched);
        Ok(())
    });
    outcome.unwrap();
}

#[tokio::test]
async fn fifty_commands_are_one_request_and_keep_their_order() {
    let sandbox = sandbox().await;
    let texts: Vec<String> = (0..50).map(|number| format!("text {number}")).collect();
    let commands: Vec<Command> = texts.iter().map(|text| super::crm_command(text)).collect();
    let answer = Counter::at(sandbox.address())
        .batch(&commands)
        .await
        .unwrap();
    let ids: Vec<i64> = answer
        .results
        .iter()
        .map(|answer| answer.as_ref().unwrap().result.as_i64().unwrap())
        .collect();
    assert!(ids.is_sorted() && ids.len() == 50, "{ids:?}");
    for answer in &answer.results {
        let time = &answer.as_ref().unwrap().time;
        assert!(time.operating.is_some() && time.operating_reset_at.is_some());
    }

    let record = sandbox.record();
    assert_eq!(record.entries.len(), 1);
    let delivered: Vec<&str> = record.deliveries().map(Delivery::text).collect();
    assert_eq!(delivered, texts);
}

#[tokio::test]
async fn a_method_without_parameters_is_a_command_too() {
    let sandbox = sandbox().await;
    let command = super::command(Method::ReadScopes, &json!({}));
    assert_eq!(command.as_str(), "scope?");
    let answer = Counter::at(sandbox.address())
        .batch(&[command])
        .await
        .unwrap();
    let scopes = &answer.results[0].as_ref().unwrap().result;
    assert!(scopes.as_array().unwrap().contains(&json!("imopenlines")));
}

#[tokio::test]
async fn a_text_that_looks_like_a_reference_travels_alone() {
    for text in ["$result[m1]", "%24result[m1]", "$RESULT[m1][0]"] {
        assert_eq!(
            possible_command(Method::AddCrmMessage, &super::crm(text)),
            None,
            "{text}"
        );
        let sandbox = sandbox().await;
        let answer = Counter::at(sandbox.address())
            .call(Method::AddCrmMessage, &super::crm(text))
            .await;
        answer.unwrap();
        assert_eq!(sandbox.record().times_delivered(text), 1);
    }
}

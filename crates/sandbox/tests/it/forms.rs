//! The forms of successful responses that the switches select.

use sandbox::{
    AnswerGeneration, ConnectorResult, DateForm, ExtraForm, IdForm, ResultForm, SuccessForm,
    Switches, TimeForm,
};
use serde_json::{Value, json};

use crate::desk::*;

/// The whole response and its only item, under one changed switch.
async fn answer(change: impl FnOnce(&mut Switches)) -> (Value, Value) {
    let desk = Desk::open().await;
    desk.sandbox.switch(change);
    let mut sent = message("u", "m", "t");
    sent["message"]["disable_crm"] = json!("Y");
    let response = desk
        .as_application(CONNECTOR, connector_call(&[sent]))
        .await;
    assert!(desk.last_entry().executed);
    let json = response.json();
    let item = json["result"]["DATA"]["RESULT"][0].clone();
    (json, item)
}

#[tokio::test]
async fn by_default_an_answer_looks_as_documented() {
    let (answer, item) = answer(|_| ()).await;
    assert_eq!(item["extra"], json!({"disable_tracker": "Y"}));
    let time = &answer["time"];
    assert!(
        time["start"].is_i64() && time["finish"].is_f64() && time["processing"].is_i64(),
        "{time}"
    );
    assert!(
        time["operating_reset_at"].is_i64() && time["operating"].is_number(),
        "{time}"
    );
    for date in ["date_start", "date_finish"] {
        let date = time[date].as_str().unwrap();
        assert!(date.len() == 25 && date.ends_with("+03:00"), "{date}");
    }
}

#[tokio::test]
async fn the_previous_generation_has_the_previous_fields() {
    let (_, item) = answer(|switches| switches.answer_generation = AnswerGeneration::Old).await;
    assert_eq!(
        item["message"],
        json!({"id": "m", "date": {}, "text": "t", "disable_crm": "true"})
    );
    assert!(item.get("extra").is_none());
    let (bare, _) = answer(|switches| switches.answer_generation = AnswerGeneration::OldBare).await;
    assert_eq!(bare["SUCCESS"], json!(true));
    assert!(bare["DATA"]["RESULT"][0]["session"].is_object() && bare.get("time").is_none());
}

#[tokio::test]
async fn each_switch_changes_its_field() {
    let (_, item) = answer(|switches| switches.ids = IdForm::Number).await;
    assert!(
        item["user"].is_i64() && item["session"]["ID"].is_i64(),
        "{item}"
    );
    let (_, item) = answer(|switches| switches.date = DateForm::Unix).await;
    assert_eq!(item["message"]["date"], json!(1_773_265_993));
    let (_, item) = answer(|switches| switches.session = false).await;
    assert!(item.get("session").is_none());
    let (_, item) = answer(|switches| switches.extra = ExtraForm::Never).await;
    assert!(item.get("extra").is_none());
    let (answer_, _) = answer(|switches| switches.result = ResultForm::Object).await;
    assert_eq!(
        answer_["result"]["DATA"]["RESULT"]["0"]["SUCCESS"],
        json!(true)
    );
    let (answer_, item) = answer(|switches| switches.success = SuccessForm::TrueFalse).await;
    assert_eq!(
        (&answer_["result"]["SUCCESS"], &item["SUCCESS"]),
        (&json!("true"), &json!("true"))
    );
    let (_, item) = answer(|switches| switches.success = SuccessForm::YesNo).await;
    assert_eq!(item["SUCCESS"], json!("Y"));
    let (answer_, _) = answer(|switches| switches.connector_result = ConnectorResult::Bool).await;
    assert_eq!(answer_["result"], json!(true));
}

#[tokio::test]
async fn an_empty_extra_can_be_written_as_php_writes_an_empty_map() {
    let desk = Desk::open().await;
    desk.sandbox
        .switch(|switches| switches.extra = ExtraForm::EmptyArray);
    let response = desk
        .as_application(CONNECTOR, connector_call(&[message("u", "m", "t")]))
        .await;
    assert_eq!(response.result()["DATA"]["RESULT"][0]["extra"], json!([]));
}

#[tokio::test]
async fn time_is_written_in_every_form() {
    let (answer_, _) = answer(|switches| switches.time = TimeForm::Integer).await;
    let numbers = ["start", "finish", "duration", "processing", "operating"];
    assert!(
        numbers.iter().all(|name| answer_["time"][name].is_i64()),
        "{answer_}"
    );
    let (answer_, _) = answer(|switches| switches.time = TimeForm::Float).await;
    assert!(
        numbers.iter().all(|name| answer_["time"][name].is_f64()),
        "{answer_}"
    );
    let (answer_, _) = answer(|switches| switches.operating = false).await;
    let time = answer_["time"].as_object().unwrap();
    assert!(time.keys().all(|name| !name.starts_with("operating")) && time.len() == 6);
    let (answer_, _) = answer(|switches| switches.time = TimeForm::Absent).await;
    assert!(answer_.get("time").is_none());
}

//! One test per kind of fault: what the client receives, and what the record says happened.

use std::error::Error;
use std::io::ErrorKind;
use std::time::{Duration, Instant};

use sandbox::{Damage, Fault, FaultKind, Gate, Moment, StatusTable, SystemError, demo};

use crate::desk::*;

const BOTH: [Moment; 2] = [Moment::Before, Moment::After];

/// Calls under the fault, checks the record against the truth that the fault names, calls again.
async fn under(desk: &Desk, kind: FaultKind) -> Result<Response, reqwest::Error> {
    let (name, executes) = (kind.name(), kind.executes());
    desk.sandbox.clear_record();
    desk.sandbox.inject(Fault::once(kind));
    let outcome = desk.try_webhook(CRM, &crm_call()).await;
    let entry = desk.last_entry();
    assert_eq!(entry.fault.as_deref(), Some(name));
    assert_eq!(
        (entry.executed, entry.deliveries.len()),
        (executes, usize::from(executes)),
        "{name}"
    );
    let status = outcome.as_ref().ok().map(|response| response.status);
    if entry.status != Some(200) || status.is_some() {
        assert_eq!(entry.status, status, "{name}");
    }
    desk.as_webhook(CRM, crm_call()).await.result();
    assert_eq!(desk.last_entry().fault, None);
    outcome
}

/// The operating system's error of a failed request.
fn io_kind(error: &reqwest::Error) -> Option<ErrorKind> {
    let mut source = error.source();
    while let Some(error) = source {
        if let Some(error) = error.downcast_ref::<std::io::Error>() {
            return Some(error.kind());
        }
        source = error.source();
    }
    None
}

#[tokio::test]
async fn a_reset_is_seen_as_a_reset() {
    let desk = Desk::open().await;
    for moment in BOTH {
        let error = under(&desk, FaultKind::Reset(moment)).await.unwrap_err();
        assert_eq!(
            io_kind(&error),
            Some(ErrorKind::ConnectionReset),
            "{error:?}"
        );
    }
}

#[tokio::test]
async fn a_clean_close_without_an_answer_is_no_reset() {
    let desk = Desk::open().await;
    for moment in BOTH {
        let error = under(&desk, FaultKind::Close(moment)).await.unwrap_err();
        assert!(
            error.is_request() && io_kind(&error) != Some(ErrorKind::ConnectionReset),
            "{error:?}"
        );
    }
}

#[tokio::test]
async fn silence_lasts_until_the_client_gives_up() {
    let desk = Desk::open().await;
    for moment in BOTH {
        desk.sandbox.inject(Fault::once(FaultKind::Silence(moment)));
        let request = desk
            .post_json(&webhook(CRM), &crm_call())
            .timeout(Duration::from_millis(200));
        assert!(Desk::send(request).await.unwrap_err().is_timeout());
        let entry = desk.last_entry();
        assert_eq!(
            (entry.executed, entry.status),
            (moment == Moment::After, None)
        );
    }
}

#[tokio::test]
async fn a_slow_answer_arrives_after_the_delay() {
    let desk = Desk::open().await;
    for moment in BOTH {
        let start = Instant::now();
        let delay = Duration::from_millis(100);
        under(&desk, FaultKind::Slow(moment, delay))
            .await
            .unwrap()
            .result();
        assert!(start.elapsed() >= delay);
    }
}

#[tokio::test]
async fn a_client_that_gives_up_does_not_undo_the_execution() {
    let desk = Desk::open().await;
    let gate = Gate::closed();
    let held = FaultKind::Held(Moment::Before, gate.clone());
    desk.sandbox.inject(Fault::once(held));
    let request = desk
        .post_json(&webhook(CRM), &crm_call())
        .timeout(Duration::from_secs(1));
    assert!(Desk::send(request).await.unwrap_err().is_timeout());
    assert!(!desk.last_entry().executed, "the delay comes first");
    gate.open();
    while !desk.last_entry().executed {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

#[tokio::test]
async fn pages_of_the_web_server_are_html_with_their_status() {
    let desk = Desk::open().await;
    for moment in BOTH {
        for status in [200, 403, 404, 500, 502, 504] {
            let response = under(&desk, FaultKind::Html(moment, status)).await.unwrap();
            assert_eq!(
                (response.status, response.content_type.as_str()),
                (status, "text/html; charset=utf-8")
            );
            assert!(response.body.starts_with("<html>"));
        }
    }
}

#[tokio::test]
async fn a_crash_is_plain_text_and_an_empty_body_is_empty() {
    let desk = Desk::open().await;
    for moment in BOTH {
        let response = under(&desk, FaultKind::PlainText(moment)).await.unwrap();
        assert_eq!(
            (response.status, response.body.as_str()),
            (500, "Internal Server Error")
        );
        let response = under(&desk, FaultKind::Empty(moment)).await.unwrap();
        assert_eq!((response.status, response.body.as_str()), (200, ""));
    }
}

#[tokio::test]
async fn a_renamed_portal_points_to_the_same_path_of_the_new_host() {
    let desk = Desk::open().await;
    let kind = FaultKind::Redirect {
        origin: "https://new.bitrix24.test".to_owned(),
    };
    let response = under(&desk, kind).await.unwrap();
    assert_eq!((response.status, response.body.as_str()), (302, ""));
    assert_eq!(
        response.location,
        Some(format!("https://new.bitrix24.test{}", webhook(CRM)))
    );
}

#[tokio::test]
async fn every_system_error_can_be_answered_with_either_status_or_as_200() {
    let desk = Desk::open().await;
    for error in SystemError::ALL.iter().copied() {
        for (table, status, expected) in [
            (StatusTable::Observed, None, error.observed),
            (StatusTable::Documented, None, error.documented),
            (StatusTable::Observed, Some(200), 200),
        ] {
            desk.sandbox
                .switch(|switches| switches.status_table = table);
            let response = under(&desk, FaultKind::Refuse { error, status })
                .await
                .unwrap();
            let (code, text) = (error.code.to_owned(), error.description.to_owned());
            assert_eq!(response.error(), (expected, code, text));
        }
    }
}

#[tokio::test]
async fn an_expired_token_can_be_claimed_without_expiring_it() {
    let desk = Desk::open().await;
    let response = under(&desk, FaultKind::expired_token()).await.unwrap();
    assert_eq!(
        (response.status, response.error().1.as_str()),
        (401, "expired_token")
    );
}

#[tokio::test]
async fn an_answer_cut_off_below_its_promised_length_does_not_arrive_in_full() {
    let desk = Desk::open().await;
    let error = under(&desk, FaultKind::Damage(Damage::CutOff))
        .await
        .unwrap_err();
    assert!(error.is_body() || error.is_decode(), "{error:?}");

    desk.sandbox
        .inject(Fault::once(FaultKind::Damage(Damage::CutOff)));
    let request = desk.post_json(&webhook(CRM), &crm_call());
    let mut response = request.send().await.unwrap();
    let promised = usize::try_from(response.content_length().unwrap()).unwrap();
    let mut arrived = 0;
    while let Ok(Some(chunk)) = response.chunk().await {
        arrived += chunk.len();
    }
    assert_eq!(arrived, promised / 2);
}

#[tokio::test]
async fn a_truncated_document_arrives_well_framed() {
    let desk = Desk::open().await;
    let response = under(&desk, FaultKind::Damage(Damage::Truncated))
        .await
        .unwrap();
    assert!(
        response.body.starts_with("{\"result\""),
        "{}",
        response.body
    );
    assert!(serde_json::from_str::<serde_json::Value>(&response.body).is_err());
}

#[tokio::test]
async fn an_oversized_document_is_valid_and_large() {
    let desk = Desk::open().await;
    let bytes = 16 * 1024 * 1024;
    let response = under(&desk, FaultKind::Damage(Damage::Oversized { bytes }))
        .await
        .unwrap();
    assert!(response.body.len() > bytes && response.result().is_i64());
}

#[tokio::test]
async fn a_wrong_content_type_hides_a_right_document() {
    let desk = Desk::open().await;
    let response = under(&desk, FaultKind::Damage(Damage::WrongContentType))
        .await
        .unwrap();
    assert_eq!(response.content_type, "text/html; charset=utf-8");
    assert!(response.json()["result"].is_i64());
}

#[tokio::test]
async fn documents_of_the_wrong_shape_are_answered() {
    let desk = Desk::open().await;
    let response = under(&desk, FaultKind::Damage(Damage::InvalidJson))
        .await
        .unwrap();
    assert!(serde_json::from_str::<serde_json::Value>(&response.body).is_err());
    for (damage, expected) in [(Damage::Null, "null"), (Damage::Array, "[]")] {
        assert_eq!(
            under(&desk, FaultKind::Damage(damage)).await.unwrap().body,
            expected
        );
    }
    let json = under(&desk, FaultKind::Damage(Damage::NoResult))
        .await
        .unwrap()
        .json();
    assert!(
        json.get("result").is_none() && json.get("error").is_none() && json["time"].is_object()
    );
    let json = under(&desk, FaultKind::Damage(Damage::NoTime))
        .await
        .unwrap()
        .json();
    assert!(json["result"].is_i64() && json.get("time").is_none());
}

#[tokio::test]
async fn a_scripted_answer_arrives_exactly_as_written() {
    let desk = Desk::open().await;
    for executed in [false, true] {
        let body =
            r#"{"error":"IMCONNECTOR_NOT_SPECIFIED_CORRECT_COMMAND","error_description":"x"}"#;
        let kind = FaultKind::Scripted {
            status: 400,
            content_type: "application/json".to_owned(),
            body: body.to_owned(),
            executed,
        };
        let response = under(&desk, kind).await.unwrap();
        assert_eq!((response.status, response.body.as_str()), (400, body));
        assert_eq!(response.content_type, "application/json");
        let record = desk.sandbox.record();
        assert_eq!(
            record.entries[0].error.as_deref(),
            Some("IMCONNECTOR_NOT_SPECIFIED_CORRECT_COMMAND")
        );
    }
}

#[tokio::test]
async fn a_refused_call_is_not_executed_even_when_its_answer_is_lost() {
    let desk = Desk::open().await;
    desk.sandbox
        .inject(Fault::once(FaultKind::Close(Moment::After)));
    desk.try_webhook(CRM, &serde_json::json!({}))
        .await
        .unwrap_err();
    assert!(!desk.last_entry().executed);
}

#[tokio::test]
async fn losses_and_duplicates_can_be_counted() {
    let desk = Desk::open().await;
    desk.sandbox
        .inject(Fault::every(2, FaultKind::Reset(Moment::After)).for_method(CRM));
    desk.sandbox
        .inject(Fault::every(3, FaultKind::Reset(Moment::Before)).for_portal(demo::HOST));
    for number in 0..6 {
        let call = with(
            crm_call(),
            "MESSAGE",
            serde_json::json!(format!("text {number}")),
        );
        // A client that retries every failure.
        while desk.try_webhook(CRM, &call).await.is_err() {}
    }
    let record = desk.sandbox.record();
    let counts = record.delivered_by_text();
    assert_eq!(counts.len(), 6, "nothing is lost: {counts:?}");
    assert!(
        counts.values().any(|count| *count > 1),
        "something is doubled: {counts:?}"
    );
}

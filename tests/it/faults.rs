//! Every fault of a portal and of the network: compares the caller's status with the portal's
//! record.

mod front;
mod lost;
mod unreachable;

use std::collections::BTreeSet;
use std::time::Duration;

use bitrix24_openlines::api::openlines::v1 as api;
use bitrix24_openlines::api::openlines::v1::connector_message_result::Outcome;
use prost::Message;
use sandbox::{Damage, Fault, FaultKind, MessageRule, Moment, StatusTable, SystemError, demo};
use tonic::{Code, Status};
use tonic_types::{ErrorDetails, StatusExt};

use crate::support::conversations;
use crate::support::requests::{connector_messages, crm_message};
use crate::support::{Fate, Told, World};

/// After these the service does not ask the portal again at once.
const REMEMBERED: [SystemError; 4] = [
    SystemError::OPERATION_TIME_LIMIT,
    SystemError::QUERY_LIMIT_EXCEEDED,
    SystemError::OVERLOAD_LIMIT,
    SystemError::AUTHORIZATION_ERROR,
];

const BOTH: [Moment; 2] = [Moment::Before, Moment::After];

fn scripted(status: u16, body: &str, executed: bool) -> FaultKind {
    FaultKind::Scripted {
        status,
        content_type: "application/json".to_owned(),
        body: body.to_owned(),
        executed,
    }
}

/// Every fault of the portal except refusals with a code, with the exact status for it.
fn faults() -> Vec<(FaultKind, Fate)> {
    let mut faults = vec![
        (
            FaultKind::Redirect {
                origin: "https://new.bitrix24.test".to_owned(),
            },
            Fate::NotExecuted,
        ),
        (FaultKind::expired_token(), Fate::NotExecuted),
        (FaultKind::Html(Moment::Before, 403), Fate::NotExecuted),
        (FaultKind::Html(Moment::Before, 404), Fate::NotExecuted),
        (FaultKind::Damage(Damage::CutOff), Fate::Unknown),
        (FaultKind::Damage(Damage::Truncated), Fate::Unknown),
        (
            FaultKind::Damage(Damage::Oversized { bytes: 70_000 }),
            Fate::Unknown,
        ),
        (
            FaultKind::Damage(Damage::Oversized { bytes: 50_000 }),
            Fate::Ok,
        ),
        (FaultKind::Damage(Damage::WrongContentType), Fate::Ok),
        (FaultKind::Damage(Damage::InvalidJson), Fate::Unknown),
        (FaultKind::Damage(Damage::Null), Fate::Unknown),
        (FaultKind::Damage(Damage::Array), Fate::Unknown),
        (FaultKind::Damage(Damage::NoResult), Fate::Unknown),
        (FaultKind::Damage(Damage::NoTime), Fate::Ok),
        (scripted(200, r#"{"result":7}"#, true), Fate::Ok),
        (scripted(200, r#"{"result":"7"}"#, true), Fate::Ok),
        (scripted(200, r#"{"result":true}"#, true), Fate::Executed),
        (scripted(200, r#"{"result":0}"#, false), Fate::Unknown),
        (
            scripted(200, r#"{"error":"CANCELED"}"#, false),
            Fate::NotExecuted,
        ),
        (
            scripted(400, r#"{"error":"NEVER_HEARD_OF"}"#, false),
            Fate::NotExecuted,
        ),
        (
            scripted(500, r#"{"error":"NEVER_HEARD_OF"}"#, true),
            Fate::Unknown,
        ),
        (scripted(500, r#"{"result":7}"#, true), Fate::Unknown),
        (scripted(503, "", true), Fate::Unknown),
    ];
    for moment in BOTH {
        faults.extend([
            (FaultKind::Reset(moment), Fate::Unknown),
            (FaultKind::Close(moment), Fate::Unknown),
            (FaultKind::Silence(moment), Fate::Unknown),
            (FaultKind::Slow(moment, Duration::from_millis(50)), Fate::Ok),
            (FaultKind::PlainText(moment), Fate::Unknown),
            (FaultKind::Empty(moment), Fate::Unknown),
        ]);
        faults.extend(
            [200, 500, 502, 503, 504]
                .map(|status| (FaultKind::Html(moment, status), Fate::Unknown)),
        );
    }
    faults
}

/// Short deadlines for faults without a response, and a conversation for each call.
async fn world() -> World {
    let world = World::with_settings(&[
        ("SERVER_DEFAULT_DEADLINE_SECONDS", "2"),
        ("PORTALS_MAXIMUM_RESPONSE_BYTES", "65536"),
    ])
    .await;
    world
        .sandbox
        .alter(demo::HOST, |portal| portal.nfr_licence = true);
    conversations::add(&world.sandbox, 200);
    world
}

/// A successful call, which keeps the circuit breaker closed.
async fn be_answered(world: &World, text: &str) {
    let text = format!("after {text}");
    let request = world.request(crm_message(&text));
    let mut client = world.client().await;
    client.send_crm_message(request).await.unwrap();
    assert_eq!(world.sandbox.record().times_delivered(&text), 1);
}

#[tokio::test]
async fn what_is_told_of_a_crm_message_is_true_under_every_fault() {
    let world = world().await;
    let mut client = world.client().await;
    for (number, (kind, expected)) in (0..).zip(faults()) {
        let text = format!("text {number}");
        world.sandbox.inject(Fault::once(kind.clone()));
        let request = world.request(conversations::crm_message(number, &text));
        let answer = client.send_crm_message(request).await;
        let delivered = world.sandbox.record().times_delivered(&text);
        assert_eq!(Fate::of(&answer), expected, "{kind:?}: {answer:?}");
        assert!(
            expected.is_true_with(delivered),
            "{kind:?}: delivered {delivered} times"
        );
        be_answered(&world, &text).await;
    }
    assert_each_at_most_once(&world);
}

#[tokio::test]
async fn what_is_told_of_a_network_message_is_true_under_every_fault() {
    let world = world().await;
    let mut client = world.client().await;
    // Documented is `true`; an id is accepted too, and nothing else.
    let is_true = scripted(200, r#"{"result":true}"#, true);
    for (number, (kind, expected)) in (0..).zip(faults()) {
        let expected = if kind == is_true { Fate::Ok } else { expected };
        let text = format!("text {number}");
        world.sandbox.inject(Fault::once(kind.clone()));
        let request = world.request(conversations::network_message(number, &text));
        let answer = client.send_network_message(request).await;
        let delivered = world.sandbox.record().times_delivered(&text);
        assert_eq!(Fate::of(&answer), expected, "{kind:?}: {answer:?}");
        assert!(
            expected.is_true_with(delivered),
            "{kind:?}: delivered {delivered} times"
        );
        be_answered(&world, &text).await;
    }
    assert_each_at_most_once(&world);
}

#[tokio::test]
async fn what_is_told_of_connector_messages_is_true_under_every_fault() {
    let world = world().await;
    let mut client = world.client().await;
    world.sandbox.refuse_messages(MessageRule {
        message_id: None,
        text: Some("refused".to_owned()),
        error: "Not all the required data was provided".to_owned(),
    });
    for (number, (kind, expected)) in (0..).zip(faults()) {
        // The scripted responses are those of other methods.
        if matches!(kind, FaultKind::Scripted { .. }) {
            continue;
        }
        let text = format!("text {number}");
        world.sandbox.inject(Fault::once(kind.clone()));
        let request = connector_messages(vec![
            conversations::connector_message(number, "refused", "refused"),
            conversations::connector_message(number, &text, &text),
        ]);
        let answer = client.send_connector_messages(world.request(request)).await;
        let delivered = world.sandbox.record().times_delivered(&text);
        assert_eq!(Fate::of(&answer), expected, "{kind:?}: {answer:?}");
        assert!(
            expected.is_true_with(delivered),
            "{kind:?}: delivered {delivered} times"
        );
        if let Ok(answer) = answer {
            let results = answer.into_inner().results;
            assert_eq!(outcome_of(&results[0]), "not_executed", "{kind:?}");
            assert_eq!(outcome_of(&results[1]), "accepted", "{kind:?}");
        }
        be_answered(&world, &text).await;
    }
    assert_each_at_most_once(&world);
    assert_eq!(world.sandbox.record().times_delivered("refused"), 0);
}

/// `accepted`, or the outcome in the details of the error.
fn outcome_of(result: &api::ConnectorMessageResult) -> String {
    match result.outcome.as_ref().unwrap() {
        Outcome::Accepted(_) => "accepted".to_owned(),
        Outcome::Error(error) => {
            let details = error.encode_to_vec().into();
            let status = Status::with_details(Code::Unknown, "", details);
            let details: ErrorDetails = status.get_error_details();
            details.error_info().unwrap().metadata["outcome"].clone()
        }
    }
}

fn assert_each_at_most_once(world: &World) {
    let record = world.sandbox.record();
    let twice: Vec<_> = record
        .delivered_by_text()
        .into_iter()
        .filter(|(_, count)| *count > 1)
        .map(|(text, _)| text.to_owned())
        .collect();
    assert_eq!(twice, [""; 0], "delivered more than once");
}

#[tokio::test]
async fn a_refusal_with_a_system_code_says_that_nothing_was_executed_unless_the_portal_failed_inside()
 {
    let world = world().await;
    let mut client = world.client().await;
    let (mut unknown, mut sent) = (BTreeSet::new(), 0);
    for (table, status) in [
        (StatusTable::Observed, None),
        (StatusTable::Documented, None),
        (StatusTable::Observed, Some(200)),
    ] {
        world
            .sandbox
            .switch(|switches| switches.status_table = table);
        for error in SystemError::ALL.iter().copied() {
            if REMEMBERED.contains(&error) {
                continue;
            }
            sent += 1;
            let kind = FaultKind::Refuse { error, status };
            world.sandbox.inject(Fault::once(kind));
            let mut request = world.request(crm_message("never delivered"));
            request.set_timeout(Duration::from_secs(20));
            let answer = client.send_crm_message(request).await;
            let shown = format!("{error:?} as {status:?} of {table:?}");
            let told = Fate::of(&answer);
            if told == Fate::Unknown {
                unknown.insert(error.code);
            } else {
                assert_eq!(told, Fate::NotExecuted, "{shown}");
            }
            let refused = answer.unwrap_err();
            assert_eq!(
                refused.metadata_value("bitrix24Code").as_deref(),
                Some(error.code),
                "{shown}"
            );
            assert_ne!(
                refused.code(),
                Code::Unavailable,
                "clients repeat it by themselves: {shown}"
            );
        }
    }
    assert_eq!(
        unknown,
        BTreeSet::from(["INTERNAL_SERVER_ERROR", "ERROR_UNEXPECTED_ANSWER"])
    );
    let record = world.sandbox.record();
    assert_eq!(record.deliveries().count(), 0);
    assert_eq!(
        u32::try_from(record.entries.len()),
        Ok(sent),
        "each call was sent once"
    );
}

#[tokio::test]
async fn what_the_service_remembers_was_not_executed_either() {
    for (error, status) in REMEMBERED
        .into_iter()
        .flat_map(|error| [(error, None), (error, Some(200))])
    {
        let world = world().await;
        world
            .sandbox
            .inject(Fault::next(100, FaultKind::Refuse { error, status }));
        let mut request = world.request(crm_message("never delivered"));
        request.set_timeout(Duration::from_secs(3));
        let told = world.client().await.send_crm_message(request).await;
        let told = told.unwrap_err();
        assert_ne!(told.code(), Code::Unavailable, "{error:?}");
        assert_eq!(told.outcome(), "not_executed", "{error:?}");
        assert_eq!(
            told.metadata_value("bitrix24Code").as_deref(),
            Some(error.code)
        );
        assert_eq!(world.sandbox.record().deliveries().count(), 0);
    }
}

#[tokio::test]
async fn an_answer_that_never_comes_is_a_deadline_and_not_a_cancellation() {
    let world = world().await;
    for (conversation, moment) in (0..).zip(BOTH) {
        world
            .sandbox
            .inject(Fault::once(FaultKind::Silence(moment)));
        let request = conversations::crm_message(conversation, "silence");
        let told = world.send(request).await.unwrap_err();
        assert_eq!(
            (told.code(), told.reason().as_str(), told.outcome().as_str()),
            (Code::DeadlineExceeded, "OUTCOME_UNKNOWN", "unknown")
        );
    }
    assert_eq!(world.sandbox.record().times_delivered("silence"), 1);
}

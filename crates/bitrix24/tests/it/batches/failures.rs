//! The outcome of commands when some of them fail, or the batch as a whole.

use bitrix24::{CallError, Command, ErrorCode, Method, Outcome, Unanswered};
use sandbox::{
    AnswerGeneration, BatchCharging, CommandFault, Damage, Fault, FaultKind, Moment, SystemError,
    demo,
};
use serde_json::json;

use super::{Counter, command, crm, crm_command, sandbox};
use crate::portal::ScriptedPortal;

const BATCH: &str = "batch";

#[tokio::test]
async fn a_command_that_fails_does_not_stop_the_others() {
    let sandbox = sandbox().await;
    let mut wrong_chat = crm("wrong chat");
    wrong_chat["CHAT_ID"] = json!(999);
    let commands = [
        crm_command("first"),
        command(Method::AddCrmMessage, &wrong_chat),
        command(
            Method::AddNetworkMessage,
            &json!({"CODE": "x", "USER_ID": 1, "MESSAGE": "m"}),
        ),
        crm_command("last"),
    ];
    let answer = Counter::at(sandbox.address())
        .batch(&commands)
        .await
        .unwrap();
    let outcomes: Vec<Option<(String, Outcome)>> = answer
        .results
        .into_iter()
        .map(|answer| match answer {
            Ok(_) => None,
            Err(CallError::Refused(refusal)) => Some((refusal.code.clone(), refusal.outcome())),
            Err(error) => panic!("{error}"),
        })
        .collect();
    let refused = |code: &str| Some((code.to_owned(), Outcome::NotExecuted));
    assert_eq!(
        outcomes,
        [None, refused("CHAT_NOT_IN_CRM"), refused("CODE"), None]
    );
    assert_eq!(sandbox.record().deliveries().count(), 2);
}

#[tokio::test]
async fn a_command_after_the_fiftieth_is_not_executed() {
    let sandbox = sandbox().await;
    let commands: Vec<Command> = (0..51).map(|at| crm_command(&format!("m{at}"))).collect();
    let answer = Counter::at(sandbox.address())
        .batch(&commands)
        .await
        .unwrap();
    match answer.results.last() {
        Some(Err(CallError::Refused(refusal))) => {
            assert!(refusal.is(ErrorCode::ErrorBatchLengthExceeded))
        }
        other => panic!("{other:?}"),
    }
    assert_eq!(sandbox.record().deliveries().count(), 50);
}

#[tokio::test]
async fn an_operating_limit_is_told_by_the_command_or_by_the_batch() {
    for (charging, whole) in [
        (BatchCharging::Commands, false),
        (BatchCharging::Batch, true),
    ] {
        let sandbox = sandbox().await;
        sandbox.switch(|switches| switches.batch_charging = charging);
        sandbox.limit(|limits| {
            limits.operating_limit_seconds = Some(1.0);
            limits.operating_seconds_per_call = Some(1.0);
        });
        let counter = Counter::at(sandbox.address());
        counter.batch(&[crm_command("first")]).await.unwrap();
        let error = match counter.batch(&[crm_command("second")]).await {
            Ok(answer) => answer.results[0].clone().unwrap_err(),
            Err(error) => error,
        };
        let CallError::Refused(refusal) = &error else {
            panic!("{error}");
        };
        assert!(refusal.is(ErrorCode::OperationTimeLimit));
        assert_eq!(error.concerns_the_batch_alone(), whole);
        // If the batch is charged, the method itself may continue.
        let alone = counter.call(Method::AddCrmMessage, &crm("third")).await;
        assert_eq!(alone.is_ok(), whole);
    }
}

#[tokio::test]
async fn what_is_said_of_a_whole_batch_is_what_the_portal_recorded() {
    let refuse = |error| FaultKind::Refuse {
        error,
        status: None,
    };
    let faults = [
        (refuse(SystemError::QUERY_LIMIT_EXCEEDED), false),
        (refuse(SystemError::EXPIRED_TOKEN), false),
        (refuse(SystemError::METHOD_NOT_FOUND), true),
        (refuse(SystemError::BATCH_METHOD_NOT_ALLOWED), true),
        (refuse(SystemError::METHOD_CONFIRM_WAITING), true),
        (refuse(SystemError::CORE), false),
        (FaultKind::Html(Moment::Before, 413), true),
        (FaultKind::Html(Moment::Before, 502), false),
        (FaultKind::Html(Moment::After, 502), false),
        (FaultKind::PlainText(Moment::After), false),
        (FaultKind::Reset(Moment::Before), false),
        (FaultKind::Reset(Moment::After), false),
        (FaultKind::Empty(Moment::After), false),
        (FaultKind::Damage(Damage::CutOff), false),
        (FaultKind::Damage(Damage::Truncated), false),
        (FaultKind::Damage(Damage::NoResult), false),
        (FaultKind::Damage(Damage::Null), false),
    ];
    for (fault, concerns_the_batch_alone) in faults {
        let sandbox = sandbox().await;
        sandbox.inject(Fault::once(fault.clone()).for_method(BATCH));
        let counter = Counter::at(sandbox.address());
        let error = counter.batch(&[crm_command("text")]).await.unwrap_err();
        let executed = sandbox.record().executed() > 0;
        let may_be_executed = error.outcome() != Outcome::NotExecuted;
        assert!(may_be_executed || !executed, "{}: {error}", fault.name());
        assert_eq!(
            error.concerns_the_batch_alone(),
            concerns_the_batch_alone,
            "{}: {error}",
            fault.name()
        );
    }
}

#[tokio::test]
async fn an_answer_that_is_no_answer_to_a_batch_says_nothing_of_its_commands() {
    for document in [
        r#"{"result":true}"#,
        r#"{"result":{"result":[],"result_error":[]}}"#,
        r#"{"result":{"result":[1],"result_error":[]}}"#,
        r#"{"SUCCESS":true,"DATA":{}}"#,
    ] {
        let portal = ScriptedPortal::answering(document).await;
        let answer = Counter::at(portal.address)
            .batch(&[crm_command("text")])
            .await
            .unwrap();
        let unknown = Unanswered::NoResult { http_status: 200 };
        assert_eq!(answer.results, [Err(unknown.into())], "{document}");
    }
}

#[tokio::test]
async fn every_generation_of_answers_is_read_in_a_batch() {
    for generation in [
        AnswerGeneration::Current,
        AnswerGeneration::Old,
        AnswerGeneration::OldBare,
    ] {
        let sandbox = sandbox().await;
        sandbox.set_generation(generation);
        let parameters = json!({
            "CONNECTOR": demo::CONNECTOR,
            "LINE": demo::LINE,
            "MESSAGES": [{"user": {"id": "u"}, "message": {"id": "m", "text": "t"}, "chat": {"id": "c"}}],
        });
        let command = command(Method::SendConnectorMessages, &parameters);
        let answer = Counter::at(sandbox.address())
            .batch(&[command])
            .await
            .unwrap();
        let result = &answer.results[0].as_ref().unwrap().result;
        assert_eq!(result["SUCCESS"], json!(true), "{generation:?}");
    }
}

#[tokio::test]
async fn the_request_is_the_documented_one() {
    let portal = ScriptedPortal::answering(r#"{"result":[]}"#).await;
    let _ = Counter::at(portal.address)
        .batch(&[crm_command("a b"), crm_command("c")])
        .await;
    let request = portal.only_request();
    assert!(request.request_line().starts_with("POST /rest/batch "));
    let body = request.json();
    assert_eq!(body["halt"], json!(0));
    assert_eq!(body["auth"], json!(demo::ACCESS_TOKEN));
    let command = format!(
        "imopenlines.crm.message.add?CHAT_ID={}&CRM_ENTITY={}&CRM_ENTITY_TYPE=lead&MESSAGE=a%20b&USER_ID={}",
        demo::CHAT,
        demo::LEAD,
        demo::MEMBER
    );
    assert_eq!(body["cmd"]["m1"], json!(command));
}

#[tokio::test]
async fn what_is_said_of_a_command_is_what_the_portal_recorded() {
    let refusals = SystemError::ALL.iter().copied().map(CommandFault::Refuse);
    let failures = [
        SystemError::INTERNAL_SERVER_ERROR,
        SystemError::UNEXPECTED_ANSWER,
        SystemError::CORE,
        SystemError::NAMELESS,
    ];
    let failures = failures.into_iter().map(CommandFault::Fail);
    let omissions = [Moment::Before, Moment::After].map(CommandFault::Omit);
    let sandbox = sandbox().await;
    let counter = Counter::at(sandbox.address());
    for fault in refusals.chain(failures).chain(omissions) {
        let kind = FaultKind::Command(fault);
        sandbox.clear_record();
        sandbox.inject(Fault::every(2, kind.clone()));
        let commands = ["first", "second", "third"].map(crm_command);
        let answer = counter.batch(&commands).await.unwrap();
        sandbox.clear_faults();
        assert!(answer.results[0].is_ok() && answer.results[2].is_ok());
        let outcome = answer.results[1].as_ref().unwrap_err().outcome();
        let executed = sandbox.record().times_delivered("second") > 0;
        assert!(outcome == Outcome::Unknown || !executed, "{fault:?}");
        if executed || matches!(fault, CommandFault::Omit(_)) {
            assert_eq!(outcome, Outcome::Unknown, "{fault:?}");
        }
    }
}

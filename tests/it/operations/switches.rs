//! Each form in which portals were seen to answer gives the same correct response.

use bitrix24_openlines::api::openlines::v1 as api;
use bitrix24_openlines::api::openlines::v1::connector_message_result::Outcome;
use prost_types::Timestamp;
use sandbox::{
    AnswerGeneration, ConnectorResult, DateForm, ExtraForm, IdForm, ResultForm, SuccessForm,
    Switches, TimeForm,
};

use crate::support::requests::{
    connector_message, connector_messages, crm_message, network_message,
};
use crate::support::{Told, World};

/// Sends one message with all flags, after the switches were changed; gives its acceptance and the
/// whole response.
async fn accepted(
    change: impl FnOnce(&mut Switches),
) -> (
    api::AcceptedConnectorMessage,
    api::SendConnectorMessagesResponse,
) {
    let world = World::start().await;
    world.sandbox.switch(change);
    let mut message = connector_message("m1", "Hello");
    message.user.as_mut().unwrap().skip_phone_validation = true;
    let content = message.message.as_mut().unwrap();
    content.disable_crm_tracker = true;
    content.send_time = Some(Timestamp {
        seconds: 1_773_265_993,
        nanos: 0,
    });
    message.chat.as_mut().unwrap().name = "Support".to_owned();
    let request = connector_messages(vec![message]);
    let response = world.send(request).await.unwrap();
    assert_eq!(world.sandbox.record().times_delivered("Hello"), 1);
    let [
        api::ConnectorMessageResult {
            outcome: Some(Outcome::Accepted(accepted)),
            ..
        },
    ] = &response.results[..]
    else {
        panic!("{:?}", response.results)
    };
    let accepted = accepted.clone();
    let (message, chat) = (
        accepted.message.as_ref().unwrap(),
        accepted.chat.as_ref().unwrap(),
    );
    assert_eq!(
        (message.id.as_str(), message.text.as_str()),
        ("m1", "Hello")
    );
    assert_eq!((chat.id.as_str(), chat.name.as_str()), ("c1", "Support"));
    assert!(accepted.portal_user_id.is_some_and(|id| id > 0));
    (accepted, response)
}

#[tokio::test]
async fn both_generations_of_answers_are_read() {
    for generation in [
        AnswerGeneration::Current,
        AnswerGeneration::Old,
        AnswerGeneration::OldBare,
    ] {
        let (accepted, response) = accepted(|s| s.answer_generation = generation).await;
        assert!(accepted.phone_validation_skipped, "{generation:?}");
        assert!(accepted.crm_tracker_disabled, "{generation:?}");
        // Without its envelope the answer has no place for the times.
        let enveloped = generation != AnswerGeneration::OldBare;
        assert_eq!(
            response.operating_budget.is_some(),
            enveloped,
            "{generation:?}"
        );
    }
}

#[tokio::test]
async fn ids_may_be_numbers_or_texts() {
    for form in [IdForm::Number, IdForm::Text] {
        let (accepted, _) = accepted(|s| s.ids = form).await;
        let session = accepted.session.unwrap();
        assert!(session.id.is_some_and(|id| id > 0), "{form:?}");
        assert!(session.portal_chat_id.is_some_and(|id| id > 0), "{form:?}");
    }
}

#[tokio::test]
async fn the_date_may_be_an_empty_object_or_seconds() {
    let (empty, _) = accepted(|s| s.date = DateForm::EmptyObject).await;
    assert_eq!(empty.message.unwrap().send_time, None);
    let (unix, _) = accepted(|s| s.date = DateForm::Unix).await;
    let seconds = unix.message.unwrap().send_time.unwrap().seconds;
    assert_eq!(seconds, 1_773_265_993);
}

#[tokio::test]
async fn the_session_may_be_missing() {
    let (accepted, _) = accepted(|s| s.session = false).await;
    assert_eq!(accepted.session, None);
}

#[tokio::test]
async fn extra_may_have_any_form() {
    for (form, skipped) in [
        (ExtraForm::Missing, true),
        (ExtraForm::EmptyArray, true),
        (ExtraForm::Never, false),
    ] {
        let (accepted, _) = accepted(|s| s.extra = form).await;
        assert_eq!(accepted.phone_validation_skipped, skipped, "{form:?}");
        assert_eq!(accepted.crm_tracker_disabled, skipped, "{form:?}");
    }
    // And with nothing to say.
    for form in [ExtraForm::Missing, ExtraForm::EmptyArray, ExtraForm::Never] {
        let world = World::start().await;
        world.sandbox.switch(|s| s.extra = form);
        let request = connector_messages(vec![connector_message("m", "Hello")]);
        let response = world.send(request).await.unwrap();
        let Some(Outcome::Accepted(accepted)) = &response.results[0].outcome else {
            panic!("{response:?}")
        };
        assert!(!accepted.phone_validation_skipped && !accepted.crm_tracker_disabled);
    }
}

#[tokio::test]
async fn results_may_be_a_list_or_a_map_and_success_may_be_spelt_in_any_way() {
    for result in [ResultForm::Array, ResultForm::Object] {
        for success in [
            SuccessForm::Bool,
            SuccessForm::TrueFalse,
            SuccessForm::YesNo,
        ] {
            accepted(|s| {
                s.result = result;
                s.success = success;
            })
            .await;
        }
    }
}

#[tokio::test]
async fn a_failed_message_is_seen_in_every_spelling_of_success() {
    for success in [
        SuccessForm::Bool,
        SuccessForm::TrueFalse,
        SuccessForm::YesNo,
    ] {
        let world = World::start().await;
        world.sandbox.switch(|s| s.success = success);
        world.sandbox.refuse_messages(sandbox::MessageRule {
            message_id: None,
            text: None,
            error: "no".to_owned(),
        });
        let request = connector_messages(vec![connector_message("m", "Hello")]);
        let response = world.send(request).await.unwrap();
        let outcome = &response.results[0].outcome;
        assert!(
            matches!(outcome, Some(Outcome::Error(_))),
            "{success:?}: {outcome:?}"
        );
    }
}

#[tokio::test]
async fn a_bare_true_in_place_of_results_leaves_the_outcome_unknown() {
    let world = World::start().await;
    world
        .sandbox
        .switch(|s| s.connector_result = ConnectorResult::Bool);
    let request = connector_messages(vec![connector_message("m", "Hello")]);
    let status = world.send(request).await.unwrap_err();
    assert_eq!(
        (status.reason().as_str(), status.outcome().as_str()),
        ("OUTCOME_UNKNOWN", "unknown")
    );
    assert_eq!(world.sandbox.record().times_delivered("Hello"), 1);
}

#[tokio::test]
async fn times_may_be_whole_broken_or_absent() {
    for form in [
        TimeForm::Mixed,
        TimeForm::Integer,
        TimeForm::Float,
        TimeForm::Absent,
    ] {
        let world = World::start().await;
        world.sandbox.switch(|s| s.time = form);
        let mut client = world.client().await;
        let now = world.sandbox.now().as_second();
        let crm = client
            .send_crm_message(world.request(crm_message("a")))
            .await
            .unwrap()
            .into_inner();
        let network = client
            .send_network_message(world.request(network_message("b")))
            .await
            .unwrap()
            .into_inner();
        assert!(crm.portal_message_id > 0);
        for (timing, budget) in [
            (crm.timing.unwrap(), crm.operating_budget),
            (network.timing.unwrap(), network.operating_budget),
        ] {
            if form == TimeForm::Absent {
                assert_eq!((timing, budget), (api::CallTiming::default(), None));
                continue;
            }
            let start = timing.start_time.unwrap().seconds;
            let finish = timing.finish_time.unwrap().seconds;
            assert!(
                (now - 1..now + 60).contains(&start) && finish >= start,
                "{form:?}"
            );
            assert!(timing.duration.is_some() && timing.processing_duration.is_some());
            assert!(
                timing.portal_start_date.ends_with("+03:00"),
                "{}",
                timing.portal_start_date
            );
            let reset = budget.unwrap().reset_time.unwrap().seconds;
            assert_eq!(reset, start + 600);
        }
    }
}

#[tokio::test]
async fn portals_that_do_not_tell_of_the_budget_have_none() {
    let world = World::start().await;
    world.sandbox.switch(|s| s.operating = false);
    let request = crm_message("a");
    let response = world.send(request).await.unwrap();
    assert_eq!(response.operating_budget, None);
    assert!(response.timing.unwrap().start_time.is_some());
}

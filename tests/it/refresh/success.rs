//! Refreshes that bring a new pair.

use std::time::Duration;

use futures_util::future::join_all;
use sandbox::{Fault, FaultKind, Moment};
use tonic::Code;

use super::Office;
use crate::support::Told;
use crate::support::admin::until_in_progress;
use crate::support::stores::{Stores, on_both_stores};

on_both_stores!(
    an_expired_token_is_refreshed_once_for_concurrent_calls,
    calls_that_know_of_the_expiry_wait_and_cause_no_refusal,
    a_token_about_to_expire_is_refreshed_by_the_call_that_needs_it,
    a_token_is_not_refreshed_while_nobody_calls,
    a_caller_that_gives_up_breaks_nothing,
    a_call_whose_deadline_passes_while_it_waits_was_not_sent,
    a_lost_answer_is_asked_for_once_more,
    a_token_that_another_replica_replaced_is_refreshed_by_no_second_refresh,
);

async fn an_expired_token_is_refreshed_once_for_concurrent_calls(stores: Stores) {
    let office = Office::open(stores).await;
    office.expire();
    let texts: Vec<String> = (0..40).map(|number| format!("call {number}")).collect();
    let answers = join_all(texts.iter().map(|text| office.call(text))).await;
    assert!(answers.iter().all(Result::is_ok), "{answers:?}");
    assert_eq!(office.refreshes(), 1);
    let record = office.sandbox.record();
    for text in &texts {
        assert_eq!(record.times_delivered(text), 1, "{text}");
    }
    assert!(office.has_the_live_pair().await);
    let tenant = office.tenant().await;
    let application = tenant.application().unwrap();
    assert_eq!(application.generation, 2);
    // The server that the answer names is asked next time.
    let server = format!("http://{}", office.sandbox.address());
    assert_eq!(application.authorization_server, Some(server));
    assert_eq!(office.ended("refreshed").await, 1);
}

async fn calls_that_know_of_the_expiry_wait_and_cause_no_refusal(stores: Stores) {
    let office = Office::open(stores).await;
    office.call("first").await.unwrap();
    office.expires_in(-1).await;
    office.expire();
    let answers = join_all((0..40).map(|_| office.call("later"))).await;
    assert!(answers.iter().all(Result::is_ok), "{answers:?}");
    assert_eq!(office.refreshes(), 1);
    assert_eq!(office.sandbox.record().refused_with("expired_token"), 0);
}

async fn a_token_about_to_expire_is_refreshed_by_the_call_that_needs_it(stores: Stores) {
    let office = Office::open(stores).await;
    office.call("first").await.unwrap();
    assert_eq!(office.refreshes(), 0);
    office.expires_in(40).await;
    office.call("second").await.unwrap();
    assert_eq!(office.refreshes(), 1);
    assert!(office.has_the_live_pair().await);
}

async fn a_token_is_not_refreshed_while_nobody_calls(stores: Stores) {
    let office = Office::open(stores).await;
    office.call("first").await.unwrap();
    office.expires_in(-10).await;
    tokio::time::sleep(Duration::from_secs(2)).await;
    assert_eq!(office.token_requests(), 0);
}

async fn a_caller_that_gives_up_breaks_nothing(stores: Stores) {
    let (office, gate) = Office::held(stores, Moment::After).await;
    office.expire();
    // The client hangs up: the server drops its future.
    tokio::select! {
        ended = office.call("given up") => panic!("it ended too soon: {ended:?}"),
        () = office.token_requests_have_come(1) => {}
    }
    let next = async {
        until_in_progress(office.admin, 1).await;
        gate.open();
    };
    tokio::join!(office.call("next"), next).0.unwrap();
    assert_eq!(office.token_requests(), 1, "the first refresh went on");
    assert_eq!(office.ended("refreshed").await, 1);
    assert!(office.has_the_live_pair().await);
    assert_eq!(office.sandbox.record().times_delivered("next"), 1);
}

async fn a_call_whose_deadline_passes_while_it_waits_was_not_sent(stores: Stores) {
    let (office, gate) = Office::held(stores, Moment::After).await;
    // Known to have expired, so that the call waits for nothing but the refresh.
    office.expires_in(-1).await;
    let status = office
        .call_within("late", Duration::from_millis(400))
        .await
        .unwrap_err();
    assert_eq!(status.code(), Code::DeadlineExceeded);
    assert_eq!(status.reason(), "DEADLINE_BEFORE_SEND");
    assert_eq!(status.outcome(), "not_executed");
    gate.open();
    office.call("next").await.unwrap();
    assert_eq!(office.sandbox.record().times_delivered("late"), 0);
    assert_eq!(office.refreshes(), 1);
}

async fn a_lost_answer_is_asked_for_once_more(stores: Stores) {
    let office = Office::open(stores).await;
    // A server that takes the same refresh token again for a while.
    office
        .sandbox
        .switch(|switches| switches.refresh_grace_seconds = 60);
    for lost in [
        FaultKind::Reset(Moment::After),
        FaultKind::Close(Moment::Before),
        FaultKind::Html(Moment::After, 502),
        FaultKind::Html(Moment::After, 200),
        FaultKind::Empty(Moment::After),
        FaultKind::Silence(Moment::After),
    ] {
        office.sandbox.clear_record();
        office.sandbox.inject(Fault::once(lost.clone()).for_oauth());
        office.expire();
        let answer = office.call("Hello").await;
        answer.unwrap_or_else(|status| panic!("{lost:?}: {status:?}"));
        assert_eq!(office.token_requests(), 2, "{lost:?}");
        assert!(office.has_the_live_pair().await, "{lost:?}");
        assert_eq!(office.mark().await, None, "{lost:?}");
    }
    assert_eq!(office.ended("recovered").await, 6);
    assert_eq!(
        office
            .counted::<u64>("openlines_token_responses_lost_total")
            .await,
        6
    );
}

async fn a_token_that_another_replica_replaced_is_refreshed_by_no_second_refresh(stores: Stores) {
    let office = Office::open(stores).await;
    office.call("first").await.unwrap();
    // The other replica: it refreshes at the portal and stores the pair; this one still has the old
    // token in memory.
    office.refresh_past_the_service().await;
    office.call("second").await.unwrap();
    assert_eq!(office.token_requests(), 1, "the stored pair was adopted");
    assert_eq!(office.ended("refreshed").await, 0);
    assert!(office.has_the_live_pair().await);
}

//! Callers that come while a call runs, and callers that leave.

use std::time::Duration;

use futures_util::future::join_all;
use sandbox::{Fault, FaultKind, Moment};
use tonic::Code;
use uuid::Uuid;

use super::site::Site;
use crate::support::Told as _;
use crate::support::admin::{until_in_progress, until_queued};
use crate::support::stores::{Stores, on_both_stores};

/// How long a slow call takes.
const SLOW: Duration = Duration::from_millis(800);

on_both_stores!(
    who_comes_while_the_call_runs_waits_and_gets_the_same_answer,
    who_comes_while_the_call_waits_gets_the_same_answer,
    another_content_is_refused_while_the_call_runs,
    a_deadline_before_the_end_of_the_running_call_says_that_nobody_knows_yet,
    the_answer_to_a_caller_that_has_left_is_kept_for_its_repeat,
    the_answer_after_the_callers_deadline_is_kept_for_its_repeat,
    a_call_whose_caller_leaves_the_queue_is_not_sent_and_its_id_is_free,
    when_the_first_caller_leaves_the_queue_one_that_waits_with_it_goes_on,
);

fn slow() -> Fault {
    Fault::once(FaultKind::Slow(Moment::After, SLOW))
}

async fn who_comes_while_the_call_runs_waits_and_gets_the_same_answer(stores: Stores) {
    let site = Site::start(stores).await;
    site.world.sandbox.inject(slow());
    alike(&site).await;
}

async fn who_comes_while_the_call_waits_gets_the_same_answer(stores: Stores) {
    let site = Site::start(stores).await;
    site.world.sandbox.inject(slow());
    let before = site.crm(Uuid::new_v4(), "before");
    let after = async {
        site.requests_have_come(1).await;
        alike(&site).await;
    };
    tokio::join!(before, after).0.executed_now();
}

/// Five at once: one is sent, and all are answered alike.
async fn alike(site: &Site) {
    let id = Uuid::new_v4();
    let told = join_all((0..5).map(|_| site.crm(id, "text"))).await;
    let replayed = told.iter().filter(|told| told.is_replayed).count();
    assert_eq!(replayed, 4);
    let mut responses = told.into_iter().map(|told| told.result.unwrap());
    let first = responses.next().unwrap();
    assert!(responses.all(|response| response == first));
    assert_eq!(site.delivered("text"), 1);
}

async fn another_content_is_refused_while_the_call_runs(stores: Stores) {
    let site = Site::start(stores).await;
    site.world.sandbox.inject(slow());
    let id = Uuid::new_v4();
    let other = async {
        site.requests_have_come(1).await;
        site.crm(id, "another").await.failed()
    };
    let (first, other) = tokio::join!(site.crm(id, "text"), other);
    first.executed_now();
    assert_eq!(other.reason(), "REQUEST_ID_REUSED");
    assert_eq!(site.delivered("another"), 0);
}

async fn a_deadline_before_the_end_of_the_running_call_says_that_nobody_knows_yet(stores: Stores) {
    let site = Site::start(stores).await;
    let gate = site.hold();
    let id = Uuid::new_v4();
    let hasty = async {
        site.requests_have_come(1).await;
        let hasty = site.crm_within(id, "text", "200m").await;
        gate.open();
        hasty
    };
    let (first, hasty) = tokio::join!(site.crm(id, "text"), hasty);
    assert_eq!(hasty.code(), Code::DeadlineExceeded);
    assert_eq!(hasty.reason(), "OUTCOME_UNKNOWN");
    assert_eq!(hasty.outcome(), "unknown");
    assert_eq!(site.crm(id, "text").await.replayed(), first.executed_now());
    assert_eq!(site.delivered("text"), 1);
}

async fn the_answer_to_a_caller_that_has_left_is_kept_for_its_repeat(stores: Stores) {
    let site = Site::start(stores).await;
    for (text, pause) in [("while it runs", SLOW / 4), ("when it has ended", 2 * SLOW)] {
        site.world.sandbox.clear_record();
        site.world.sandbox.inject(slow());
        let id = Uuid::new_v4();
        tokio::select! {
            told = site.crm(id, text) => panic!("answered too soon: {told:?}"),
            () = site.requests_have_come(1) => {}
        }
        tokio::time::sleep(pause).await;
        site.crm(id, text).await.replayed();
        assert_eq!(site.delivered(text), 1);
    }
}

async fn the_answer_after_the_callers_deadline_is_kept_for_its_repeat(stores: Stores) {
    let site = Site::start(stores).await;
    // From now on there is a connection to the portal, and the call is sent long before its
    // deadline.
    site.crm(Uuid::new_v4(), "before").await.executed_now();
    let gate = site.hold();
    let id = Uuid::new_v4();
    let late = site.crm_within(id, "text", "2S").await;
    assert_eq!(late.reason(), "OUTCOME_UNKNOWN");
    assert_eq!(late.code(), Code::DeadlineExceeded);
    gate.open();
    site.crm(id, "text").await.replayed();
    assert_eq!(site.delivered("text"), 1);
}

async fn a_call_whose_caller_leaves_the_queue_is_not_sent_and_its_id_is_free(stores: Stores) {
    let site = Site::start(stores).await;
    let gate = site.hold();
    let id = Uuid::new_v4();
    // Calls of one chat are sent one after the other.
    let leaving = async {
        site.requests_have_come(1).await;
        tokio::select! {
            told = site.crm(id, "left") => panic!("answered too soon: {told:?}"),
            () = until_queued(site.admin, 1) => {}
        }
        until_queued(site.admin, 0).await;
        gate.open();
    };
    tokio::join!(site.crm(Uuid::new_v4(), "before"), leaving)
        .0
        .executed_now();
    site.crm(id, "another").await.executed_now();
    assert_eq!(site.delivered("left"), 0);
    assert_eq!(site.delivered("another"), 1);
}

async fn when_the_first_caller_leaves_the_queue_one_that_waits_with_it_goes_on(stores: Stores) {
    let site = Site::start(stores).await;
    let gate = site.hold();
    let id = Uuid::new_v4();
    let leaving = async {
        site.requests_have_come(1).await;
        tokio::select! {
            told = site.crm(id, "text") => panic!("answered too soon: {told:?}"),
            // The one before, this one, and the one that stays.
            () = until_in_progress(site.admin, 3) => {}
        }
        until_in_progress(site.admin, 2).await;
        gate.open();
    };
    let staying = async {
        site.requests_have_come(1).await;
        until_queued(site.admin, 1).await;
        site.crm(id, "text").await
    };
    let before = site.crm(Uuid::new_v4(), "before");
    let (_, (), staying) = tokio::join!(before, leaving, staying);
    staying.executed_now();
    assert_eq!(site.delivered("text"), 1);
}

//! Calls with a `request_id` that travel in one batch.

use bitrix24_openlines::api::openlines::v1 as api;
use futures_util::future::join_all;
use sandbox::{CommandFault, Fault, FaultKind, Moment, demo};
use uuid::Uuid;

use super::site::{Site, crm};
use crate::support::Told as _;
use crate::support::admin::until_queued;
use crate::support::requests::crm_message;
use crate::support::stores::{Stores, on_both_stores};

on_both_stores!(
    each_call_of_a_batch_has_its_own_fate,
    a_batch_whose_answer_is_lost_leaves_every_call_of_it_unknown,
);

/// Makes calls that wait for a slow one of the same chat, so that they travel together: the first
/// of them in the first place.
async fn together(
    site: &Site,
    requests: &[api::SendCrmMessageRequest],
    fault: Fault,
) -> Vec<super::site::Told<api::SendCrmMessageResponse>> {
    let sandbox = &site.world.sandbox;
    let gate = site.hold();
    let waiting = async {
        site.requests_have_come(1).await;
        sandbox.inject(fault);
        let mut calls = requests
            .iter()
            .map(|request| site.send_crm(request.clone()));
        let first = calls.next().unwrap();
        // The longer the request before them takes, the fewer calls join a batch: so they are not
        // awaited one by one.
        let others = async {
            until_queued(site.admin, 1).await;
            join_all(calls).await
        };
        let all_queued = async {
            until_queued(site.admin, u64::try_from(requests.len()).unwrap()).await;
            gate.open();
        };
        let (first, others, ()) = tokio::join!(first, others, all_queued);
        let mut told = vec![first];
        told.extend(others);
        told
    };
    let before = site.send_crm(crm_message("before"));
    let (before, told) = tokio::join!(before, waiting);
    before.executed_now();
    let record = sandbox.record();
    let commands: Vec<usize> = record
        .entries
        .iter()
        .map(|entry| entry.commands.len())
        .collect();
    assert_eq!(commands, [0, requests.len()]);
    told
}

async fn each_call_of_a_batch_has_its_own_fate(stores: Stores) {
    let site = Site::start(stores).await;
    let ids = [Uuid::new_v4(), Uuid::new_v4(), Uuid::new_v4()];
    let [lost, refused, answered] = ids;
    let refusing = api::SendCrmMessageRequest {
        user_id: demo::OUTSIDER,
        ..crm(refused, "refused")
    };
    let requests = [
        crm(lost, "lost"),
        refusing,
        crm(answered, "answered"),
        crm(Uuid::new_v4(), "other"),
    ];
    let omit = Fault::once(FaultKind::Command(CommandFault::Omit(Moment::After)));
    let told = together(&site, &requests, omit).await;
    let [first, second, third, fourth] = told.try_into().unwrap();
    assert_eq!(first.failed().reason(), "OUTCOME_UNKNOWN");
    assert_eq!(second.failed().reason(), "SENDER_NOT_IN_CHAT");
    let third = third.executed_now();
    fourth.executed_now();

    let again = site.crm(lost, "lost").await.failed();
    assert_eq!(again.reason(), "OUTCOME_UNKNOWN");
    site.crm(refused, "refused").await.executed_now();
    assert_eq!(site.crm(answered, "answered").await.replayed(), third);
    for text in ["before", "lost", "refused", "answered", "other"] {
        assert_eq!(site.delivered(text), 1, "{text}");
    }
}

async fn a_batch_whose_answer_is_lost_leaves_every_call_of_it_unknown(stores: Stores) {
    let site = Site::start(stores).await;
    let texts = ["one", "two", "three"];
    let requests = texts.map(|text| crm(Uuid::new_v4(), text));
    let lost = Fault::once(FaultKind::Reset(Moment::After)).for_method("batch");
    for told in together(&site, &requests, lost).await {
        assert_eq!(told.failed().reason(), "OUTCOME_UNKNOWN");
    }
    for request in &requests {
        let again = site.send_crm(request.clone()).await.failed();
        assert_eq!(again.reason(), "OUTCOME_UNKNOWN");
        assert_eq!(site.delivered(&request.text), 1);
    }
    assert_eq!(site.world.sandbox.record().entries.len(), 2);
}

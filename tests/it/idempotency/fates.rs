//! Calls that were refused, and calls whose answer was lost.

use bitrix24_openlines::api::openlines::v1 as api;
use sandbox::{Fault, FaultKind, Moment, SystemError, demo};
use tonic::Code;
use uuid::Uuid;

use super::site::{Site, crm};
use crate::support::Told as _;
use crate::support::stores::{Stores, on_both_stores};

on_both_stores!(
    a_refusal_frees_the_id,
    a_refusal_that_outlasts_the_callers_patience_frees_the_id,
    a_call_that_cannot_reach_the_portal_leaves_its_id_free,
    a_lost_answer_stays_unknown_and_is_never_asked_for_again,
);

async fn a_refusal_frees_the_id(stores: Stores) {
    let site = Site::start(stores).await;
    let id = Uuid::new_v4();
    let request = api::SendCrmMessageRequest {
        user_id: demo::OUTSIDER,
        ..crm(id, "text")
    };
    for _ in 0..2 {
        let refused = site.send_crm(request.clone()).await.failed();
        assert_eq!(refused.reason(), "SENDER_NOT_IN_CHAT", "{refused:?}");
        assert_eq!(refused.outcome(), "not_executed");
    }
    assert_eq!(site.world.sandbox.record().entries.len(), 2);
    // Corrected.
    site.crm(id, "text").await.executed_now();
    assert_eq!(site.delivered("text"), 1);
}

/// The call waits for the portal to take it when its deadline passes.
async fn a_refusal_that_outlasts_the_callers_patience_frees_the_id(stores: Stores) {
    let site = Site::start(stores).await;
    site.world.sandbox.inject(Fault::always(FaultKind::Refuse {
        error: SystemError::QUERY_LIMIT_EXCEEDED,
        status: None,
    }));
    let id = Uuid::new_v4();
    let refused = site.crm_within(id, "text", "300m").await;
    assert_eq!(refused.outcome(), "not_executed", "{refused:?}");
    site.world.sandbox.clear_faults();
    site.crm(id, "text").await.executed_now();
    assert_eq!(site.delivered("text"), 1);
}

async fn a_call_that_cannot_reach_the_portal_leaves_its_id_free(stores: Stores) {
    let site = Site::start(stores).await;
    site.world
        .sandbox
        .inject(Fault::always(FaultKind::Redirect {
            origin: "http://127.0.0.1:1".to_owned(),
        }));
    let id = Uuid::new_v4();
    let refused = site.crm(id, "text").await.failed();
    assert_eq!(refused.outcome(), "not_executed", "{refused:?}");
    site.world.sandbox.clear_faults();
    site.crm(id, "text").await.executed_now();
    assert_eq!(site.delivered("text"), 1);
}

async fn a_lost_answer_stays_unknown_and_is_never_asked_for_again(stores: Stores) {
    let mut site = Site::start(stores).await;
    let kinds = [
        FaultKind::Reset(Moment::Before),
        FaultKind::Reset(Moment::After),
        FaultKind::Close(Moment::After),
        FaultKind::Empty(Moment::After),
        FaultKind::Html(Moment::After, 502),
    ];
    let mut lost = Vec::new();
    for kind in kinds {
        let text = kind.name();
        // Each has been executed at most once.
        let most = usize::from(kind.executes());
        let id = Uuid::new_v4();
        site.world.sandbox.inject(Fault::once(kind));
        assert_unknown(&site, id, text).await;
        lost.push((id, text, most));
    }
    for _ in 0..2 {
        let requests = site.world.sandbox.record().entries.len();
        for (id, text, most) in &lost {
            assert_unknown(&site, *id, text).await;
            let reused = site.crm(*id, "another").await.failed();
            assert_eq!(reused.reason(), "REQUEST_ID_REUSED");
            assert_eq!(site.delivered(text), *most);
        }
        assert_eq!(site.world.sandbox.record().entries.len(), requests);
        // The next process knows it, too.
        site = site.restart().await;
    }
}

async fn assert_unknown(site: &Site, id: Uuid, text: &str) {
    let status = site.crm(id, text).await.failed();
    assert_eq!(status.code(), Code::Unknown, "{status:?}");
    assert_eq!(status.reason(), "OUTCOME_UNKNOWN");
    assert_eq!(status.outcome(), "unknown");
}

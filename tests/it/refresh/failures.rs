//! Refreshes that bring nothing, each with its outcome, its mark and its metric.

use std::time::Duration;

use http::header::{HeaderValue, RETRY_AFTER};
use sandbox::{Fault, FaultKind, Moment, OAuthError, demo};
use tonic::{Code, Status};
use tonic_types::StatusExt;

use super::{Office, application};
use crate::support::stores::{Stores, change, id, on_both_stores};
use crate::support::{REFRESHABLE, Told};

on_both_stores!(
    a_lost_answer_of_a_server_that_takes_a_token_once_needs_a_person,
    an_answer_that_was_lost_in_an_earlier_refresh_is_not_forgotten,
    a_dead_grant_needs_a_person_and_is_not_asked_for_again,
    every_refusal_of_the_server_marks_the_tenant_with_its_code,
    a_refusal_is_forgotten_where_another_replica_has_won,
    a_server_that_hangs_is_unavailable_and_the_tenant_works_afterwards,
    a_server_that_answers_pages_is_unavailable_and_the_tenant_works_afterwards,
    a_server_that_asks_to_wait_is_asked_by_nobody_until_then,
    a_server_that_cannot_be_reached_is_unavailable,
    a_valid_token_is_used_while_the_server_is_away,
    a_call_with_a_valid_token_and_little_time_does_not_wait_for_a_server_that_hangs,
    a_refusal_of_what_was_corrected_meanwhile_marks_nothing,
    new_credentials_lift_the_mark,
    a_pair_for_another_portal_is_not_taken,
    an_authorization_server_outside_the_list_is_never_asked,
    a_tenant_without_a_refresh_token_is_told_by_the_portal_itself,
);

/// What a caller is told when a person has to act.
fn assert_needs_a_person(status: &tonic::Status) {
    assert_eq!(status.code(), Code::FailedPrecondition, "{status:?}");
    assert_eq!(status.reason(), "REAUTHORIZATION_REQUIRED");
    assert_eq!(status.outcome(), "not_executed");
    let details = status.get_error_details();
    let precondition = details.precondition_failure().unwrap();
    assert_eq!(
        precondition.violations[0].subject,
        format!("tenants/{REFRESHABLE}")
    );
    assert_eq!(
        precondition.violations[0].r#type,
        "REAUTHORIZATION_REQUIRED"
    );
    assert!(!details.help().unwrap().links.is_empty());
}

fn assert_unavailable(status: &tonic::Status) {
    assert_eq!(status.code(), Code::Unavailable, "{status:?}");
    assert_eq!(status.reason(), "AUTHORIZATION_SERVER_UNAVAILABLE");
    assert_eq!(status.outcome(), "not_executed");
    assert!(status.get_error_details().retry_info().is_some());
}

async fn a_lost_answer_of_a_server_that_takes_a_token_once_needs_a_person(stores: Stores) {
    let office = Office::open(stores).await;
    let lost = FaultKind::Reset(Moment::After);
    office.sandbox.inject(Fault::once(lost).for_oauth());
    office.expire();
    assert_needs_a_person(&office.call("Hello").await.unwrap_err());
    assert_eq!(token_requests(&office), 2);
    assert_eq!(office.mark().await.as_deref(), Some("answer_lost"));
    assert_eq!(office.ended("reauthorization_required").await, 1);
    assert_eq!(
        office
            .counted::<u64>("openlines_token_responses_lost_total")
            .await,
        1
    );
    assert_eq!(office.sandbox.record().times_delivered("Hello"), 0);
}

async fn an_answer_that_was_lost_in_an_earlier_refresh_is_not_forgotten(stores: Stores) {
    let office = Office::open(stores).await;
    office.expire();
    for kind in [
        FaultKind::Reset(Moment::After),
        FaultKind::Reset(Moment::Before),
    ] {
        office.sandbox.inject(Fault::once(kind).for_oauth());
    }
    assert_unavailable(&office.call("Hello").await.unwrap_err());
    assert_eq!((office.refreshes(), office.mark().await), (1, None));
    // After the pause between two attempts.
    tokio::time::sleep(Duration::from_millis(600)).await;
    assert_needs_a_person(&office.call("Hello").await.unwrap_err());
    assert_eq!(office.mark().await.as_deref(), Some("answer_lost"));
}

async fn a_dead_grant_needs_a_person_and_is_not_asked_for_again(stores: Stores) {
    let office = Office::open(stores).await;
    // Somebody else has used the refresh token up.
    office.refresh_at_the_server().await;
    office.sandbox.clear_record();
    for text in ["first", "second", "third"] {
        let status = office.call(text).await.unwrap_err();
        assert_needs_a_person(&status);
        assert_eq!(
            status.metadata_value("bitrix24Code").as_deref(),
            Some("invalid_grant")
        );
    }
    assert_eq!(token_requests(&office), 1);
    assert_eq!(office.ended("reauthorization_required").await, 1);
    assert_eq!(office.mark().await.as_deref(), Some("invalid_grant"));
}

async fn every_refusal_of_the_server_marks_the_tenant_with_its_code(stores: Stores) {
    let office = Office::open(stores).await;
    office.expire();
    for error in OAuthError::ALL {
        let fault = Fault::once(FaultKind::oauth_error(*error)).for_oauth();
        office.sandbox.inject(fault);
        let status = office.call("Hello").await.unwrap_err();
        assert_needs_a_person(&status);
        assert_eq!(
            office.mark().await.as_deref(),
            Some(error.code),
            "{error:?}"
        );
        assert_eq!(
            status.metadata_value("bitrix24Code").as_deref(),
            Some(error.code)
        );
        office.lift_the_mark().await;
    }
    assert_eq!(office.refreshes(), 0);
    office.call("Hello").await.unwrap();
}

async fn a_refusal_is_forgotten_where_another_replica_has_won(stores: Stores) {
    let (office, gate) = Office::held(stores, Moment::Before).await;
    office.expire();
    let winner = async {
        office.token_requests_have_come(1).await;
        // While the service waits, another one refreshes with the same refresh token and stores the
        // pair.
        office.refresh_past_the_service().await;
        gate.open();
    };
    let (answer, ()) = tokio::join!(office.call("Hello"), winner);
    answer.unwrap();
    assert_eq!(office.mark().await, None);
    assert!(office.has_the_live_pair().await);
    let refused = office.sandbox.record().refused_with("invalid_grant");
    assert_eq!(refused, 1);
    assert_eq!(office.ended("adopted").await, 1);
}

async fn a_server_that_hangs_is_unavailable_and_the_tenant_works_afterwards(stores: Stores) {
    let office = Office::open(stores).await;
    let hang = FaultKind::Silence(Moment::Before);
    office.sandbox.inject(Fault::always(hang).for_oauth());
    office.expire();
    assert_unavailable(&office.call("Hello").await.unwrap_err());
    assert_eq!(
        office.mark().await,
        None,
        "nothing says that the grant is dead"
    );
    office.sandbox.clear_faults();
    office.after_the_pause().await;
    office.call("Hello").await.unwrap();
}

async fn a_server_that_answers_pages_is_unavailable_and_the_tenant_works_afterwards(
    stores: Stores,
) {
    let office = Office::open(stores).await;
    office.expire();
    for status in [200, 404, 502] {
        let page = FaultKind::Html(Moment::Before, status);
        office.sandbox.inject(Fault::always(page).for_oauth());
        assert_unavailable(&office.call("Hello").await.unwrap_err());
        assert_eq!(office.mark().await, None, "{status}");
        office.sandbox.clear_faults();
        office.after_the_pause().await;
    }
    office.call("Hello").await.unwrap();
    assert_eq!(office.ended("server_unavailable").await, 3);
}

/// How often the authorization server was asked for tokens.
fn token_requests(office: &Office) -> usize {
    let record = office.sandbox.record();
    let asked = record.entries.iter();
    asked.filter(|entry| entry.method == "oauth.token").count()
}

/// Nobody's refresh token is used up by it: the server refused before it looked at one.
async fn a_server_that_asks_to_wait_is_asked_by_nobody_until_then(stores: Stores) {
    let office = Office::open(stores).await;
    office.expire();
    for status in [429, 503] {
        let page = FaultKind::Html(Moment::Before, status);
        let page = Fault::always(page).for_oauth();
        let page = page.with_header(RETRY_AFTER, HeaderValue::from(2));
        office.sandbox.inject(page);
        let asked = token_requests(&office);
        let refused = office.call("Hello").await.unwrap_err();
        assert_unavailable(&refused);
        let retry_in = |status: &Status| {
            let details = status.get_error_details();
            details.retry_info().and_then(|info| info.retry_delay)
        };
        assert_eq!(retry_in(&refused), Some(Duration::from_secs(2)), "{status}");
        office.sandbox.clear_faults();
        // Until the server may be asked again, and not only for this caller.
        while let Err(refused) = office.call("Hello").await {
            assert_unavailable(&refused);
            assert!(retry_in(&refused) <= Some(Duration::from_secs(2)));
            tokio::time::sleep(retry_in(&refused).unwrap()).await;
        }
        assert_eq!(token_requests(&office), asked + 2, "{status}");
        office.expire();
    }
    assert_eq!(office.mark().await, None);
}

async fn a_server_that_cannot_be_reached_is_unavailable(stores: Stores) {
    let office = Office::open(stores).await;
    // A port that nobody listens on.
    let closed = std::net::TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap();
    change(&office.store, REFRESHABLE, |tenant| {
        application(tenant).authorization_server = Some(format!("http://{closed}"));
    })
    .await;
    office.expire();
    assert_unavailable(&office.call("Hello").await.unwrap_err());
    assert_eq!(office.mark().await, None);
}

async fn a_valid_token_is_used_while_the_server_is_away(stores: Stores) {
    let office = Office::open(stores).await;
    office.expires_in(30).await;
    let page = FaultKind::Html(Moment::Before, 502);
    office.sandbox.inject(Fault::always(page).for_oauth());
    office.call("Hello").await.unwrap();
    assert_eq!(office.sandbox.record().times_delivered("Hello"), 1);
}

async fn a_call_with_a_valid_token_and_little_time_does_not_wait_for_a_server_that_hangs(
    stores: Stores,
) {
    let office = Office::open(stores).await;
    office.expires_in(30).await;
    let hang = FaultKind::Silence(Moment::Before);
    office.sandbox.inject(Fault::always(hang).for_oauth());
    office
        .call_within("Hello", Duration::from_millis(900))
        .await
        .unwrap();
    assert_eq!(office.sandbox.record().times_delivered("Hello"), 1);
}

async fn a_refusal_of_what_was_corrected_meanwhile_marks_nothing(stores: Stores) {
    let (office, gate) = Office::held(stores, Moment::Before).await;
    change(&office.store, REFRESHABLE, |tenant| {
        application(tenant).client_secret = Some("wrong".into());
    })
    .await;
    office.expire();
    let correction = async {
        office.token_requests_have_come(1).await;
        change(&office.store, REFRESHABLE, |tenant| {
            application(tenant).client_secret = Some(demo::CLIENT_SECRET.into());
        })
        .await;
        gate.open();
    };
    let (answer, _) = tokio::join!(office.call("Hello"), correction);
    assert_unavailable(&answer.unwrap_err());
    assert_eq!(office.mark().await, None);
    office.after_the_pause().await;
    office.call("Hello").await.unwrap();
}

async fn new_credentials_lift_the_mark(stores: Stores) {
    let office = Office::open(stores).await;
    let pair = office.refresh_at_the_server().await;
    assert_needs_a_person(&office.call("first").await.unwrap_err());
    change(&office.store, REFRESHABLE, |tenant| {
        application(tenant).access_token = Some(pair.0.clone());
        application(tenant).refresh_token = Some(pair.1.clone());
        tenant.reauthorization = None;
    })
    .await;
    office.told().await;
    office.call("second").await.unwrap();
}

async fn a_pair_for_another_portal_is_not_taken(stores: Stores) {
    let office = Office::open(stores).await;
    change(&office.store, REFRESHABLE, |tenant| {
        let other = "ffffffffffffffffffffffffffffffff";
        tenant.member_id = Some(bitrix24::MemberId::parse(other).unwrap());
    })
    .await;
    office.expire();
    assert_needs_a_person(&office.call("Hello").await.unwrap_err());
    assert_eq!(office.mark().await.as_deref(), Some("other_portal"));
}

async fn an_authorization_server_outside_the_list_is_never_asked(stores: Stores) {
    let office = Office::open(stores).await;
    change(&office.store, REFRESHABLE, |tenant| {
        application(tenant).authorization_server = Some("oauth.evil.example".to_owned());
    })
    .await;
    let status = office.call("Hello").await.unwrap_err();
    assert_eq!(status.code(), Code::FailedPrecondition);
    assert_eq!(status.reason(), "PORTAL_ADDRESS_FORBIDDEN");
    assert_eq!(office.ended("given_up").await, 0, "no refresh was begun");
}

async fn a_tenant_without_a_refresh_token_is_told_by_the_portal_itself(stores: Stores) {
    let office = Office::open(stores).await;
    change(&office.store, REFRESHABLE, |tenant| {
        application(tenant).refresh_token = None;
    })
    .await;
    office.expire();
    let status = office.call("Hello").await.unwrap_err();
    assert_needs_a_person(&status);
    assert_eq!(
        status.metadata_value("bitrix24Code").as_deref(),
        Some("expired_token")
    );
    assert_eq!(office.sandbox.record().refused_with("expired_token"), 1);
    assert_eq!(
        office
            .store
            .tenant(&id(REFRESHABLE))
            .await
            .unwrap()
            .unwrap()
            .reauthorization,
        None
    );
    assert!(
        office
            .sandbox
            .current_pair(demo::HOST, demo::CLIENT_ID)
            .is_some()
    );
}

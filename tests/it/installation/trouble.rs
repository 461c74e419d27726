//! Trouble that passes, trouble that does not, and a service that stops meanwhile.

use std::time::Duration;

use bitrix24_openlines::testing::install::{EventResult, Retries};
use sandbox::{Fault, FaultKind, Moment, OAuthError, demo};

use super::house::{APPLICATION, House, client_at, install, post};
use crate::support::until;

fn of_app_info(fault: Fault) -> Fault {
    fault.for_method("app.info")
}

#[tokio::test]
async fn an_authorization_server_that_recovers_finds_the_event_still_there() {
    for kind in [
        FaultKind::Html(Moment::Before, 502),
        FaultKind::Html(Moment::Before, 200),
        FaultKind::Html(Moment::Before, 404),
        FaultKind::Empty(Moment::Before),
        FaultKind::Close(Moment::Before),
        FaultKind::Reset(Moment::After),
        FaultKind::Redirect {
            origin: "https://elsewhere.example".to_owned(),
        },
    ] {
        let house = House::open().await;
        let name = kind.name();
        house.sandbox.inject(of_app_info(Fault::next(4, kind)));
        assert_eq!(house.send(APPLICATION, demo::HOST, install()).await, 200);
        house.comes_to("install", EventResult::Created, 1).await;
        assert_eq!(house.questions(), 5, "{name}");
    }
}

#[tokio::test]
async fn an_authorization_server_that_hangs_is_asked_again_after_the_timeout() {
    let house = House::with(|ends| ends.timeout = Duration::from_millis(200)).await;
    let hangs = Fault::once(FaultKind::Silence(Moment::Before));
    house.sandbox.inject(of_app_info(hangs));
    house.send(APPLICATION, demo::HOST, install()).await;
    house.comes_to("install", EventResult::Created, 1).await;
}

#[tokio::test]
async fn a_token_that_the_authorization_server_learns_of_late_is_accepted() {
    let house = House::open().await;
    let unknown = FaultKind::oauth_error(OAuthError::INVALID_CLIENT);
    house.sandbox.inject(of_app_info(Fault::next(2, unknown)));
    house.send(APPLICATION, demo::HOST, install()).await;
    house.comes_to("install", EventResult::Created, 1).await;
}

#[tokio::test]
async fn trouble_that_does_not_pass_is_given_up_in_the_end() {
    let house = House::with(|ends| ends.retries.total = Duration::from_secs(3)).await;
    let broken = Fault::always(FaultKind::Html(Moment::Before, 502));
    house.sandbox.inject(of_app_info(broken));
    house.send(APPLICATION, demo::HOST, install()).await;
    house.comes_to("install", EventResult::GaveUp, 1).await;
    assert!(house.tenants().await.is_empty() && house.questions() > 2);
}

#[tokio::test]
async fn a_portal_in_trouble_does_not_keep_another_event_waiting() {
    let house = House::open().await;
    let hangs = Fault::next(3, FaultKind::Silence(Moment::Before));
    house.sandbox.inject(of_app_info(hangs));
    for _ in 0..4 {
        house.send(APPLICATION, demo::HOST, install()).await;
    }
    house.comes_to("install", EventResult::Created, 1).await;
}

#[tokio::test]
async fn an_event_that_waits_is_tried_once_more_when_the_service_stops() {
    for (faults, expected) in [(1, EventResult::Created), (2, EventResult::GaveUp)] {
        let retries = Retries {
            first: Duration::from_secs(3600),
            longest: Duration::from_secs(3600),
            total: Duration::from_secs(36_000),
        };
        let mut house = House::with(|ends| ends.retries = retries).await;
        let broken = FaultKind::Html(Moment::Before, 502);
        house
            .sandbox
            .inject(of_app_info(Fault::next(faults, broken)));
        house.send(APPLICATION, demo::HOST, install()).await;
        until("the first question was answered", || {
            let entries = house.sandbox.record().entries;
            entries.iter().any(|entry| entry.status == Some(502))
        })
        .await;
        house.close().await;
        house.comes_to("install", expected, 1).await;
        assert_eq!(house.questions(), 2);
        let refused = tokio::net::TcpStream::connect(house.address).await;
        assert!(refused.is_err());
    }
}

#[tokio::test]
async fn more_events_of_a_source_than_may_wait_are_lost_and_those_of_another_are_not() {
    let house = House::with(|ends| ends.timeout = Duration::from_secs(60)).await;
    let hangs = Fault::always(FaultKind::Silence(Moment::Before));
    house.sandbox.inject(of_app_info(hangs));
    let form = house.form(demo::HOST, install());
    for _ in 0..203 {
        assert_eq!(house.post(APPLICATION, &form).await, 200);
    }
    house.comes_to("install", EventResult::Busy, 3).await;
    let other = client_at("127.0.0.2");
    post(&other, &house.handler(APPLICATION), &form).await;
    // A later one of the first source has ended, and that of the other one waits.
    house.post(APPLICATION, &form).await;
    house.comes_to("install", EventResult::Busy, 4).await;
    assert!(house.questions() <= 8);
}

//! `certain`: while seven days and every week of a calendar agree. The clock of an SQLite file is
//! set, because only working days are certain.

use bitrix24_openlines::api::openlines::v1 as api;
use jiff::Timestamp;
use sandbox::Week;

use super::site::{Site, refused_by_the_guard, to_member};
use crate::support::Told;
use crate::support::requests::network_message;
use crate::support::stores::Stores;

/// Sets the clock of the database.
async fn set_clock(site: &Site, now: &str) {
    // A service that answers has made the tables.
    let checked = api::SendNetworkMessageRequest {
        validate_only: true,
        ..to_member("text")
    };
    site.send(checked).await.unwrap();
    let now: Timestamp = now.parse().unwrap();
    let ahead = now.as_millisecond() - Timestamp::now().as_millisecond();
    let view = format!(
        "DROP VIEW clock; CREATE VIEW clock (now_milliseconds) AS \
         SELECT CAST(unixepoch('subsec') * 1000 AS INTEGER) + {ahead};"
    );
    site.stores.execute(&view).await;
}

/// Until when the guard refuses a message now; `None`: it is sent.
async fn guarded_until(site: &Site) -> Option<String> {
    let before = site.requests();
    let answer = site.send(network_message("text")).await;
    if site.requests() > before {
        return None;
    }
    refused_by_the_guard(answer).metadata_value("guardedUntil")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn on_working_days_it_is_certain_until_friday() {
    for week in [Week::Rolling, Week::Calendar] {
        let site = Site::start(Stores::sqlite(), "certain").await;
        site.world.sandbox.switch(|switches| switches.week = week);
        // 2026-03-03 is a Tuesday.
        set_clock(&site, "2026-03-03T12:00:00Z").await;
        site.teach().await;
        let friday = Some("2026-03-06T09:00:00Z".to_owned());
        assert_eq!(guarded_until(&site).await, friday);
        set_clock(&site, "2026-03-04T11:30:00Z").await;
        assert_eq!(guarded_until(&site).await, friday);
        // Around the weekend somebody's week may be over: the portal decides.
        set_clock(&site, "2026-03-06T10:00:00Z").await;
        assert_eq!(guarded_until(&site).await, None);
        assert_eq!(guarded_until(&site).await, None);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn after_a_weekend_the_portal_is_asked_once() {
    let site = Site::start(Stores::sqlite(), "certain").await;
    set_clock(&site, "2026-03-08T12:00:00Z").await;
    site.teach().await;
    // Sunday's message and refusal say nothing of a week that may have begun since.
    assert_eq!(guarded_until(&site).await, None);
    set_clock(&site, "2026-03-09T14:00:00Z").await;
    site.is_sent_and_refused(network_message("text")).await;
    // Of the recipient, and then of the portal.
    let monday = "SELECT subject FROM weekly_limits \
                  WHERE refused_at > (SELECT now_milliseconds FROM clock) - 3600000";
    site.until_texts(monday, 2).await;
    // Monday's refusal says that this week has had its message.
    let friday = Some("2026-03-13T09:00:00Z".to_owned());
    assert_eq!(guarded_until(&site).await, friday);
}

//! What is recorded, for how long, and who knows it.

use bitrix24_openlines::api::openlines::v1 as api;
use sandbox::{Fault, FaultKind, demo};

use super::site::{Site, refused_by_the_guard, to_member};
use crate::support::requests::network_message;
use crate::support::stores::{Stores, on_both_stores};

on_both_stores!(
    after_a_week_the_next_message_is_sent,
    an_unknown_outcome_is_no_record,
    a_refusal_of_another_kind_is_no_record,
    a_record_outlives_the_process,
    what_has_expired_is_deleted,
    two_messages_at_the_same_time_are_one_delivery,
    nothing_of_a_message_is_stored,
    a_store_that_cannot_be_read_stops_no_message,
);

const SUBJECTS: &str = "SELECT subject FROM weekly_limits";

async fn after_a_week_the_next_message_is_sent(stores: Stores) {
    let site = Site::start(stores, "rolling").await;
    site.teach().await;
    site.pass(7 * 24 - 3).await;
    // The portal's word is older than a day: it is asked again, and says the same.
    site.is_sent_and_refused(network_message("text")).await;
    let confirmed = "SELECT subject FROM weekly_limits WHERE accepted_at IS NULL \
                     AND refused_at > (SELECT now_milliseconds FROM clock) - 3600000";
    site.until_texts(confirmed, 1).await;
    site.is_guarded(network_message("text")).await;
    site.pass(3).await;
    site.send(network_message("in the next week"))
        .await
        .unwrap();
    // That one begins another week.
    let begun = "SELECT subject FROM weekly_limits \
                 WHERE accepted_at > (SELECT now_milliseconds FROM clock) - 3600000";
    site.until_texts(begun, 1).await;
    site.is_guarded(network_message("once more")).await;
}

async fn an_unknown_outcome_is_no_record(stores: Stores) {
    let site = Site::start(stores, "rolling").await;
    let faults = [
        FaultKind::Scripted {
            status: 200,
            content_type: "application/json".to_owned(),
            body: r#"{"result":{"no":"number"}}"#.to_owned(),
            executed: true,
        },
        FaultKind::Scripted {
            status: 500,
            content_type: "text/html".to_owned(),
            body: "<html>broken</html>".to_owned(),
            executed: true,
        },
    ];
    for (user_id, fault) in [demo::OUTSIDER, demo::MEMBER].into_iter().zip(faults) {
        let message = |text| api::SendNetworkMessageRequest {
            user_id,
            ..network_message(text)
        };
        site.world.sandbox.inject(Fault::once(fault));
        site.send(message("first")).await.unwrap_err();
        // The portal has delivered it, and is asked all the same: twice, for nothing follows from
        // a refusal without a message that was accepted.
        site.is_sent_and_refused(message("second")).await;
        site.until_texts(SUBJECTS, 1).await;
        site.is_sent_and_refused(message("third")).await;
    }
    // The portal's own word alone.
    site.until_texts(SUBJECTS, 1).await;
}

async fn a_refusal_of_another_kind_is_no_record(stores: Stores) {
    let site = Site::start(stores, "rolling").await;
    let to_nobody = api::SendNetworkMessageRequest {
        user_id: demo::DISMISSED,
        ..network_message("text")
    };
    site.send(to_nobody).await.unwrap_err();
    site.send(to_member("text")).await.unwrap();
    // A process that stops has written everything.
    let site = site.restart("rolling").await;
    assert_eq!(site.stores.texts(SUBJECTS).await.len(), 1);
}

async fn a_record_outlives_the_process(stores: Stores) {
    let site = Site::start(stores, "rolling").await;
    site.teach().await;
    let site = site.restart("rolling").await;
    site.is_guarded(network_message("text")).await;
}

async fn what_has_expired_is_deleted(stores: Stores) {
    let site = Site::start(stores, "rolling").await;
    site.teach().await;
    site.send(to_member("text")).await.unwrap();
    site.until_texts(SUBJECTS, 3).await;
    // A recipient's row lives for eight days, a portal's for one.
    let days = |days: i64| {
        format!(
            "SELECT subject FROM weekly_limits \
             WHERE expires_at - COALESCE(accepted_at, refused_at) = {}",
            days * 86_400_000
        )
    };
    site.until_texts(&days(8), 2).await;
    site.until_texts(&days(1), 1).await;
    site.pass(8 * 24).await;
    // Every process cleans when it starts, whether it guards or not.
    let site = site.restart("none").await;
    site.until_texts(SUBJECTS, 0).await;
}

async fn two_messages_at_the_same_time_are_one_delivery(stores: Stores) {
    let site = Site::start(stores, "rolling").await;
    let text = || network_message("text");
    let (one, other) = tokio::join!(site.send(text()), site.send(text()));
    assert!(one.is_ok() != other.is_ok());
    assert_eq!(site.world.sandbox.record().times_delivered("text"), 1);
}

async fn nothing_of_a_message_is_stored(stores: Stores) {
    let site = Site::start(stores, "rolling").await;
    site.teach().await;
    let subjects = site.stores.texts(SUBJECTS).await;
    for subject in &subjects {
        assert_eq!(subject.len(), 64);
        assert!(subject.bytes().all(|byte| byte.is_ascii_hexdigit()));
    }
    let columns = if site.stores.is_shared() {
        "SELECT CAST(column_name AS TEXT) FROM information_schema.columns \
         WHERE table_name = 'weekly_limits' ORDER BY ordinal_position"
    } else {
        "SELECT name FROM pragma_table_info('weekly_limits') ORDER BY cid"
    };
    let columns = site.stores.texts(columns).await;
    let times = ["subject", "accepted_at", "refused_at", "expires_at"];
    assert_eq!(columns, times);
}

async fn a_store_that_cannot_be_read_stops_no_message(stores: Stores) {
    let site = Site::start(stores, "rolling").await;
    site.teach().await;
    site.stores.execute("DROP TABLE weekly_limits").await;
    site.is_sent_and_refused(network_message("text")).await;
    site.send(to_member("text")).await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn another_replica_knows_what_the_first_one_was_told() {
    let Some(stores) = Stores::postgresql().await else {
        return;
    };
    let site = Site::start(stores, "rolling").await;
    let other = site.replica("rolling").await;
    site.teach().await;
    let before = site.requests();
    refused_by_the_guard(other.send(network_message("text")).await);
    assert_eq!(site.requests(), before);
}

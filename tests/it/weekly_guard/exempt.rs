//! Portals without the limit: a partner (NFR) licence.

use std::time::Duration;

use sandbox::demo;
use store::weekly_limits::{Said, Word};

use super::site::{Site, to_member};
use crate::support::requests::network_message;
use crate::support::stores::{Stores, keyring, on_both_stores};

on_both_stores!(
    a_portal_without_the_limit_is_never_guarded,
    a_portal_that_loses_the_limit_is_asked_after_a_day,
    a_portal_that_accepts_what_it_should_refuse_is_guarded_no_more,
    a_message_that_is_accepted_against_the_record_takes_the_portals_word_back,
    of_words_that_are_written_together_the_later_one_counts,
);

fn set_licence(site: &Site, nfr_licence: bool) {
    let sandbox = &site.world.sandbox;
    sandbox.alter(demo::HOST, |portal| portal.nfr_licence = nfr_licence);
}

async fn a_portal_without_the_limit_is_never_guarded(stores: Stores) {
    let site = Site::start(stores, "rolling").await;
    set_licence(&site, true);
    for count in 1..=4 {
        site.send(network_message("text")).await.unwrap();
        assert_eq!(
            site.world.sandbox.record().times_delivered("text"),
            count,
            "each is sent"
        );
        site.until_texts("SELECT subject FROM weekly_limits", 1)
            .await;
    }
}

async fn a_portal_that_loses_the_limit_is_asked_after_a_day(stores: Stores) {
    let site = Site::start(stores, "rolling").await;
    site.teach().await;
    set_licence(&site, true);
    site.is_guarded(network_message("text")).await;
    site.pass(24).await;
    for _ in 0..3 {
        site.send(network_message("text")).await.unwrap();
    }
    // And the other way round: the portal says so itself, and then it is guarded.
    set_licence(&site, false);
    site.is_sent_and_refused(network_message("text")).await;
    let confirmed = "SELECT subject FROM weekly_limits WHERE accepted_at IS NULL \
                     AND expires_at > (SELECT now_milliseconds FROM clock)";
    site.until_texts(confirmed, 1).await;
    site.is_guarded(network_message("text")).await;
}

/// In the store, as it is written when the database is slow.
async fn of_words_that_are_written_together_the_later_one_counts(stores: Stores) {
    let store = stores.open(&keyring()).await;
    let said = |portal: &str, word, seconds| Said {
        recipient: format!("one of {portal}"),
        portal: portal.to_owned(),
        word,
        ago: Duration::from_secs(seconds),
    };
    let words = [
        said("limited since", Word::AcceptedAgainst, 20),
        said("limited since", Word::Refused, 10),
        said("limited before", Word::Refused, 20),
        said("limited before", Word::AcceptedAgainst, 10),
    ];
    store.write_weekly_limits(&words).await.unwrap();
    // An answer that took longer than the next one.
    let late = said("limited since", Word::AcceptedAgainst, 30);
    store.write_weekly_limits(&[late]).await.unwrap();
    for (portal, is_confirmed) in [("limited since", true), ("limited before", false)] {
        let recipient = format!("one of {portal}");
        let stored = store.weekly_limit(&recipient, portal).await.unwrap();
        assert_eq!(stored.confirmed_at.is_some(), is_confirmed, "{portal}");
    }
}

/// In the store: one message is refused while another one is accepted against the record.
async fn a_portal_that_accepts_what_it_should_refuse_is_guarded_no_more(stores: Stores) {
    let store = stores.open(&keyring()).await;
    let said = |recipient: &str, word| Said {
        recipient: recipient.to_owned(),
        portal: "portal".to_owned(),
        word,
        ago: Duration::from_secs(1),
    };
    let words = [
        said("one", Word::Accepted),
        said("one", Word::Refused),
        said("other", Word::Accepted),
    ];
    for word in words {
        store.write_weekly_limits(&[word]).await.unwrap();
    }
    let stored = store.weekly_limit("one", "portal").await.unwrap();
    assert!(stored.accepted_at.is_some() && stored.confirmed_at.is_some());
    let against = said("other", Word::AcceptedAgainst);
    store.write_weekly_limits(&[against]).await.unwrap();
    for recipient in ["one", "other"] {
        let stored = store.weekly_limit(recipient, "portal").await.unwrap();
        assert!(stored.accepted_at.is_some());
        assert_eq!(stored.confirmed_at, None);
    }
}

async fn a_message_that_is_accepted_against_the_record_takes_the_portals_word_back(stores: Stores) {
    let site = Site::start(stores, "rolling").await;
    site.teach().await;
    site.send(to_member("text")).await.unwrap();
    set_licence(&site, true);
    let portal = "SELECT subject FROM weekly_limits WHERE accepted_at IS NULL";
    // What it said before is out of date, so the message is sent.
    site.pass(24).await;
    site.send(network_message("against the record"))
        .await
        .unwrap();
    site.until_texts(portal, 0).await;
}

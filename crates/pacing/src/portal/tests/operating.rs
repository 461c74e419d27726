//! Operating time that many calls use at once.

use super::*;
use crate::OperatingKey;

/// A response that tells of this much used operating time.
fn used(seconds: f64) -> OperatingTime {
    OperatingTime {
        used: seconds,
        resets_in: Some(Duration::from_secs(60)),
        cost: 0.07,
    }
}

/// How many calls are sent now, and how many of them in batches.
fn sent_now(portal: &mut Portal<()>, now: Instant) -> (usize, usize) {
    let (mut calls, mut in_batches) = (0, 0);
    loop {
        match portal.next(now) {
            Next::Prepare(selection) => portal.prepared(selection),
            Next::Send(permit) => {
                let (request, of_request) = permit.into_parts();
                portal.sent(request, now);
                calls += of_request.len();
                if of_request.len() > 1 {
                    in_batches += of_request.len();
                }
            }
            Next::Reject(_, Rejection::OperatingLimit { .. }) => {}
            Next::At(_) | Next::Nothing => return (calls, in_batches),
            Next::Reject(_, why) => panic!("{why}"),
        }
    }
}

#[test]
fn a_burst_of_expensive_calls_stays_within_the_limit() {
    let now = Instant::now();
    let mut portal = unknown(Some(STANDARD), now);
    submit(&mut portal, 1..=500, now);
    assert_eq!(
        sent_now(&mut portal, now).0,
        1,
        "one finds out what a call costs"
    );
    let acme = tenant("acme");
    let then = now + 70 * MS;
    portal.completed(1, RequestOutcome::Responded, 70 * MS, then);
    portal.note_operating_time(&acme, METHOD, SentAs::Single, used(2.0), then);
    portal.release(1, Vec::new());
    let (sent, _) = sent_now(&mut portal, then);
    assert!((200..=236).contains(&sent), "{sent}: 2 s each of 475");
}

#[test]
fn cheap_calls_are_not_held_back() {
    let now = Instant::now();
    let mut portal = unknown(Some(STANDARD), now);
    submit(&mut portal, 1..=500, now);
    sent_now(&mut portal, now);
    let acme = tenant("acme");
    let then = now + 70 * MS;
    portal.completed(1, RequestOutcome::Responded, 70 * MS, then);
    portal.note_operating_time(&acme, METHOD, SentAs::Single, used(0.02), then);
    portal.release(1, Vec::new());
    assert_eq!(sent_now(&mut portal, then).0, 499);
}

#[test]
fn batches_on_their_way_count_where_the_portal_charges_them_as_such() {
    let now = Instant::now();
    let mut portal = portal(Some(STANDARD), now);
    let acme = tenant("acme");
    // Each command of a batch tells of the whole: 50 commands of 2 s.
    let batch = |portal: &mut Portal<()>, seconds| {
        for _ in 0..50 {
            portal.note_operating_time(&acme, METHOD, SentAs::Batch, used(seconds), now);
        }
    };
    batch(&mut portal, 100.0);
    portal.note_operating_time(&acme, METHOD, SentAs::Single, used(1.0), now);
    batch(&mut portal, 200.0);
    submit(&mut portal, 1..=500, now);
    let (_, sent) = sent_now(&mut portal, now);
    assert!((100..=137).contains(&sent), "{sent}: 2 s each of 275");
}

#[test]
fn tenants_share_the_budget_of_their_portal_unless_the_settings_say_otherwise() {
    for (key, is_shared) in [(OperatingKey::Portal, true), (OperatingKey::Tenant, false)] {
        let now = Instant::now();
        let mut portal = portal(Some(STANDARD), now);
        portal.limits.operating_key = key;
        portal.note_operating_time(&tenant("other"), METHOD, SentAs::Single, used(479.0), now);
        let refused = portal.submit(call(1, now), (), now).is_err();
        assert_eq!(refused, is_shared, "{key:?}");
    }
}

#[test]
fn a_portal_without_a_rate_limit_keeps_its_operating_limit() {
    let now = Instant::now();
    let mut portal = portal(None, now);
    portal.note_operating_time(&tenant("acme"), METHOD, SentAs::Single, used(479.0), now);
    let rejected = rejection(&mut portal, call(1, now), now);
    assert!(
        matches!(rejected, Rejection::OperatingLimit { .. }),
        "{rejected}"
    );
}

#[test]
fn a_block_is_remembered_where_no_limit_is_known() {
    let now = Instant::now();
    let mut portal = portal(None, now);
    portal.limits.operating_time = None;
    portal.operating_rejected(&tenant("acme"), METHOD, now);
    let rejected = rejection(&mut portal, call(1, now), now);
    assert!(
        matches!(rejected, Rejection::OperatingLimit { .. }),
        "{rejected}"
    );
}

//! The plan of a tenant is entered, changed and taken away.

use std::time::{Duration, Instant};

use bitrix24_openlines::api::openlines::tenants::v1 as api;
use bitrix24_openlines::api::openlines::tenants::v1::plan::{Kind, Limit};

use super::office::{Office, webhook};
use crate::support::Told;

fn kind(kind: Kind) -> api::Plan {
    api::Plan {
        limit: Some(Limit::Kind(kind.into())),
    }
}

fn own(burst: i32, per_second: f64) -> api::Plan {
    api::Plan {
        limit: Some(Limit::Own(api::Intensity { burst, per_second })),
    }
}

/// A change of the plan alone.
fn planned(plan: Option<api::Plan>) -> api::Tenant {
    api::Tenant {
        plan,
        ..Default::default()
    }
}

#[tokio::test]
async fn a_tenant_shows_the_plan_that_was_entered_and_none_if_none_was() {
    let office = Office::open().await;
    let mut desk = office.manager().await;
    let created = desk.create("acme", office.webhook()).await.unwrap();
    assert_eq!(created.plan, None);
    office.send("acme").await.unwrap();
    for (id, plan) in [
        ("a", kind(Kind::Standard)),
        ("b", kind(Kind::Enterprise)),
        ("c", kind(Kind::Unlimited)),
        ("d", own(1, 0.001)),
        ("e", own(10_000, 1_000.0)),
    ] {
        let tenant = api::Tenant {
            plan: Some(plan),
            ..office.webhook()
        };
        let created = desk.create(id, tenant).await.unwrap();
        assert_eq!(created.plan, Some(plan));
        assert_eq!(desk.get(id).await.unwrap(), created);
        // All are tenants of one portal, of which the smallest plan counts: the figures behind
        // these leave no room for a second call.
        if id < "d" {
            office.send(id).await.unwrap();
        }
    }
}

#[tokio::test]
async fn the_plan_of_a_tenant_that_is_gone_or_changed_limits_its_portal_no_more() {
    for is_deleted in [true, false] {
        let office = Office::open().await;
        let mut desk = office.manager().await;
        // The figures of the second one leave no room for a second call.
        for (id, plan) in [("wide", kind(Kind::Enterprise)), ("narrow", own(1, 0.001))] {
            let tenant = api::Tenant {
                plan: Some(plan),
                ..office.webhook()
            };
            desk.create(id, tenant).await.unwrap();
        }
        office.send("wide").await.unwrap();
        for id in ["narrow", "wide"] {
            let limited = office.send(id).await.unwrap_err();
            assert_eq!(limited.reason(), "WAIT_EXCEEDS_DEADLINE", "{id}");
        }
        if is_deleted {
            desk.delete("narrow", "").await.unwrap();
        } else {
            let plan = planned(Some(kind(Kind::Enterprise)));
            desk.update("narrow", plan, &[]).await.unwrap();
        }
        // The feed tells it within a second.
        let begun = Instant::now();
        while let Err(limited) = office.send("wide").await {
            assert_eq!(limited.reason(), "WAIT_EXCEEDS_DEADLINE");
            assert!(begun.elapsed() < Duration::from_secs(20), "{limited:?}");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }
}

#[tokio::test]
async fn an_update_is_about_the_plan_as_a_whole() {
    let office = Office::open().await;
    let mut desk = office.manager().await;
    let created = desk.create("acme", office.webhook()).await.unwrap();
    // Without a mask it is set if it is there.
    let enterprise = Some(kind(Kind::Enterprise));
    let updated = desk.update("acme", planned(enterprise), &[]).await.unwrap();
    assert_eq!(updated.plan, enterprise);
    assert_eq!(updated.credentials, created.credentials);
    let named = api::Tenant {
        display_name: "Acme".to_owned(),
        ..Default::default()
    };
    let updated = desk.update("acme", named, &[]).await.unwrap();
    assert_eq!(updated.plan, enterprise);
    // What is not named stays.
    let figures = Some(own(100, 3.0));
    let paths = ["display_name"];
    let updated = desk.update("acme", planned(figures), &paths).await.unwrap();
    assert_eq!(
        (updated.plan, updated.display_name.as_str()),
        (enterprise, "")
    );
    let updated = desk
        .update("acme", planned(figures), &["plan"])
        .await
        .unwrap();
    assert_eq!(updated.plan, figures);
    // The same once more is no change.
    let same = desk
        .update("acme", planned(figures), &["plan"])
        .await
        .unwrap();
    assert_eq!(same, updated);
    // What was read is sent back.
    let same = desk.update("acme", updated.clone(), &["*"]).await.unwrap();
    assert_eq!(same, updated);
    let updated = desk.update("acme", planned(None), &["plan"]).await.unwrap();
    assert_eq!(updated.plan, None);
    desk.update("acme", planned(figures), &[]).await.unwrap();
    let whole = webhook(&office.portal(), 1, "");
    let updated = desk.update("acme", whole, &["*"]).await.unwrap();
    assert_eq!(updated.plan, None);

    for path in ["plan.kind", "plan.own", "plan.own.burst"] {
        let refused = desk.update("acme", planned(figures), &[path]).await;
        let expected = (
            "update_mask.paths[0]".to_owned(),
            "UNKNOWN_FIELD".to_owned(),
        );
        assert_eq!(refused.unwrap_err().violations(), [expected], "{path}");
    }
}

#[tokio::test]
async fn a_plan_that_is_none_is_refused() {
    let office = Office::open().await;
    let mut desk = office.manager().await;
    desk.create("acme", office.webhook()).await.unwrap();
    let unknown = api::Plan {
        limit: Some(Limit::Kind(9)),
    };
    let (burst, per_second) = ("tenant.plan.own.burst", "tenant.plan.own.per_second");
    let out_of_range = "OUT_OF_RANGE";
    for (plan, expected) in [
        (
            api::Plan::default(),
            vec![("tenant.plan.limit", "REQUIRED")],
        ),
        (
            kind(Kind::Unspecified),
            vec![("tenant.plan.kind", "REQUIRED")],
        ),
        (unknown, vec![("tenant.plan.kind", "UNKNOWN_VALUE")]),
        (own(0, 1.0), vec![(burst, out_of_range)]),
        (own(10_001, 1.0), vec![(burst, out_of_range)]),
        (own(1, 0.0), vec![(per_second, out_of_range)]),
        (own(1, 1_000.1), vec![(per_second, out_of_range)]),
        (own(1, f64::NAN), vec![(per_second, out_of_range)]),
        (
            own(-1, f64::INFINITY),
            vec![(burst, out_of_range), (per_second, out_of_range)],
        ),
    ] {
        let expected: Vec<(String, String)> = expected
            .into_iter()
            .map(|(field, rule)| (field.to_owned(), rule.to_owned()))
            .collect();
        let tenant = api::Tenant {
            plan: Some(plan),
            ..office.webhook()
        };
        let refused = desk.create("other", tenant).await.unwrap_err();
        assert_eq!(refused.violations(), expected);
        let refused = desk.update("acme", planned(Some(plan)), &[]).await;
        assert_eq!(refused.unwrap_err().violations(), expected);
    }
    assert_eq!(desk.get("acme").await.unwrap().plan, None);
}

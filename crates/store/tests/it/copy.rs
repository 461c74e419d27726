//! A store in another database.

use std::time::Duration;

use store::ledger::{Id, Outcome, State};
use store::weekly_limits::{Said, Word};
use store::{Access, CopiedTable, CopyError, CopyStep, OpenError, Store, StoreCopy, StoreUrl};
use uuid::Uuid;

use crate::support::calls::{end, start};
use crate::support::everything;
use crate::support::stores::{Stores, application, change, id, keyring, on_both_stores, webhook};

on_both_stores!(
    a_copy_has_everything_and_its_secrets_as_they_are,
    a_copy_that_was_broken_off_is_no_store_and_goes_on,
    a_copy_that_goes_on_takes_what_the_source_has_by_then,
    a_database_in_use_is_neither_source_nor_target,
    a_copy_that_goes_on_must_be_of_the_same_source,
    calls_of_many_pages_are_copied_and_those_that_are_there_are_not_written_again,
);

const DAY: Duration = Duration::from_hours(24);

/// More tenants than one statement takes.
const MANY: usize = 450;

async fn copy(from: &Stores, to: &Stores) -> Result<Vec<CopiedTable>, CopyError> {
    opened(from, to).await?.run(|_, _, _| ()).await
}

async fn opened(from: &Stores, to: &Stores) -> Result<StoreCopy, CopyError> {
    let url = |stores: &Stores| StoreUrl::parse(stores.url()).unwrap();
    StoreCopy::open(&url(from), &url(to)).await
}

/// A target of the other kind, and one of the same; without a server only files.
async fn targets(stores: &Stores) -> Vec<Stores> {
    let mut targets = vec![Stores::sqlite()];
    let has_server = std::env::var_os("OPENLINES_TEST_POSTGRES_URL").is_some();
    if stores.is_shared() || has_server {
        targets.extend(Stores::postgresql().await);
    }
    targets
}

fn call(number: u128) -> Id {
    Id {
        tenant: id("acme"),
        request: Uuid::from_u128(number),
    }
}

/// What a service leaves: tenants, one that is gone, an open refresh, calls of all kinds, and what
/// a portal said of its weekly limit.
async fn fill(store: &Store, tenants: usize) {
    store.create(&application("acme")).await.unwrap();
    store.create(&webhook("gone")).await.unwrap();
    store.delete(&id("gone"), None).await.unwrap();
    for number in 0..tenants {
        store
            .create(&webhook(&format!("hook-{number}")))
            .await
            .unwrap();
    }
    change(store, "acme", |tenant| {
        tenant.display_name = "Acme, changed".to_owned()
    })
    .await;
    let owner = Uuid::new_v4();
    let lease = store
        .acquire_refresh_lease(&id("acme"), 1, owner, DAY)
        .await;
    lease.unwrap();
    store
        .abandon_refresh_lease(&id("acme"), owner)
        .await
        .unwrap();
    let starts = (1..=3).map(|number| start(&call(number), i64::try_from(number).unwrap()));
    store
        .write_ledger(owner, DAY, starts.collect(), &[])
        .await
        .unwrap();
    let said = |word| Said {
        recipient: "a recipient".to_owned(),
        portal: "a portal".to_owned(),
        word,
        ago: Duration::ZERO,
    };
    let said = [said(Word::Accepted), said(Word::Refused)];
    store.write_weekly_limits(&said).await.unwrap();
    let answered = Outcome::Answered(r#"{"result":"Ω"}"#.to_owned());
    let answered = end(&call(1), 1, answered);
    let unknown = end(&call(2), 2, Outcome::Unknown);
    let ends = [&answered, &unknown];
    store
        .write_ledger(owner, DAY, Vec::new(), &ends)
        .await
        .unwrap();
}

/// Everything of a table that can be read from outside, in order.
async fn rows(stores: &Stores, table: &str) -> Vec<String> {
    let columns = match table {
        "tenants" => {
            "id, revision, generation, change_number, sealing_key, sealed_values, created_at"
        }
        "deleted_tenants" => "id, revision, generation, change_number, deleted_at",
        "weekly_limits" => "subject, accepted_at, refused_at, expires_at",
        _ => "tenant_id, owner, generation",
    };
    let columns = columns.replace(", ", ", '|', ");
    stores
        .texts(&format!("SELECT CONCAT({columns}) FROM {table} ORDER BY 1"))
        .await
}

async fn seals(stores: &Stores) -> Vec<String> {
    let (hex, witness) = if stores.is_shared() {
        (
            "upper(encode(webhook_secret, 'hex'))",
            "upper(encode(witness, 'hex'))",
        )
    } else {
        ("hex(webhook_secret)", "hex(witness)")
    };
    let query = format!(
        "SELECT {hex} || {witness} FROM tenants WHERE webhook_secret IS NOT NULL ORDER BY id"
    );
    stores.texts(&query).await
}

async fn a_copy_has_everything_and_its_secrets_as_they_are(stores: Stores) {
    let keyring = keyring();
    let store = stores.open(&keyring).await;
    fill(&store, 5).await;
    let changes = store.changes_since(0, 1000).await.unwrap();
    let mut expected = Vec::new();
    for name in ["acme", "hook-0", "hook-4"] {
        expected.push(everything(&store.tenant(&id(name)).await.unwrap().unwrap()));
    }
    drop(store);
    for target in targets(&stores).await {
        let tables = copy(&stores, &target).await.unwrap();
        let numbers: Vec<_> = tables
            .iter()
            .map(|table| (table.what, table.rows))
            .collect();
        let all = [
            ("tenants", 6),
            ("deleted tenants", 1),
            ("open refreshes", 1),
            ("calls with an idempotency key", 3),
            ("weekly limits", 2),
        ];
        assert_eq!(numbers, all);
        assert!(tables.iter().all(|table| table.rows == table.written));
        assert_eq!(seals(&target).await, seals(&stores).await);
        assert_eq!(seals(&target).await.len(), 5);
        for table in [
            "tenants",
            "deleted_tenants",
            "refresh_leases",
            "weekly_limits",
        ] {
            assert_eq!(
                rows(&target, table).await,
                rows(&stores, table).await,
                "{table}"
            );
        }

        let copied = target.open(&keyring).await;
        let mut found = Vec::new();
        for name in ["acme", "hook-0", "hook-4"] {
            found.push(everything(
                &copied.tenant(&id(name)).await.unwrap().unwrap(),
            ));
        }
        assert_eq!(found, expected);
        let copied_changes = copied.changes_since(0, 1000).await.unwrap();
        assert_eq!(format!("{copied_changes:?}"), format!("{changes:?}"));
        let row = async |number| copied.ledger_row(&call(number)).await.unwrap().unwrap();
        assert_eq!(
            row(1).await.state,
            State::Answered(r#"{"result":"Ω"}"#.to_owned())
        );
        assert_eq!(row(2).await.state, State::Unknown);
        assert!(matches!(row(3).await.state, State::Started { .. }));
        // Numbers go on where they were.
        copied.create(&webhook("gone")).await.unwrap();
        let again = copied.tenant(&id("gone")).await.unwrap().unwrap();
        assert!(again.revision > 1, "{}", again.revision);
    }
}

/// Breaks a copy off after its first pages, as the end of its process does.
async fn break_off(from: &Stores, to: &Stores) {
    let copy = opened(from, to).await.unwrap();
    let (reached, mut enough) = tokio::sync::mpsc::unbounded_channel();
    let run = copy.run(|step, done, _| {
        assert_eq!(step, CopyStep::Copy);
        if done >= 200 {
            reached.send(()).unwrap();
        }
    });
    tokio::select! {
        biased;
        _ = enough.recv() => {}
        _ = run => panic!("it was not broken off"),
    }
}

async fn a_copy_that_was_broken_off_is_no_store_and_goes_on(stores: Stores) {
    let keyring = keyring();
    let store = stores.open(&keyring).await;
    fill(&store, MANY).await;
    drop(store);
    for target in targets(&stores).await {
        break_off(&stores, &target).await;
        let refused = target
            .try_open(&keyring, Access::Service)
            .await
            .unwrap_err();
        assert!(matches!(refused, OpenError::HalfCopied), "{refused:?}");

        let again = opened(&stores, &target).await.unwrap();
        assert!(again.is_resumed());
        let tables = again.run(|_, _, _| ()).await.unwrap();
        drop(again);
        let tenants = &tables[0];
        assert_eq!(tenants.rows, u64::try_from(MANY).unwrap() + 1);
        assert!(
            tenants.written < tenants.rows,
            "what was there is not written again"
        );
        target.open(&keyring).await;
        assert_eq!(seals(&target).await, seals(&stores).await);
    }
}

async fn a_copy_that_goes_on_takes_what_the_source_has_by_then(stores: Stores) {
    let keyring = keyring();
    let store = stores.open(&keyring).await;
    fill(&store, MANY).await;
    drop(store);
    let target = targets(&stores).await.pop().unwrap();
    break_off(&stores, &target).await;
    let store = stores.open(&keyring).await;
    change(&store, "acme", |tenant| {
        tenant.display_name = "Once more".to_owned()
    })
    .await;
    store.delete(&id("hook-1"), None).await.unwrap();
    drop(store);
    copy(&stores, &target).await.unwrap();
    let copied = target.open(&keyring).await;
    assert!(copied.tenant(&id("hook-1")).await.unwrap().is_none());
    let acme = copied.tenant(&id("acme")).await.unwrap().unwrap();
    assert_eq!(acme.display_name, "Once more");
}

/// More calls than one statement takes, of two tenants, not in the order of their keys.
async fn calls_of_many_pages_are_copied_and_those_that_are_there_are_not_written_again(
    stores: Stores,
) {
    let keyring = keyring();
    let store = stores.open(&keyring).await;
    let owner = Uuid::new_v4();
    let calls: Vec<Id> = (0..5_000_u128)
        .map(|number| Id {
            tenant: id(["acme", "zeta"][usize::from(number % 3 == 0)]),
            request: Uuid::from_u128(
                number.wrapping_mul(0x9e37_79b9_7f4a_7c15_f39c_c060_5ced_c835),
            ),
        })
        .collect();
    for (some, first) in calls.chunks(500).zip((1..).step_by(500)) {
        let starts = some.iter().zip(first..);
        let starts = starts.map(|(id, attempt)| start(id, attempt)).collect();
        store.write_ledger(owner, DAY, starts, &[]).await.unwrap();
    }
    let expired = Id {
        tenant: id("acme"),
        request: Uuid::new_v4(),
    };
    let starts = vec![start(&expired, 9_000)];
    store
        .write_ledger(owner, Duration::ZERO, starts, &[])
        .await
        .unwrap();
    drop(store);
    for (number, target) in (1_usize..).zip(targets(&stores).await) {
        let copied = copy(&stores, &target).await.unwrap();
        assert_eq!((copied[3].rows, copied[3].written), (5_000, 5_000));

        // As if it had been broken off then, and the source had changed since.
        target
            .execute("CREATE TABLE store_copy (source TEXT NOT NULL)")
            .await;
        let store = stores.open(&keyring).await;
        let answered = end(
            &calls[number],
            i64::try_from(number).unwrap() + 1,
            Outcome::Answered("7".to_owned()),
        );
        store
            .write_ledger(owner, DAY, Vec::new(), &[&answered])
            .await
            .unwrap();
        drop(store);
        let again = copy(&stores, &target).await.unwrap();
        assert_eq!(again[3].rows, 5_000);
        assert_eq!(
            again[3].written, 2_000,
            "the page of the call that has ended"
        );
        let store = target.open(&keyring).await;
        let row = store.ledger_row(&calls[number]).await.unwrap().unwrap();
        assert_eq!(row.state, State::Answered("7".to_owned()));
        assert!(store.ledger_row(&calls[4_999]).await.unwrap().is_some());
        assert!(store.ledger_row(&expired).await.unwrap().is_none());
    }
}

async fn a_database_in_use_is_neither_source_nor_target(stores: Stores) {
    let keyring = keyring();
    let other = Stores::sqlite();
    let store = stores.open(&keyring).await;
    let replica = Uuid::new_v4();
    store.beat(replica, Some("host-1")).await.unwrap();
    for refused in [copy(&stores, &other).await, copy(&other, &stores).await] {
        let refused = refused.unwrap_err();
        let is_in_use = match &refused {
            CopyError::InUse(_, hosts) => hosts == "host-1",
            CopyError::From(error) => {
                matches!(error, OpenError::Taken(_) | OpenError::NoFile(_))
            }
            CopyError::To(error) => matches!(error, OpenError::Taken(_)),
            CopyError::NotEmpty(_)
            | CopyError::OtherSource { .. }
            | CopyError::Differs(_)
            | CopyError::Read(..)
            | CopyError::Write(..) => false,
        };
        assert!(is_in_use, "{refused:?}");
        // The file of the other one exists from here on.
        drop(other.open(&keyring).await);
    }
    store.depart(replica).await.unwrap();
    fill(&store, 1).await;
    drop(store);
    let empty = Stores::sqlite();
    drop(empty.open(&keyring).await);
    let refused = copy(&empty, &stores).await.unwrap_err();
    assert!(matches!(refused, CopyError::NotEmpty(_)), "{refused:?}");
    // A database that a service used, and that is still empty, is a target.
    copy(&stores, &empty).await.unwrap();
    let refused = copy(&stores, &empty).await.unwrap_err();
    assert!(matches!(refused, CopyError::NotEmpty(_)), "{refused:?}");
}

async fn a_copy_that_goes_on_must_be_of_the_same_source(stores: Stores) {
    let keyring = keyring();
    let store = stores.open(&keyring).await;
    fill(&store, MANY).await;
    drop(store);
    let other = Stores::sqlite();
    drop(other.open(&keyring).await);
    let target = targets(&stores).await.pop().unwrap();
    break_off(&stores, &target).await;
    let refused = copy(&other, &target).await.unwrap_err();
    assert!(
        matches!(refused, CopyError::OtherSource { .. }),
        "{refused:?}"
    );
    let text = format!("{refused} {refused:?}");
    let password = stores.url().split(['@', ':']).nth(2).unwrap_or("none");
    assert!(!stores.is_shared() || !text.contains(password), "{text}");
}

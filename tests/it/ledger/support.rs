//! A process with a ledger, and calls to enter into it.

use std::time::Duration;

use bitrix24::{Answer, Method, Parameters, Time};
use bitrix24_openlines::testing::dispatch::ledger::{
    Claim, Entered, Fingerprint, Key, Ledger, LedgerError, Recorded, Started, Unavailable,
};
use bitrix24_openlines::testing::dispatch::replica::{HeartbeatConfig, Replica};
use bitrix24_openlines::testing::metrics::Metrics;
use bitrix24_openlines::testing::tasks::Tasks;
use serde_json::json;
use store::Store;
use tokio::time::Instant;
use uuid::Uuid;

use crate::support::stores::id;

/// How long a fast call may take.
pub(super) const LONG: Duration = Duration::from_secs(30);

/// Longer than other waits by mistake, short enough for a test to wait for.
pub(super) const SHORT: Duration = Duration::from_millis(400);

/// The default lifetime.
pub(super) const DAY: Duration = Duration::from_hours(24);

/// A replica that expires soon.
pub(super) const HASTY: HeartbeatConfig = HeartbeatConfig {
    interval: Duration::from_millis(100),
    timeout: Duration::from_millis(1_500),
};

/// A process of the service, as far as the ledger goes.
pub(super) struct Process {
    pub(super) ledger: Ledger,
    pub(super) replica: Replica,
    tasks: Tasks,
}

impl Process {
    pub(super) fn start(store: &Store) -> Self {
        Self::with(store, HeartbeatConfig::default(), DAY)
    }

    pub(super) fn with(store: &Store, config: HeartbeatConfig, lifetime: Duration) -> Self {
        let tasks = Tasks::default();
        let replica = Replica::new(store, config, &tasks);
        let ledger = Ledger::new(
            store.clone(),
            replica.clone(),
            lifetime,
            Metrics::new().unwrap(),
            &tasks,
        );
        Self {
            ledger,
            replica,
            tasks,
        }
    }

    pub(super) async fn enter(&self, key: &Key) -> Result<Entered, LedgerError> {
        self.enter_within(key, LONG).await
    }

    pub(super) async fn enter_within(
        &self,
        key: &Key,
        time: Duration,
    ) -> Result<Entered, LedgerError> {
        self.ledger
            .enter(key.clone(), Instant::now() + time, || {})
            .await
    }

    /// Enters a call that is in progress: it waits until its deadline. A slow store may not even be
    /// read until then; that is tried again.
    pub(super) async fn assert_waits(&self, key: &Key) {
        loop {
            match self.enter_within(key, SHORT).await {
                Err(LedgerError::Unavailable(Unavailable::Late)) => {}
                entered => return assert_still_running(entered),
            }
        }
    }

    /// Enters a new call.
    pub(super) async fn claim(&self, key: &Key) -> Claim {
        first(self.enter(key).await)
    }

    /// Enters a new call, and starts to send it.
    pub(super) async fn send(&self, key: &Key) -> Claim {
        let claim = self.claim(key).await;
        let started = self.ledger.start(&[&claim]).await.unwrap();
        claim.note_may_be_sent();
        assert_eq!(started, [Started::Go]);
        claim
    }

    pub(super) async fn end(&self, claim: Claim, recorded: Recorded) {
        // It has nothing to write if there is no row.
        let _ = self.ledger.end(vec![(claim, recorded)]).await;
    }

    /// Stops the process as a signal does, and waits for its end.
    pub(super) async fn stop(self) {
        self.tasks.stop().await;
    }
}

/// A new call.
pub(super) fn new_key() -> Key {
    key_of(Uuid::new_v4(), "hello")
}

/// A call with this idempotency key and text.
pub(super) fn key_of(idempotency_key: Uuid, text: &str) -> Key {
    let parameters = Parameters::of(&json!({"MESSAGE": text})).unwrap();
    Key {
        tenant: id("acme"),
        idempotency_key,
        fingerprint: Fingerprint::of(Method::AddCrmMessage, &parameters),
    }
}

/// An answer with all that an answer may have.
pub(super) fn answer(message: i64) -> Answer {
    Answer {
        http_status: 200,
        result: json!({"ID": message, "TEXT": "„Ω\u{0}\"", "LIST": [], "NONE": null}),
        time: Time {
            start: Some(1_773_265_993.487_149),
            finish: None,
            duration: Some(0.101_325_035_095_214_84),
            processing: Some(0.1),
            date_start: Some("2026-03-11T13:53:13+01:00".to_owned()),
            date_finish: None,
            operating: Some(1.5),
            operating_reset_at: Some(1_773_266_593.0),
        },
    }
}

pub(super) fn first(entered: Result<Entered, LedgerError>) -> Claim {
    match entered {
        Ok(Entered::First(claim)) => claim,
        other => panic!("{other:?}"),
    }
}

#[track_caller]
pub(super) fn assert_answered(entered: Result<Entered, LedgerError>, expected: &Answer) {
    match entered {
        Ok(Entered::Answered(answer)) => assert_eq!(answer, *expected),
        other => panic!("{other:?}"),
    }
}

#[track_caller]
pub(super) fn assert_unknown(entered: Result<Entered, LedgerError>) {
    assert!(matches!(entered, Ok(Entered::Unknown)), "{entered:?}");
}

#[track_caller]
pub(super) fn assert_still_running(entered: Result<Entered, LedgerError>) {
    let is_running = matches!(entered, Err(LedgerError::StillRunning));
    assert!(is_running, "{entered:?}");
}

#[track_caller]
pub(super) fn assert_reused(entered: Result<Entered, LedgerError>) {
    let is_reused = matches!(entered, Err(LedgerError::Reused));
    assert!(is_reused, "{entered:?}");
}

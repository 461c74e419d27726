//! Random interleavings of calls, cancellations, expiries, lost answers and crashes.
//!
//! A schedule is drawn from a seed and played on real parts: replicas of the service, each in a
//! runtime of its own, one store, and the sandbox over real sockets. A crash drops a replica's
//! runtime with everything that runs in it. After each schedule the sandbox's books are compared
//! with the store. The number of schedules is OPENLINES_TEST_SCHEDULES, for each of the tests.

mod replica;

use std::time::Duration;

use bitrix24_openlines::testing::settings::Environment;
use jiff::{SignedDuration, Timestamp};
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use sandbox::{Fault, FaultKind, Moment, Portal, Sandbox, demo};
use store::sealing::Keyring;
use store::{Access, Store};
use tokio::net::TcpListener;
use tokio::task::JoinHandle;
use tonic::Status;

use self::replica::Replica;
use super::books;
use crate::support::stores::{Stores, application_of, change, keyring, on_both_stores};
use crate::support::{REFRESHABLE, Told};

on_both_stores!(
    without_failures_every_call_succeeds_and_every_grant_is_refreshed_once,
    with_crashes_and_lost_answers_every_tenant_works_in_the_end,
    a_server_that_takes_a_token_once_shuts_out_only_whose_pair_was_lost,
);

/// What a schedule may contain, and what the authorization server forgives.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Weather {
    /// No failures.
    Calm,
    /// Crashes and lost answers; a used refresh token works again for a minute.
    Forgiving,
    /// Crashes and lost answers; a used refresh token is dead at once.
    Strict,
}

async fn without_failures_every_call_succeeds_and_every_grant_is_refreshed_once(stores: Stores) {
    Stage::play(stores, Weather::Calm, schedules()).await;
}

async fn with_crashes_and_lost_answers_every_tenant_works_in_the_end(stores: Stores) {
    let schedules = schedules() / if stores.is_shared() { 5 } else { 1 };
    Stage::play(stores, Weather::Forgiving, schedules).await;
}

async fn a_server_that_takes_a_token_once_shuts_out_only_whose_pair_was_lost(stores: Stores) {
    let schedules = schedules() / if stores.is_shared() { 5 } else { 1 };
    Stage::play(stores, Weather::Strict, schedules).await;
}

/// A fifth on PostgreSQL where replicas crash: whoever is left waits until the lease of the dead
/// one has ended.
fn schedules() -> u64 {
    let environment = Environment::of_process();
    let given = environment.get("OPENLINES_TEST_SCHEDULES");
    given.map_or(100, |given| given.unwrap().parse().unwrap())
}

/// What the schedules are played on.
struct Stage {
    weather: Weather,
    sandbox: Sandbox,
    stores: Stores,
    keyring: Keyring,
    /// The test's own eye on the store.
    store: Store,
    replicas: Vec<Replica>,
    /// How many pairs may have been lost in the schedules so far. What a killed replica had asked
    /// for may be granted later.
    mishaps: u32,
}

/// A call that was begun.
struct Begun {
    text: String,
    answer: JoinHandle<Result<(), Status>>,
    is_excused: bool,
}

impl Stage {
    async fn play(stores: Stores, weather: Weather, schedules: u64) {
        let mut stage = Self::build(stores, weather).await;
        for seed in 0..schedules {
            stage.schedule(seed).await;
        }
    }

    async fn build(stores: Stores, weather: Weather) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let sandbox = Sandbox::start(listener, vec![Portal::demo()]).unwrap();
        if weather == Weather::Forgiving {
            sandbox.switch(|switches| switches.refresh_grace_seconds = 60);
        }
        let keyring = keyring();
        let count = if stores.is_shared() { 2 } else { 1 };
        let mut replicas = Vec::new();
        for _ in 0..count {
            replicas.push(Replica::start(&stores, &keyring, sandbox.address()).await);
        }
        let store = stores
            .try_open(&keyring, Access::Maintenance)
            .await
            .unwrap();
        let tenant = replica::tenant(sandbox.address());
        store.create(&tenant).await.unwrap();
        Self {
            weather,
            sandbox,
            stores,
            keyring,
            store,
            replicas,
            mishaps: 0,
        }
    }

    async fn schedule(&mut self, seed: u64) {
        let mut random = StdRng::seed_from_u64(seed);
        let mut calls: Vec<Begun> = Vec::new();
        // Pairs that may be lost: a crash, or an answer that does not arrive.
        let mut mishaps = 0;
        let mut expiries = 0;
        let mut is_told = false;
        let steps = random.random_range(6..20);
        for step in 0..steps {
            match random.random_range(0..100) {
                0..45 => {
                    let replica = random.random_range(0..self.replicas.len());
                    let text = format!("{seed}.{step}");
                    let gives_up = random.random_bool(0.25);
                    let patience =
                        gives_up.then(|| Duration::from_micros(random.random_range(0..9000)));
                    calls.push(self.replicas[replica].call(text, patience));
                }
                // A token lives for an hour: a call meets an expiry once, or twice if it is
                // unlucky.
                45..65 if expiries < 2 => {
                    expiries += 1;
                    self.sandbox
                        .expire_current_token(demo::HOST, demo::CLIENT_ID);
                }
                65..75 if !is_told => {
                    is_told = true;
                    self.tell_expiry(random.random_range(-1..50)).await;
                }
                75..83 => {
                    let moment = [Moment::Before, Moment::After][random.random_range(0..2)];
                    let delay = Duration::from_micros(random.random_range(0..6000));
                    self.fault(FaultKind::Slow(moment, delay));
                }
                83..88 if self.weather != Weather::Calm => {
                    mishaps += 1;
                    self.fault(FaultKind::Reset(Moment::After));
                }
                88..91 if self.weather != Weather::Calm => {
                    // Two: what a dying runtime drops first may look like a lost answer to what it
                    // drops next.
                    mishaps += 2;
                    for call in &mut calls {
                        call.is_excused = true;
                    }
                    let replica = random.random_range(0..self.replicas.len());
                    self.crash(replica).await;
                }
                _ => {
                    let pause = Duration::from_micros(random.random_range(0..4000));
                    tokio::time::sleep(pause).await;
                }
            }
        }
        let answers = self.answers(seed, calls).await;
        self.sandbox.clear_faults();
        self.check(seed, mishaps, &answers).await;
        self.sandbox.clear_record();
    }

    fn fault(&self, kind: FaultKind) {
        self.sandbox.inject(Fault::once(kind).for_oauth());
    }

    async fn tell_expiry(&self, seconds: i64) {
        let expires = Timestamp::now() + SignedDuration::from_secs(seconds);
        change(&self.store, REFRESHABLE, |tenant| {
            application_of(tenant).access_token_expires_at = Some(expires);
        })
        .await;
    }

    async fn crash(&mut self, replica: usize) {
        drop(self.replicas.remove(replica));
        let started = Replica::start(&self.stores, &self.keyring, self.sandbox.address()).await;
        self.replicas.insert(replica, started);
    }

    /// Waits for every call; says of each what became of it, if its caller was there to see.
    async fn answers(
        &self,
        seed: u64,
        calls: Vec<Begun>,
    ) -> Vec<(String, Option<Result<(), Status>>)> {
        let mut answers = Vec::new();
        for call in calls {
            let answer = match call.answer.await {
                Ok(answer) => Some(answer),
                Err(gone) if call.is_excused => {
                    assert!(gone.is_cancelled(), "seed {seed}: {gone}");
                    None
                }
                Err(gone) => panic!("seed {seed}: {gone}"),
            };
            let given_up =
                matches!(&answer, Some(Err(status)) if status.message() == replica::GIVEN_UP);
            answers.push((call.text, answer.filter(|_| !given_up)));
        }
        answers
    }

    async fn check(
        &mut self,
        seed: u64,
        mishaps: usize,
        answers: &[(String, Option<Result<(), Status>>)],
    ) {
        let record = self.sandbox.record();
        for (text, answer) in answers {
            let delivered = record.times_delivered(text);
            match answer {
                Some(Ok(())) => assert_eq!(delivered, 1, "seed {seed}: {text}"),
                Some(Err(status)) => {
                    assert!(
                        mishaps > 0,
                        "seed {seed}: {text} could have succeeded: {status:?}"
                    );
                    assert_eq!(status.outcome(), "not_executed", "seed {seed}: {status:?}");
                    assert_eq!(delivered, 0, "seed {seed}: {text}");
                }
                None => assert!(delivered <= 1, "seed {seed}: {text}"),
            }
        }
        let pairs = self.sandbox.pairs(demo::HOST, demo::CLIENT_ID);
        let repeated: u32 = pairs
            .iter()
            .map(|pair| pair.refreshes.saturating_sub(1))
            .sum();
        self.mishaps += u32::try_from(mishaps).unwrap();
        assert!(
            repeated <= self.mishaps,
            "seed {seed}: {repeated} grants were refreshed again after {} mishaps",
            self.mishaps
        );
        self.works_or_lost_its_pair(seed, mishaps).await;
    }

    /// In the end the tenant works from every replica, and the stored pair is the live one. Only a
    /// server that takes a token once may shut it out, and only if a pair was lost; then the tenant
    /// says so, and gets new credentials.
    async fn works_or_lost_its_pair(&self, seed: u64, mishaps: usize) {
        for (number, replica) in self.replicas.iter().enumerate() {
            let mut answer = replica
                .call(format!("{seed}.last.{number}"), None)
                .answer
                .await
                .unwrap();
            if matches!(&answer, Err(status) if status.reason() == "AUTHORIZATION_SERVER_UNAVAILABLE")
            {
                assert!(mishaps > 0, "seed {seed}: {answer:?}");
                // The pause after a failure.
                tokio::time::sleep(Duration::from_millis(600)).await;
                answer = replica
                    .call(format!("{seed}.after.{number}"), None)
                    .answer
                    .await
                    .unwrap();
            }
            let Err(status) = answer else { continue };
            let may_be_lost = self.weather == Weather::Strict && mishaps > 0;
            assert!(may_be_lost, "seed {seed}: {status:?}");
            assert_eq!(
                status.reason(),
                "REAUTHORIZATION_REQUIRED",
                "seed {seed}: {status:?}"
            );
            assert!(
                !self.has_the_live_pair().await,
                "seed {seed}: shut out with a live pair"
            );
            return books::authorize_anew(&self.sandbox, &self.store).await;
        }
        assert!(
            self.has_the_live_pair().await,
            "seed {seed}: the stored pair is not the live one"
        );
    }

    async fn has_the_live_pair(&self) -> bool {
        books::has_the_live_pair(&self.sandbox, &self.store).await
    }
}

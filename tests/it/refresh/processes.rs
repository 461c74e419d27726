//! Refreshes among real processes: several on one PostgreSQL, and processes that are killed.

use std::time::Duration;

use bitrix24_openlines::api::openlines::v1 as api;
use futures_util::future::join_all;
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use sandbox::{Fault, FaultKind, Moment, Portal, Sandbox, demo};
use store::sealing::Key;
use store::{Access, Store};
use tokio::net::TcpListener;
use tonic::Status;

use super::books;

use crate::support::deployment::{Deployment, Running, kills};
use crate::support::requests::crm_message;
use crate::support::stores::{Stores, id, keyring_of, on_both_stores};
use crate::support::{REFRESHABLE, Told, refreshable, tell, until};

/// How many calls each process has at once.
const CALLS: usize = 200;

/// A store, a sandbox, and processes between them.
struct Site {
    sandbox: Sandbox,
    stores: Stores,
    sealing_key: Key,
    deployment: Deployment,
}

impl Site {
    async fn build(stores: Stores) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let sandbox = Sandbox::start(listener, vec![Portal::demo()]).unwrap();
        let portal = sandbox.address().to_string();
        let tenants = refreshable(REFRESHABLE).replace("PORTAL", &portal);
        let tenants = format!("tenants:\n{tenants}");
        let server = format!("authorization: {{default_server: 'http://{portal}'}}\n");
        let sealing_key = Key::generate().unwrap();
        let deployment = Deployment::write(stores.url(), &sealing_key, &tenants, &server);
        Self {
            sandbox,
            stores,
            sealing_key,
            deployment,
        }
    }

    async fn start(&self) -> Running {
        self.deployment.start().await
    }

    async fn call(&self, running: &Running, text: String) -> Result<(), Status> {
        let message = api::SendCrmMessageRequest {
            tenant_id: REFRESHABLE.to_owned(),
            ..crm_message(&text)
        };
        let mut request = self.deployment.request(message);
        request.set_timeout(Duration::from_secs(25));
        let mut client = running.client.clone();
        client.send_crm_message(request).await.map(|_| ())
    }

    fn expire(&self) {
        assert!(
            self.sandbox
                .expire_current_token(demo::HOST, demo::CLIENT_ID)
        );
    }

    /// The store beside the process.
    async fn store(&self) -> Store {
        let keyring = keyring_of(&[&self.sealing_key]);
        let opened = self.stores.try_open(&keyring, Access::Maintenance);
        opened.await.unwrap()
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_processes_refresh_once_for_each_expiry_and_no_call_fails() {
    among_processes(2).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn three_processes_refresh_once_for_each_expiry_and_no_call_fails() {
    among_processes(3).await;
}

async fn among_processes(count: usize) {
    let Some(stores) = Stores::postgresql().await else {
        return;
    };
    let site = Site::build(stores).await;
    // At the same time: they migrate and take the tenants file over together.
    let processes = join_all((0..count).map(|_| site.start())).await;
    for expiry in 1..=3 {
        site.expire();
        let calls = processes.iter().enumerate().flat_map(|(number, process)| {
            let site = &site;
            (0..CALLS).map(move |call| site.call(process, format!("{expiry}.{number}.{call}")))
        });
        let answers = join_all(calls).await;
        let failed: Vec<&Status> = answers
            .iter()
            .filter_map(|answer| answer.as_ref().err())
            .collect();
        assert!(
            failed.is_empty(),
            "{} of {} failed: {:?}",
            failed.len(),
            answers.len(),
            failed[0]
        );
        assert_eq!(site.sandbox.record().refreshes(), expiry);
    }
    let record = site.sandbox.record();
    let delivered = record.delivered_by_text();
    assert_eq!(delivered.len(), 3 * count * CALLS);
    assert!(delivered.values().all(|times| *times == 1));
}

on_both_stores!(
    after_a_crash_before_the_pair_is_stored_the_tenant_needs_a_person_or_a_server_that_forgives,
    after_a_crash_behind_the_store_the_tenant_works_without_another_refresh,
    after_every_kill_the_tenant_works_if_the_server_takes_a_token_again,
    after_every_kill_the_tenant_works_or_says_that_its_pair_was_lost,
);

/// Kills the process while the answer with the new pair is on its way, and calls through the next
/// one.
async fn crash_before_the_pair_is_stored(site: &Site) -> Result<(), Status> {
    let running = site.start().await;
    let late = FaultKind::Slow(Moment::After, Duration::from_secs(5));
    site.sandbox.inject(Fault::once(late).for_oauth());
    site.expire();
    let before = site.sandbox.record().refreshes();
    let call = site.call(&running, "lost".to_owned());
    let granted = until("the pair is granted", || {
        site.sandbox.record().refreshes() > before
    });
    tokio::select! {
        answer = call => panic!("answered before the crash: {answer:?}"),
        () = granted => {}
    }
    running.process.kill();
    site.sandbox.clear_faults();
    let next = site.start().await;
    site.call(&next, "after".to_owned()).await
}

async fn after_a_crash_before_the_pair_is_stored_the_tenant_needs_a_person_or_a_server_that_forgives(
    stores: Stores,
) {
    let site = Site::build(stores).await;
    site.sandbox
        .switch(|switches| switches.refresh_grace_seconds = 600);
    crash_before_the_pair_is_stored(&site).await.unwrap();

    site.sandbox
        .switch(|switches| switches.refresh_grace_seconds = 0);
    let status = crash_before_the_pair_is_stored(&site).await.unwrap_err();
    assert_eq!(status.reason(), "REAUTHORIZATION_REQUIRED");
    // Not the server's word: the operator learns that the pair may have been lost here.
    assert_eq!(status.metadata_value("bitrix24Code"), None);
    assert!(
        status.message().contains("(refresh_interrupted)"),
        "{status:?}"
    );
    let tenant = site.store().await.tenant(&id(REFRESHABLE)).await.unwrap();
    let cause = tenant.unwrap().reauthorization.unwrap().cause;
    assert_eq!(cause, "refresh_interrupted");
    assert_eq!(site.sandbox.record().times_delivered("lost"), 0);
}

async fn after_a_crash_behind_the_store_the_tenant_works_without_another_refresh(stores: Stores) {
    let site = Site::build(stores).await;
    let running = site.start().await;
    site.expire();
    site.call(&running, "first".to_owned()).await.unwrap();
    running.process.kill();
    let next = site.start().await;
    site.call(&next, "second".to_owned()).await.unwrap();
    let record = site.sandbox.record();
    assert_eq!(record.refreshes(), 1);
    assert_eq!(record.refused_with("expired_token"), 1);
}

async fn after_every_kill_the_tenant_works_if_the_server_takes_a_token_again(stores: Stores) {
    let site = Site::build(stores).await;
    site.sandbox
        .switch(|switches| switches.refresh_grace_seconds = 600);
    let lost = kill_again_and_again(&site).await;
    assert_eq!(lost, 0);
}

async fn after_every_kill_the_tenant_works_or_says_that_its_pair_was_lost(stores: Stores) {
    let site = Site::build(stores).await;
    kill_again_and_again(&site).await;
}

/// Kills the process at random moments of a refresh. Gives how often a pair was lost.
async fn kill_again_and_again(site: &Site) -> usize {
    let mut random = StdRng::seed_from_u64(4);
    let mut running = site.start().await;
    let mut lost = 0;
    for kill in 0..kills(&site.stores) {
        let slow = Duration::from_millis(random.random_range(0..15));
        let moment = [Moment::Before, Moment::After][random.random_range(0..2)];
        site.sandbox
            .inject(Fault::once(FaultKind::Slow(moment, slow)).for_oauth());
        site.expire();
        let calls = join_all((0..5).map(|call| site.call(&running, format!("{kill}.{call}"))));
        let until_kill = Duration::from_millis(random.random_range(0..60));
        let _ = tokio::time::timeout(until_kill, calls).await;
        running.process.kill();
        site.sandbox.clear_faults();

        running = site.start().await;
        let Err(status) = site.call(&running, format!("{kill}.after")).await else {
            continue;
        };
        assert_eq!(
            status.reason(),
            "REAUTHORIZATION_REQUIRED",
            "kill {kill}: {status:?}"
        );
        assert!(
            !books::has_the_live_pair(&site.sandbox, &site.store().await).await,
            "kill {kill}: shut out with a live pair"
        );
        lost += 1;
        books::authorize_anew(&site.sandbox, &site.store().await).await;
        site.call(&running, format!("{kill}.anew")).await.unwrap();
    }
    let record = site.sandbox.record();
    assert!(record.delivered_by_text().values().all(|times| *times == 1));
    tell(&format!("{} kills, {lost} pairs lost", kills(&site.stores)));
    lost
}

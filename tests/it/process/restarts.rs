//! Processes are stopped at any moment and replaced, under load and with silent peers. Callers that
//! try again what is UNAVAILABLE, as gRPC libraries do, notice nothing.

use std::collections::VecDeque;
use std::error::Error;
use std::net::SocketAddr;
use std::process::{Command, ExitStatus};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use bitrix24_openlines::api::openlines::v1::open_lines_service_client::OpenLinesServiceClient;
use bitrix24_openlines::testing::settings::Environment;
use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};
use sandbox::{Portal, Sandbox};
use store::sealing::Key;
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;
use tonic::transport::{Channel, Endpoint};
use tonic::{Code, Status};

use crate::support::admin::free_address;
use crate::support::conversations::{self, crm_message};
use crate::support::deployment::Deployment;
use crate::support::process::Process;
use crate::support::stores::Stores;
use crate::support::{tell, tenants, until, with_key};

/// Callers, each with a conversation of its own.
const CALLERS: i64 = 8;

/// How often a call is tried. The pauses between are those of a gRPC client's retry policy.
const TRIES: usize = 12;

/// Far longer than a stop takes without calls that hang, and shorter than the drain.
const PATIENCE: Duration = Duration::from_secs(30);

/// Processes on one database, in front of one portal.
struct Fleet {
    sandbox: Sandbox,
    deployment: Deployment,
    addresses: Vec<SocketAddr>,
    _stores: Stores,
}

/// The callers, until they are stopped.
struct Load {
    callers: JoinSet<Vec<(String, Result<(), Status>)>>,
    is_over: Arc<AtomicBool>,
    answered: Arc<AtomicUsize>,
}

impl Fleet {
    /// Without PostgreSQL there is one process at most.
    async fn build(processes: usize) -> Option<Self> {
        let stores = Stores::postgresql().await?;
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let sandbox = Sandbox::start(listener, vec![Portal::demo()]).unwrap();
        conversations::add(&sandbox, CALLERS);
        sandbox.limit(|limits| limits.request_latency_ms = 5);
        let tenants = tenants(sandbox.address()).replace("}\n", ", plan: unlimited}\n");
        let key = Key::generate().unwrap();
        let deployment = Deployment::write(stores.url(), &key, &tenants, "");
        let mut addresses = Vec::new();
        for _ in 0..processes {
            addresses.push(free_address());
        }
        Some(Self {
            sandbox,
            deployment,
            addresses,
            _stores: stores,
        })
    }

    fn start(&self, number: usize) -> Process {
        let mut command = self.deployment.command();
        let address = self.addresses[number].to_string();
        command
            .env("OPENLINES_SERVER_LISTEN", address)
            .env("OPENLINES_SERVER_DRAIN_SECONDS", "60");
        Process::start(command)
    }

    /// One that serves.
    async fn started(&self, number: usize) -> Process {
        let process = self.start(number);
        process.address().await;
        process
    }

    fn load(&self) -> Load {
        let endpoints = self.addresses.iter();
        let channels: Vec<Channel> = endpoints
            .map(|address| Endpoint::from_shared(format!("http://{address}")).unwrap())
            .map(|endpoint| endpoint.connect_lazy())
            .collect();
        let mut load = Load {
            callers: JoinSet::new(),
            is_over: Arc::default(),
            answered: Arc::default(),
        };
        for number in 0..CALLERS {
            let caller = Caller {
                number,
                key: self.deployment.key.expose().to_owned(),
                channels: channels.clone(),
            };
            let (is_over, answered) = (Arc::clone(&load.is_over), Arc::clone(&load.answered));
            load.callers.spawn(async move {
                let mut told = Vec::new();
                while !is_over.load(Ordering::Relaxed) {
                    let text = format!("caller {number}, call {}", told.len());
                    let ended = caller.call(told.len(), &text).await;
                    told.push((text, ended));
                    answered.fetch_add(1, Ordering::Relaxed);
                }
                told
            });
        }
        load
    }

    /// Nothing failed, and the portal has every message once.
    async fn hold_against_the_books(&self, load: Load) -> usize {
        load.is_over.store(true, Ordering::Relaxed);
        let told: Vec<_> = load
            .callers
            .join_all()
            .await
            .into_iter()
            .flatten()
            .collect();
        let record = self.sandbox.record();
        let delivered = record.delivered_by_text();
        for (text, ended) in &told {
            assert!(ended.is_ok(), "{text}: {ended:?}");
            assert_eq!(delivered.get(text.as_str()), Some(&1), "{text}");
        }
        assert_eq!(delivered.len(), told.len());
        told.len()
    }
}

impl Load {
    /// Waits until so many more calls were answered.
    async fn go_on(&self, calls: usize) {
        let before = self.answered.load(Ordering::Relaxed);
        until("calls go on", || {
            self.answered.load(Ordering::Relaxed) >= before + calls
        })
        .await;
    }
}

/// A client of all processes.
struct Caller {
    number: i64,
    key: String,
    channels: Vec<Channel>,
}

impl Caller {
    /// Calls one process after the other. Tries again what is UNAVAILABLE, and what never left the
    /// client: the gRPC specification wants that of every library (gRFC A6, "transparent retries").
    async fn call(&self, first: usize, text: &str) -> Result<(), Status> {
        let mut pause = Duration::from_millis(10);
        let mut tries = 0;
        loop {
            let channel = self.channels[(first + tries) % self.channels.len()].clone();
            let request = with_key(crm_message(self.number, text), &self.key);
            let mut client = OpenLinesServiceClient::new(channel);
            match client.send_crm_message(request).await {
                Ok(_) => return Ok(()),
                Err(status) if tries < TRIES && may_repeat(&status) => {
                    tokio::time::sleep(pause).await;
                    pause = (pause * 2).min(Duration::from_millis(500));
                    tries += 1;
                }
                Err(status) => return Err(status),
            }
        }
    }
}

/// What the service had no part in is told by the client's library with other codes: a call that
/// was still in the client, and one above the last that the process takes (RFC 9113, section 6.8).
fn may_repeat(status: &Status) -> bool {
    let mut source = status.source();
    while let Some(error) = source {
        if let Some(error) = error.downcast_ref::<hyper::Error>() {
            let is_above_the_last =
                format!("{error:?}").contains("GoAway(b\"\", NO_ERROR, Remote)");
            if error.is_canceled() || is_above_the_last {
                return true;
            }
        }
        source = error.source();
    }
    status.code() == Code::Unavailable
}

/// Peers that connect and say nothing.
async fn silent_peers(address: SocketAddr) -> Vec<TcpStream> {
    let mut peers = Vec::new();
    for _ in 0..5 {
        peers.push(TcpStream::connect(address).await.unwrap());
    }
    peers
}

/// The end of a process, or the end of the test.
async fn end_of(process: Process) -> (ExitStatus, String) {
    let id = process.id().to_string();
    let ended = tokio::time::timeout(PATIENCE, process.ended()).await;
    ended.unwrap_or_else(|_| {
        // Otherwise the test would wait for it.
        let _ = Command::new("kill").args(["-KILL", &id]).status();
        panic!("the process goes on");
    })
}

/// How often a process is stopped: `OPENLINES_TEST_STOPS` times, or a dozen.
fn stops() -> usize {
    let given = Environment::of_process();
    let given = given.get("OPENLINES_TEST_STOPS");
    given.map_or(12, |given| given.unwrap().parse().unwrap())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stop_at_any_moment_is_in_time_and_no_call_fails_or_is_doubled() {
    let Some(fleet) = Fleet::build(2).await else {
        return;
    };
    let seed = rand::random();
    tell(&format!("seed {seed}"));
    let mut random = StdRng::seed_from_u64(seed);
    let steady = fleet.started(0).await;
    let load = fleet.load();
    load.go_on(10).await;
    let (mut orderly, mut at_the_first_moment) = (0, 0);
    for _ in 0..stops() {
        let process = fleet.start(1);
        // From half a millisecond to a second and a half: as many in each doubling.
        let delay = 0.0005 * 2_f64.powf(random.random_range(0.0..11.5));
        tokio::time::sleep(Duration::from_secs_f64(delay)).await;
        process.terminate();
        let (status, log) = end_of(process).await;
        match status.code() {
            Some(0) => orderly += 1,
            // Before `main`.
            None if log.is_empty() => at_the_first_moment += 1,
            other => panic!("ended with {other:?} after {delay} s: {log}"),
        }
        load.go_on(1).await;
    }
    let calls = fleet.hold_against_the_books(load).await;
    tell(&format!(
        "{calls} calls; {orderly} orderly stops, {at_the_first_moment} before `main`"
    ));
    steady.terminate();
    assert_eq!(steady.ended().await.0.code(), Some(0));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn three_processes_are_replaced_one_after_the_other_and_no_call_fails() {
    let Some(fleet) = Fleet::build(3).await else {
        return;
    };
    let (mut processes, mut silent) = (VecDeque::new(), Vec::new());
    for number in 0..3 {
        processes.push_back(fleet.started(number).await);
        silent.push(silent_peers(fleet.addresses[number]).await);
    }
    let load = fleet.load();
    load.go_on(30).await;
    for round in 0..2 {
        for (number, silent) in silent.iter_mut().enumerate() {
            let process = processes.pop_front().unwrap();
            process.terminate();
            let (status, log) = end_of(process).await;
            assert_eq!(status.code(), Some(0), "{round} {number}: {log}");
            processes.push_back(fleet.started(number).await);
            *silent = silent_peers(fleet.addresses[number]).await;
            load.go_on(30).await;
        }
    }
    let calls = fleet.hold_against_the_books(load).await;
    tell(&format!("{calls} calls over 6 restarts, none failed"));
}

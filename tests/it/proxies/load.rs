//! Calls through a server in front of the portal, each with a text of its own, and their outcomes.

use std::collections::BTreeMap;
use std::fmt;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::time::Duration;

use bitrix24_openlines::testing::settings::Environment;
use sandbox::{Limits, Portal, Sandbox};
use store::sealing::Key;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::RwLock;
use tokio::task::{JoinHandle, JoinSet};

use super::front::{Front, Options};
use crate::support::conversations::{add_to, crm_message};
use crate::support::deployment::{Deployment, Running};
use crate::support::{Fate, tenants};

/// How many calls are in flight at once.
pub(crate) const IN_FLIGHT: usize = 20;

/// How long the service keeps an idle connection, in seconds.
const IDLE_SECONDS: &str = "1";

/// A service, a server in front of the portal, and two ways from that to the portal.
pub(crate) struct Load {
    pub(crate) front: Front,
    sandbox: Sandbox,
    deployment: Arc<Deployment>,
    service: Running,
    upstream: Upstream,
    _store: tempfile::TempDir,
    calls: u64,
    begun: Arc<AtomicU64>,
    running: Arc<AtomicUsize>,
    /// Held for writing while nobody may begin a call.
    pause: Arc<RwLock<()>>,
}

/// A way to the portal that can be closed.
struct Upstream {
    address: SocketAddr,
    accepting: JoinHandle<()>,
}

/// What became of the calls.
pub(crate) struct Tally {
    pub(crate) calls: u64,
    told: BTreeMap<String, Fate>,
    delivered: BTreeMap<String, usize>,
    errors: BTreeMap<String, usize>,
    /// How often a call was sent again because no server had processed it, and because it could
    /// not connect.
    sent_again: [u64; 2],
}

impl Upstream {
    async fn to(portal: SocketAddr) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let accepting = tokio::spawn(async move {
            // Its connections end with it.
            let mut open = JoinSet::new();
            while let Ok((mut stream, _)) = listener.accept().await {
                open.spawn(async move {
                    let mut portal = TcpStream::connect(portal).await.unwrap();
                    let _ = tokio::io::copy_bidirectional(&mut stream, &mut portal).await;
                });
            }
        });
        Self { address, accepting }
    }
}

impl Load {
    pub(crate) async fn start(options: Options) -> Self {
        let mut portal = Portal::demo();
        portal.limits = Limits::default();
        add_to(&mut portal, i64::try_from(IN_FLIGHT).unwrap());
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let sandbox = Sandbox::start(listener, vec![portal]).unwrap();
        let upstream = Upstream::to(sandbox.address()).await;
        let front = Front::start(options, &[upstream.address, sandbox.address()]).await;
        let store = tempfile::tempdir().unwrap();
        let url = format!("sqlite:{}", store.path().join("openlines.db").display());
        let tenants = tenants(front.address).replace("http://", "https://");
        let deployment = Deployment::write(&url, &Key::generate().unwrap(), &tenants, "");
        let trusted = front.certificate();
        let trusted = [
            ("SSL_CERT_FILE", trusted.to_str().unwrap()),
            ("OPENLINES_PORTALS_IDLE_CONNECTION_SECONDS", IDLE_SECONDS),
        ];
        let service = deployment.start_in(&trusted).await;
        let environment = Environment::of_process();
        let calls = environment.get("OPENLINES_TEST_PROXIED");
        Self {
            front,
            sandbox,
            deployment: Arc::new(deployment),
            service,
            upstream,
            _store: store,
            calls: calls.map_or(500, |calls| calls.unwrap().parse().unwrap()),
            begun: Arc::default(),
            running: Arc::new(AtomicUsize::new(IN_FLIGHT)),
            pause: Arc::default(),
        }
    }

    /// Sends all calls, and lets `disturb` run beside them.
    pub(crate) async fn run(&self, disturb: impl AsyncFnOnce(&Self)) -> Tally {
        let mut workers = JoinSet::new();
        for worker in 0..IN_FLIGHT {
            workers.spawn(self.worker(i64::try_from(worker).unwrap()));
        }
        disturb(self).await;
        let (mut told, mut errors) = (BTreeMap::new(), BTreeMap::<_, usize>::new());
        while let Some(calls) = workers.join_next().await {
            for (text, fate, error) in calls.unwrap() {
                told.insert(text, fate);
                if let Some(error) = error {
                    *errors.entry(error).or_default() += 1;
                }
            }
        }
        let mut sent_again = [0; 2];
        for (count, cause) in sent_again.iter_mut().zip(["unprocessed", "unreachable"]) {
            let name = format!("openlines_retries_total{{cause=\"{cause}\"}}");
            *count = self.service.sample(&name).await;
        }
        let record = self.sandbox.record();
        let delivered = record.delivered_by_text().into_iter();
        Tally {
            calls: self.calls,
            told,
            delivered: delivered
                .map(|(text, times)| (text.to_owned(), times))
                .collect(),
            errors,
            sent_again,
        }
    }

    /// One of those that send calls, each its own conversation, until all are sent.
    fn worker(
        &self,
        conversation: i64,
    ) -> impl Future<Output = Vec<(String, Fate, Option<String>)>> + Send + 'static {
        let (calls, begun, running) = (self.calls, self.begun.clone(), self.running.clone());
        let pause = self.pause.clone();
        let (mut client, deployment) = (self.service.client.clone(), self.deployment.clone());
        async move {
            let mut told = Vec::new();
            loop {
                let _call = pause.read().await;
                let number = begun.fetch_add(1, Ordering::Relaxed);
                if number >= calls {
                    running.fetch_sub(1, Ordering::Relaxed);
                    return told;
                }
                let text = format!("call {number}");
                let request = deployment.request(crm_message(conversation, &text));
                let answer = client.send_crm_message(request).await;
                let fate = Fate::of(&answer);
                told.push((
                    text,
                    fate,
                    answer.err().map(|status| status.message().to_owned()),
                ));
            }
        }
    }

    pub(crate) fn has_ended(&self) -> bool {
        self.running.load(Ordering::Relaxed) == 0
    }

    /// Lets a few calls begin, waits until all have ended, and lets none begin for so long.
    pub(crate) async fn pause(&self, length: Duration) {
        let begun = self.begun.load(Ordering::Relaxed);
        while self.begun.load(Ordering::Relaxed) < (begun + 40).min(self.calls) {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        let _held = self.pause.write().await;
        tokio::time::sleep(length).await;
    }

    /// Waits until half of the calls have begun.
    pub(crate) async fn half_way(&self) {
        while self.begun.load(Ordering::Relaxed) < self.calls / 2 {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    }

    /// Closes one of the two ways to the portal, with all that is on it.
    pub(crate) fn kill_an_upstream(&self) {
        self.upstream.accepting.abort();
    }
}

impl Tally {
    pub(crate) fn assert_every_call_delivered_once(&self) {
        assert_eq!(
            self.of(Fate::Ok),
            usize::try_from(self.calls).unwrap(),
            "{self}"
        );
        self.assert_nothing_doubled_or_lost();
    }

    /// What callers were told is true, and no message is there twice.
    pub(crate) fn assert_nothing_doubled_or_lost(&self) {
        for (text, fate) in &self.told {
            let times = self.delivered.get(text).copied().unwrap_or_default();
            let expected = match fate {
                Fate::Ok | Fate::Executed => times == 1,
                Fate::NotExecuted => times == 0,
                Fate::Unknown => times <= 1,
            };
            assert!(
                expected,
                "{text} was told {fate:?} and is there {times} times; {self}"
            );
        }
    }

    pub(crate) fn unknown(&self) -> usize {
        self.of(Fate::Unknown)
    }

    fn of(&self, fate: Fate) -> usize {
        self.told.values().filter(|told| **told == fate).count()
    }
}

impl fmt::Display for Tally {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let unknown = self.told.iter().filter(|(_, fate)| **fate == Fate::Unknown);
        let unseen = unknown.filter(|(text, _)| !self.delivered.contains_key(*text));
        let doubled = self.delivered.values().filter(|times| **times > 1);
        write!(
            f,
            "{} calls: {} succeeded, {} not executed, {} unknown ({} of them never seen by the \
             portal), {} doubled, {:?} sent again as unprocessed and as unreachable; {:?}",
            self.calls,
            self.of(Fate::Ok),
            self.of(Fate::NotExecuted),
            self.unknown(),
            unseen.count(),
            doubled.count(),
            self.sent_again,
            self.errors,
        )
    }
}

//! A dispatcher whose portal is the test.

use std::sync::Arc;
use std::time::Duration;

use secrecy::ExposeSecret;
use serde_json::json;
use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tracing::Instrument;

use crate::call::{CallContext, Priority};
use crate::check::{CallParts, Check};
use crate::dispatch::context::DispatchContext;
use crate::dispatch::drivers::Drivers;
use crate::dispatch::ledger::Ledger;
use crate::dispatch::overview::Overview;
use crate::dispatch::replica::{HeartbeatConfig, Replica};
use crate::dispatch::script::{Script, ScriptedRequest};
use crate::dispatch::sender::Sender;
use crate::dispatch::{Delivery, DispatchError, Dispatcher, Options, Spent};
use crate::metrics::Metrics;
use crate::tasks::Tasks;
use crate::tenant::Tenant;
use crate::tenant::sample;
use crate::tenant::scripted::{self, Refreshes};
use bitrix24::{
    Client, Method, Outcome, Parameters, Policy, PortalAddress, Suffix, TransportOptions,
};
use pacing::{Conversation, QueueCapacity};
use store::sealing::{Key, Keyring};
use store::{Access, Store, StoreUrl};
use tempfile::TempDir;

/// What a caller is told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Told {
    Answered,
    NotExecuted(String),
    Unknown(String),
}

pub(super) struct Bench {
    dispatcher: Dispatcher,
    requests: mpsc::UnboundedReceiver<ScriptedRequest>,
    metrics: Metrics,
    pub(super) refreshes: Refreshes,
    _folder: TempDir,
}

/// A call that is being made.
pub(super) type Calling = JoinHandle<(Told, Spent)>;

impl Bench {
    pub(super) async fn start() -> Self {
        Self::with(|_| {}).await
    }

    /// With other options.
    pub(super) async fn with(change: impl FnOnce(&mut Options)) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let url = format!("sqlite:{}", folder.path().join("openlines.db").display());
        let key = Key::generate().unwrap().expose();
        let keyring = Keyring::parse(key.expose_secret()).unwrap();
        let url = StoreUrl::parse(&url).unwrap();
        let store = Store::open(&url, keyring, Access::Service).await.unwrap();
        let metrics = Metrics::new().unwrap();
        let client = Client::new(TransportOptions {
            connect_timeout: Duration::from_secs(5),
            idle_connection: Duration::from_secs(5),
            maximum_response_bytes: 1024,
            ..TransportOptions::default()
        });
        let (tasks, stopped) = (TaskTracker::new(), CancellationToken::new());
        // The ledger is not used, and no store answers while the clock stands.
        let over = Tasks::default();
        over.stopped().cancel();
        let replica = Replica::new(&store, HeartbeatConfig::default(), &over);
        let lifetime = Duration::from_secs(3600);
        let ledger = Ledger::new(store.clone(), replica, lifetime, metrics.clone(), &over);
        let (script, requests) = Script::new();
        let (access, refreshes) = scripted::access(store, client.unwrap(), metrics.clone());
        let mut options = Options::default();
        change(&mut options);
        let context = DispatchContext {
            sender: Sender::Script(script),
            access,
            ledger,
            sharing: None,
            weekly_guard: None,
            capacity: Arc::new(QueueCapacity::new(
                options.maximum_waiting_calls,
                options.maximum_waiting_bytes,
                100,
            )),
            options,
            metrics: metrics.clone(),
            tasks,
            stopped,
        };
        tokio::time::pause();
        Self {
            dispatcher: Dispatcher::of(Arc::new(context)),
            requests,
            metrics,
            refreshes,
            _folder: folder,
        }
    }

    /// Makes a call with this text to the chat of this name.
    pub(super) fn call(&self, chat: &str, text: &str, time: Duration) -> Calling {
        self.call_of(sample::tenant("acme"), chat, text, time)
    }

    /// Makes a call of this tenant.
    pub(super) fn call_of(
        &self,
        tenant: Tenant,
        chat: &str,
        text: &str,
        time: Duration,
    ) -> Calling {
        let conversations = vec![Conversation::of(&chat)].into();
        let number = self.dispatcher.number(None);
        let announcements = &self.dispatcher.announcements;
        let announced = announcements.announce(number, tenant.id().clone(), conversations, None);
        let parts = CallParts {
            tenant,
            method: Method::AddCrmMessage,
            parameters: Parameters::of(&json!({ "MESSAGE": text })).unwrap(),
            priority: Priority::Interactive,
            may_be_batched: true,
            idempotency_key: None,
            recipient: None,
        };
        let call = Check::default().pass(Some(parts)).unwrap();
        let delivery = Delivery {
            context: CallContext::new("-".into(), Instant::now() + time, None, Arc::default()),
            trail: None,
        };
        let dispatcher = self.dispatcher.clone();
        let calling = async move {
            let (result, spent) = dispatcher.send(call, announced, delivery).await;
            (told(result.map(drop)), spent)
        };
        tokio::spawn(calling.in_current_span())
    }

    /// Makes so many more portals known, as calls to them would.
    pub(super) fn know_portals(&self, portals: usize) {
        for number in 0..portals {
            let portal = Self::portal(&format!("p{number}"));
            self.dispatcher.drivers.of(&portal, None);
        }
    }

    /// The address of the portal of this name.
    pub(super) fn portal(name: &str) -> PortalAddress {
        let policy = Policy {
            allowed_suffixes: vec![Suffix::parse("bitrix24.com").unwrap()],
            ..Policy::default()
        };
        PortalAddress::parse(&format!("{name}.bitrix24.com"), &policy).unwrap()
    }

    pub(super) fn drivers(&self) -> Arc<Drivers> {
        Arc::clone(&self.dispatcher.drivers)
    }

    pub(super) fn overview(&self, most: usize) -> Overview {
        self.dispatcher.overview(most)
    }

    /// That nothing holds the chat: a call to it is sent and answered.
    pub(super) async fn takes_a_call(&mut self, chat: &str) {
        let next = self.call(chat, "next", Duration::from_secs(30));
        let request = self.request().await;
        assert_eq!(request.calls, [super::message("next")]);
        request.go_through();
        answered(next).await;
    }

    /// The next request, as soon as there is one.
    pub(super) async fn request(&mut self) -> ScriptedRequest {
        let request = tokio::time::timeout(Duration::from_secs(60), self.requests.recv());
        request.await.expect("a request").unwrap()
    }

    /// That no request is sent within this time.
    pub(super) async fn no_request(&mut self, time: Duration) {
        let request = tokio::time::timeout(time, self.requests.recv()).await;
        assert!(request.is_err(), "{request:?}");
    }

    /// A sample of the page of metrics.
    pub(super) fn sample(&self, name: &str) -> f64 {
        let page = self.metrics.text().unwrap();
        let start = format!("{name} ");
        let value = page.lines().find_map(|line| line.strip_prefix(&start));
        value.unwrap_or_else(|| panic!("{page}")).parse().unwrap()
    }

    /// That every permit has ended, and no call waits: the next burst has the whole bucket less
    /// the requests that were sent.
    pub(super) async fn is_idle(&mut self, sent: usize) {
        assert!(
            self.sample("openlines_waiting_calls{priority=\"interactive\"}")
                .abs()
                < 0.5
        );
        let calls: Vec<Calling> = (0..60)
            .map(|number| self.call(&format!("idle {number}"), "idle", 200 * super::MS))
            .collect();
        let mut requests = 0;
        while let Ok(request) = tokio::time::timeout(100 * super::MS, self.requests.recv()).await {
            let request = request.unwrap();
            assert!(request.depart());
            requests += request.calls.len();
            request.answer();
        }
        for call in calls {
            call.abort();
        }
        assert!(requests + sent >= 49, "{requests} and {sent}");
    }
}

/// That a call is answered.
pub(super) async fn answered(call: Calling) {
    assert_eq!(end(call).await.0, Told::Answered);
}

fn told(result: Result<(), DispatchError>) -> Told {
    let Err(error) = result else {
        return Told::Answered;
    };
    let text = error.to_string();
    match error {
        DispatchError::NotAdmitted(_) => Told::NotExecuted(text),
        DispatchError::Send(error) => match error.outcome() {
            Outcome::NotExecuted => Told::NotExecuted(text),
            Outcome::Unknown | Outcome::Executed => Told::Unknown(text),
        },
    }
}

/// What a call was told, which has ended.
pub(super) async fn end(call: Calling) -> (Told, Spent) {
    call.await.unwrap()
}

//! The client, as a process of its own: so many calls at once for so long.

use std::sync::Arc;
use std::time::{Duration, Instant};

use bitrix24::{
    Authorities, Client, Credential, Deadlines, Method, Parameters, Policy, PortalAddress,
    SendGuard, TransportOptions,
};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use tokio::task::JoinSet;

use crate::process::processor_time_in;
use crate::statistics::percentile;

/// Not measured: the first connections.
const WARM_UP: Duration = Duration::from_millis(200);

/// How long a call may take.
const LONGEST: Duration = Duration::from_secs(30);

/// How requests share connections.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Way {
    Http2,
    OneRequestEach,
    Kept,
}

impl Way {
    pub(crate) const ALL: [Self; 3] = [Self::Http2, Self::OneRequestEach, Self::Kept];

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Http2 => "http2",
            Self::OneRequestEach => "one-request-each",
            Self::Kept => "kept",
        }
    }
}

/// What a round brings.
#[derive(Debug, Deserialize, Serialize)]
pub(crate) struct Round {
    pub(crate) calls: f64,
    /// Those before the measurement too.
    pub(crate) all_calls: f64,
    pub(crate) processor_us: f64,
    pub(crate) p50_us: f64,
    pub(crate) p99_us: f64,
    /// How many the portal has seen.
    pub(crate) connections: f64,
}

/// The client of the service, or the library that it uses.
enum Caller {
    Service(Client, PortalAddress, Credential, Parameters),
    Library(reqwest::Client, String, Value),
}

impl Caller {
    fn new(way: &str, address: &str, certificate: &str) -> Self {
        let parameters = json!({
            "CRM_ENTITY_TYPE": "lead",
            "CRM_ENTITY": 1195,
            "USER_ID": 27,
            "CHAT_ID": 1341,
            "MESSAGE": "Your order has left our warehouse and will arrive tomorrow.",
        });
        let secret = "sandboxwebhook01";
        if way == Way::Kept.name() {
            let certificate = reqwest::Certificate::from_pem(certificate.as_bytes()).unwrap();
            let client = reqwest::Client::builder()
                .no_proxy()
                .tls_certs_only([certificate])
                .build();
            let url = format!("https://{address}/rest/1/{secret}/imopenlines.crm.message.add");
            return Self::Library(client.unwrap(), url, parameters);
        }
        let client = Client::new(TransportOptions {
            authorities: Authorities::from_pem(certificate).unwrap(),
            ..TransportOptions::default()
        });
        let policy = Policy {
            dangerous_allow_insecure: true,
            ..Policy::default()
        };
        let portal = PortalAddress::parse(&format!("https://{address}"), &policy);
        let credential = Credential::Webhook {
            user_id: 1,
            secret: secret.into(),
        };
        let parameters = Parameters::of(&parameters).unwrap();
        Self::Service(client.unwrap(), portal.unwrap(), credential, parameters)
    }

    async fn call(&self) {
        match self {
            Self::Service(client, portal, credential, parameters) => {
                let deadlines = Deadlines::until(tokio::time::Instant::now() + LONGEST);
                let (guard, method) = (SendGuard::unwatched(), Method::AddCrmMessage);
                client
                    .call(portal, credential, method, parameters, deadlines, &guard)
                    .await
                    .unwrap();
            }
            Self::Library(client, url, parameters) => {
                let request = client
                    .post(url)
                    .header("content-type", "application/json")
                    .body(parameters.to_string());
                let answer = request.send().await.unwrap().bytes().await.unwrap();
                serde_json::from_slice::<Value>(&answer).unwrap();
            }
        }
    }
}

/// Measures one round and prints it as JSON.
pub(crate) fn run(mut arguments: impl Iterator<Item = String>) {
    let mut next = || arguments.next().unwrap();
    let (way, address) = (next(), next());
    let certificate = std::fs::read_to_string(next()).unwrap();
    let in_flight: usize = next().parse().unwrap();
    let length = Duration::from_millis(next().parse().unwrap());
    let caller = Arc::new(Caller::new(&way, &address, &certificate));
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let round = runtime.block_on(async {
        let before = load(&caller, in_flight, WARM_UP).await.len();
        let used = processor_time();
        let mut latencies = load(&caller, in_flight, length).await;
        let used = processor_time() - used;
        Round {
            calls: latencies.len() as f64,
            all_calls: (before + latencies.len()) as f64,
            processor_us: used.as_secs_f64() * 1e6,
            p50_us: percentile(&mut latencies, 50) * 1e3,
            p99_us: percentile(&mut latencies, 99) * 1e3,
            connections: 0.0,
        }
    });
    println!("{}", serde_json::to_string(&round).unwrap());
}

/// Calls, so many at once, for so long.
async fn load(caller: &Arc<Caller>, in_flight: usize, length: Duration) -> Vec<Duration> {
    let end = Instant::now() + length;
    let mut callers = JoinSet::new();
    for _ in 0..in_flight {
        let caller = Arc::clone(caller);
        callers.spawn(async move {
            let mut latencies = Vec::new();
            while Instant::now() < end {
                let begun = Instant::now();
                caller.call().await;
                latencies.push(begun.elapsed());
            }
            latencies
        });
    }
    callers.join_all().await.concat()
}

fn processor_time() -> Duration {
    processor_time_in(&std::fs::read_to_string("/proc/self/stat").unwrap())
}

//! The sandbox, as a process of its own: this program in another mode.

use std::net::SocketAddr;

use sandbox::{CrmChat, CrmItem, Intensity, Limits, Portal, Sandbox, demo};
use serde_json::{Value, json};
use tokio::net::TcpListener;

use super::process::Process;
use super::record::Record;

/// The chats of each portal, from 1 on. As many calls can have a conversation each.
pub(crate) const CHATS: i64 = 5_000;

/// What a request takes and what each command of it, in milliseconds.
const LATENCY: (u64, u64) = (50, 20);

/// What a cloud portal allows, as documented, with a latency as measured on real ones.
pub(crate) fn documented() -> Limits {
    Limits {
        intensity: Some(Intensity::STANDARD),
        ..unlimited()
    }
}

/// A portal that takes any number of requests, each as long as those of the others.
pub(crate) fn unlimited() -> Limits {
    let (request_latency_ms, command_latency_ms) = LATENCY;
    with_latency(request_latency_ms, command_latency_ms)
}

/// The same with this latency, in milliseconds.
pub(crate) fn with_latency(request_latency_ms: u64, command_latency_ms: u64) -> Limits {
    Limits {
        operating_limit_seconds: Some(480.0),
        // Not what the timers of a busy machine add: 20,000 messages are to fit into ten minutes'
        // limit.
        operating_seconds_per_call: Some(command_latency_ms as f64 / 1e3),
        request_latency_ms,
        command_latency_ms,
        ..Limits::default()
    }
}

/// The portals of a running sandbox.
pub(crate) struct Portals {
    control: SocketAddr,
    pub(crate) addresses: Vec<SocketAddr>,
    client: reqwest::Client,
    _process: Process,
}

impl Portals {
    /// One portal with each of these limits.
    pub(crate) fn start(limits: &[Limits]) -> Self {
        let limits = serde_json::to_string(limits).unwrap();
        let process = Process::start_self(&["sandbox", &limits]);
        let mut addresses = process.addresses();
        Self {
            control: addresses.remove(0),
            addresses,
            client: reqwest::Client::builder().no_proxy().build().unwrap(),
            _process: process,
        }
    }

    /// The host name of a portal, as faults name it.
    pub(crate) fn host(number: usize) -> String {
        format!("portal-{number}.bitrix24.test")
    }

    pub(crate) async fn record(&self) -> Record {
        let record = self.get(self.control, "/sandbox/record").await;
        serde_json::from_str(&record).unwrap()
    }

    /// A page, of the sandbox or of any other server on this machine.
    pub(crate) async fn get(&self, server: SocketAddr, path: &str) -> String {
        let url = format!("http://{server}{path}");
        let answer = self.client.get(url).send().await.unwrap();
        answer.text().await.unwrap()
    }

    pub(crate) async fn inject(&self, fault: Value) {
        self.post("faults", fault).await;
    }

    /// From now on the portals are well.
    pub(crate) async fn clear_faults(&self) {
        let url = format!("http://{}/sandbox/faults", self.control);
        let answer = self.client.delete(url).send().await.unwrap();
        assert!(answer.status().is_success());
    }

    pub(crate) async fn switch(&self, switches: Value) {
        self.post("switches", switches).await;
    }

    async fn post(&self, control: &str, body: Value) {
        let url = format!("http://{}/sandbox/{control}", self.control);
        let request = self.client.post(url).body(body.to_string());
        let answer = request.send().await.unwrap();
        assert!(answer.status().is_success(), "{body}");
    }

    /// Sends a message without the service.
    pub(crate) async fn call_directly(&self, portal: usize, chat: i64, text: &str) {
        let url = format!(
            "http://{}/rest/{}/{}/imopenlines.crm.message.add",
            self.addresses[portal],
            demo::OWNER,
            demo::WEBHOOK_SECRET
        );
        let parameters = json!({
            "CRM_ENTITY_TYPE": "lead",
            "CRM_ENTITY": demo::LEAD,
            "USER_ID": demo::MEMBER,
            "CHAT_ID": chat,
            "MESSAGE": text,
        });
        let request = self
            .client
            .post(url)
            .header("content-type", "application/json");
        let answer = request.body(parameters.to_string()).send().await.unwrap();
        assert!(answer.status().is_success());
        answer.bytes().await.unwrap();
    }
}

/// Runs the sandbox until the process is killed.
pub(crate) fn run(limits: &str) {
    let limits: Vec<Limits> = serde_json::from_str(limits).unwrap();
    let portals = limits.into_iter().enumerate();
    let portals: Vec<Portal> = portals
        .map(|(number, limits)| portal(&Portals::host(number), limits))
        .collect();
    let hosts: Vec<String> = portals.iter().map(|portal| portal.host.clone()).collect();
    let runtime = tokio::runtime::Runtime::new().unwrap();
    runtime.block_on(async {
        let bind = || TcpListener::bind("127.0.0.1:0");
        let sandbox = Sandbox::start(bind().await.unwrap(), portals).unwrap();
        let mut addresses = vec![sandbox.address().to_string()];
        for host in hosts {
            let address = sandbox.listen(bind().await.unwrap(), &host).unwrap();
            addresses.push(address.to_string());
        }
        println!("{}", addresses.join(" "));
        std::future::pending::<()>().await;
    });
}

fn portal(host: &str, limits: Limits) -> Portal {
    let chat = |chat_id| CrmChat {
        chat_id,
        items: vec![CrmItem {
            kind: "lead".to_owned(),
            id: demo::LEAD,
        }],
        members: vec![demo::MEMBER],
    };
    let Portal {
        host, member_id, ..
    } = Portal::empty(host);
    Portal {
        host,
        member_id,
        limits,
        crm_chats: (1..=CHATS).map(chat).collect(),
        ..Portal::demo()
    }
}

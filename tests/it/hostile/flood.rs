//! A real process under floods of requests without a credential.

use std::io::{Read, Write};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use bitrix24_openlines::api::openlines::v1::open_lines_service_client::OpenLinesServiceClient;
use bitrix24_openlines::testing::auth::NewKey;
use sandbox::{Portal, Sandbox};
use tokio::net::TcpListener;
use tonic::transport::{Channel, Endpoint};

use crate::support::process::{Files, Process, openlines};
use crate::support::requests::crm_message;
use crate::support::{caller, tell, tenants, with_key};

/// What a stranger may cost, in KiB.
const BOUND: u64 = 32 * 1024;

/// How long a flood lasts at most.
const LONGEST: Duration = Duration::from_secs(15);

const HEALTH: &str = "/grpc.health.v1.Health/Check";
const SEND: &str = "/openlines.v1.OpenLinesService/SendCrmMessage";

/// A running process, and a well-behaved caller of it.
struct Site {
    process: Process,
    address: SocketAddr,
    client: OpenLinesServiceClient<Channel>,
    key: NewKey,
    _sandbox: Sandbox,
    _files: Files,
}

impl Site {
    async fn start(settings: &str) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let sandbox = Sandbox::start(listener, vec![Portal::demo()]).unwrap();
        let key = NewKey::generate().unwrap();
        let settings = format!(
            "server: {{listen: '127.0.0.1:0'{settings}}}\nlog: {{format: json}}\n{}",
            caller(&key)
        );
        let files = Files::write(&settings, &tenants(sandbox.address()));
        let path = files.settings();
        let process = Process::start(openlines(&["serve", "--config", path.to_str().unwrap()]));
        let address = process.address().await;
        let channel = Endpoint::from_shared(format!("http://{address}")).unwrap();
        let client = OpenLinesServiceClient::new(channel.connect().await.unwrap());
        let site = Self {
            process,
            address,
            client,
            key,
            _sandbox: sandbox,
            _files: files,
        };
        for _ in 0..20 {
            site.call().await.unwrap();
        }
        site
    }

    async fn call(&self) -> Result<(), tonic::Status> {
        let request = with_key(crm_message("well-behaved"), self.key.expose());
        self.client
            .clone()
            .send_crm_message(request)
            .await
            .map(drop)
    }

    /// The largest resident memory since the last reset, in KiB.
    fn peak(&self) -> u64 {
        let path = format!("/proc/{}/status", self.process.id());
        let status = std::fs::read_to_string(path).unwrap();
        let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
        let number = line.unwrap().trim().trim_end_matches(" kB");
        number.parse().unwrap()
    }

    /// Forgets the peak: from now on it is what there is now.
    fn forget_peak(&self) {
        let path = format!("/proc/{}/clear_refs", self.process.id());
        std::fs::write(path, "5").unwrap();
    }

    /// Runs floods while a well-behaved caller calls. All of its calls succeed. Returns what the
    /// floods cost, in KiB.
    async fn under(&self, floods: Vec<JoinHandle<()>>) -> u64 {
        self.forget_peak();
        let before = self.peak();
        let mut calls = 0;
        while floods.iter().any(|flood| !flood.is_finished()) {
            let call = tokio::time::timeout(LONGEST, self.call()).await;
            call.expect("a well-behaved caller waits").unwrap();
            calls += 1;
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        let cost = self.peak().saturating_sub(before);
        tell(&format!(
            "{calls} calls meanwhile; {cost} KiB above {before}"
        ));
        assert!(calls > 0);
        cost
    }
}

/// A field of HTTP/2's headers that is added to the dynamic table (RFC 7541, section 6.2.1).
fn added(name: &str, value: &str) -> Vec<u8> {
    let mut field = vec![0x40];
    for text in [name, value] {
        field.push(u8::try_from(text.len()).unwrap());
        field.extend(text.as_bytes());
    }
    field
}

fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let length = u32::try_from(payload.len()).unwrap().to_be_bytes();
    let mut frame = length[1..].to_vec();
    frame.extend([kind, flags]);
    frame.extend(stream.to_be_bytes());
    frame.extend(payload);
    frame
}

/// What a flood sends, again and again.
#[derive(Clone, Copy)]
struct Flood {
    path: &'static str,
    /// Further headers of each request, a byte each.
    headers: usize,
    /// Whether it takes the responses.
    reads: bool,
}

impl Flood {
    /// `connections` threads send `requests` in all whose bodies never arrive, as fast as they can.
    /// A connection that the service closes is replaced.
    fn start(
        self,
        address: SocketAddr,
        connections: usize,
        requests: usize,
    ) -> Vec<JoinHandle<()>> {
        let left = Arc::new(AtomicUsize::new(requests));
        let end = Instant::now() + LONGEST;
        let threads = (0..connections).map(|_| {
            let left = Arc::clone(&left);
            std::thread::spawn(move || {
                while left.load(Ordering::Relaxed) > 0 && Instant::now() < end {
                    // The service may close it at any time.
                    let _ = self.connection(address, &left, end);
                }
            })
        });
        threads.collect()
    }

    fn connection(self, to: SocketAddr, left: &AtomicUsize, end: Instant) -> std::io::Result<()> {
        let mut stream = TcpStream::connect(to)?;
        stream.set_write_timeout(Some(Duration::from_secs(5)))?;
        let mut responses = stream.try_clone()?;
        let reader = self.reads.then(|| {
            std::thread::spawn(
                move || while responses.read(&mut [0; 65536]).is_ok_and(|n| n > 0) {},
            )
        });
        let sent = self.send(&mut stream, left, end);
        let _ = stream.shutdown(Shutdown::Both);
        if let Some(reader) = reader {
            reader.join().unwrap();
        }
        sent
    }

    fn send(self, stream: &mut TcpStream, left: &AtomicUsize, end: Instant) -> std::io::Result<()> {
        stream.write_all(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n")?;
        stream.write_all(&frame(4, 0, 0, &[]))?;
        // POST and http are in the static table; the latest field that was added has the index 62.
        let fields = [
            added(":path", self.path),
            added(":authority", "service"),
            added("content-type", "application/grpc"),
            added("te", "trailers"),
            added("a", ""),
        ];
        let first = [&[0x83, 0x86][..], &fields.concat()].concat();
        let mut again = vec![0x83, 0x86, 0x80 | 66, 0x80 | 65, 0x80 | 64, 0x80 | 63];
        again.extend(std::iter::repeat_n(0x80 | 62, self.headers));
        stream.write_all(&frame(1, 4, 1, &first))?;
        let mut number = 3;
        while left.load(Ordering::Relaxed) > 0 && Instant::now() < end {
            let requests = (0..100).flat_map(|next| frame(1, 4, number + 2 * next, &again));
            stream.write_all(&requests.collect::<Vec<u8>>())?;
            number += 200;
            let _ = left.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |left| {
                Some(left.saturating_sub(100))
            });
        }
        Ok(())
    }
}

/// E1: 4 MB of headers cost more than a gigabyte.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn half_probes_with_headers_as_indices_cost_next_to_nothing() {
    let site = Site::start("").await;
    for headers in [0, 400] {
        let flood = Flood {
            path: HEALTH,
            headers,
            reads: true,
        };
        let cost = site.under(flood.start(site.address, 7, 1_000_000)).await;
        assert!(cost <= BOUND, "{cost} KiB with {headers} more headers");
    }
}

/// The same with an operation that needs a credential.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn half_calls_without_a_credential_cost_next_to_nothing() {
    let site = Site::start("").await;
    for (headers, reads) in [(0, true), (400, true), (400, false)] {
        let flood = Flood {
            path: SEND,
            headers,
            reads,
        };
        let cost = site.under(flood.start(site.address, 7, 1_000_000)).await;
        assert!(cost <= BOUND, "{cost} KiB with {headers}, reads: {reads}");
    }
}

/// E4: one connection with 20,000 open requests took all places.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn open_calls_without_a_credential_take_no_place() {
    let site = Site::start(", maximum_concurrent_calls: 10").await;
    let flood = Flood {
        path: SEND,
        headers: 0,
        reads: true,
    };
    site.under(flood.start(site.address, 1, 20_000)).await;
}

/// E17: each try was a line in the log.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn wrong_credentials_are_told_together() {
    let site = Site::start(", strangers: {report_seconds: 1}").await;
    let flood = Flood {
        path: SEND,
        headers: 0,
        reads: true,
    };
    site.under(flood.start(site.address, 2, 20_000)).await;
    tokio::time::sleep(Duration::from_secs(2)).await;
    site.process.terminate();
    let (status, log) = site.process.ended().await;
    assert!(status.success());
    let told: Vec<serde_json::Value> = log
        .lines()
        .filter_map(|line| serde_json::from_str(line).ok())
        .filter(|line: &serde_json::Value| line["reason"] == "missing")
        .collect();
    let requests: u64 = told
        .iter()
        .filter_map(|line| line["requests"].as_u64())
        .sum();
    assert!(requests > 0, "{told:?}");
    assert!(told.len() <= 20, "{} lines for {requests}", told.len());
    assert!(!log.contains("UNAUTHENTICATED"), "a line for a call");
}

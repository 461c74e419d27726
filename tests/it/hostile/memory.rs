//! What a stranger costs at most: 32 MiB, whatever it sends. Of the process as it is shipped, with
//! the limits as they are by default.

use std::net::SocketAddr;
use std::time::Duration;

use bitrix24_openlines::api::openlines::v1::open_lines_service_client::OpenLinesServiceClient;
use bitrix24_openlines::testing::auth::NewKey;
use tonic::Code;
use tonic::transport::Endpoint;

use crate::support::admin::free_address;
use crate::support::frames::{
    self, END_HEADERS, END_STREAM, HEADERS, NO_WINDOW, Wire, field, frame,
};
use crate::support::process::{Files, Process, openlines};
use crate::support::requests::crm_message;
use crate::support::{caller, with_key};

const MIB: u64 = 1024 * 1024;
/// More than there may be.
const CONNECTIONS: u32 = 1_100;
const OPERATION: &str = "/openlines.v1.OpenLinesService/SendCrmMessage";

struct Bench {
    process: Process,
    address: SocketAddr,
    key: NewKey,
    _files: Files,
}

impl Bench {
    async fn start() -> Self {
        let address = free_address().await;
        let key = NewKey::generate().unwrap();
        // A line for each call would measure the log.
        let settings = format!(
            "{}server: {{listen: '{address}'}}\nlog: {{filter: warn}}\n",
            caller(&key)
        );
        let files = Files::write(&settings, "tenants: []\n");
        let path = files.settings();
        let process = Process::start(openlines(&["serve", "--config", path.to_str().unwrap()]));
        let bench = Self {
            process,
            address,
            key,
            _files: files,
        };
        while tokio::net::TcpStream::connect(address).await.is_err() {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        for _ in 0..200 {
            bench.answers().await;
        }
        bench
    }

    /// A caller with a key is answered, over a new connection.
    async fn answers(&self) {
        let served = async {
            let endpoint = Endpoint::from_shared(format!("http://{}", self.address)).unwrap();
            let mut client = OpenLinesServiceClient::new(endpoint.connect().await.unwrap());
            let call = with_key(crm_message("text"), self.key.expose());
            client.send_crm_message(call).await
        };
        let served = tokio::time::timeout(Duration::from_secs(60), served).await;
        // There is no tenant: that it is told so shows that it was heard.
        let status = served.expect("a caller waits").unwrap_err();
        assert_eq!(status.code(), Code::PermissionDenied, "{status:?}");
    }

    /// The most memory that the process has had so far, in bytes.
    fn peak(&self) -> u64 {
        let path = format!("/proc/{}/status", self.process.id());
        let status = std::fs::read_to_string(path).unwrap();
        let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
        let kibibytes = line.unwrap().trim().trim_end_matches(" kB");
        kibibytes.parse::<u64>().unwrap() * 1024
    }

    async fn attacked(self, attack: impl AsyncFnOnce(SocketAddr) -> Vec<Wire>) {
        let before = self.peak();
        let wires = attack(self.address).await;
        self.answers().await;
        let grown = self.peak().saturating_sub(before);
        assert!(grown <= 32 * MIB, "{} KiB more", grown / 1024);
        drop(wires);
    }
}

/// Connections that have begun and sent this.
async fn many(address: SocketAddr, settings: &[u8], bytes: &[u8]) -> Vec<Wire> {
    let mut wires = Vec::new();
    for _ in 0..CONNECTIONS {
        let mut wire = Wire::open(address, settings).await;
        // It may have given its place to another already.
        let _ = wire.send(bytes).await;
        wires.push(wire);
    }
    wires
}

#[tokio::test]
async fn many_idle_connections() {
    let bench = Bench::start().await;
    bench
        .attacked(async |address| many(address, &[], &[]).await)
        .await;
}

#[tokio::test]
async fn many_halves_of_headers() {
    let bench = Bench::start().await;
    let large = field("x-large", &"x".repeat(12_000));
    let half = frame(
        HEADERS,
        0,
        1,
        &[frames::call(OPERATION, &[]), large].concat(),
    );
    bench
        .attacked(async |address| many(address, &[], &half).await)
        .await;
}

#[tokio::test]
async fn many_calls_without_a_key_whose_responses_nobody_reads() {
    let bench = Bench::start().await;
    let headers = frames::call(OPERATION, &[]);
    // More than the kernel's buffers hold of the responses.
    let calls: Vec<u8> = (0..4_000)
        .flat_map(|number| {
            let id = field("x-request-id", &format!("{number:0>128}"));
            let headers = [&*headers, &*id].concat();
            frame(HEADERS, END_STREAM | END_HEADERS, 2 * number + 1, &headers)
        })
        .collect();
    bench
        .attacked(async |address| {
            let mut wires = Vec::new();
            for _ in 0..15 {
                let mut wire = Wire::open(address, NO_WINDOW).await;
                // It is closed in the middle of it.
                let _ = wire.send(&calls).await;
                wires.push(wire);
            }
            wires
        })
        .await;
}

/// The size of a request's headers, of 16 KiB, stands in four indices to what was sent once.
#[tokio::test]
async fn large_headers_in_a_few_bytes() {
    let bench = Bench::start().await;
    // Indexed from now on (RFC 7541, section 6.2.1).
    let mut large = field("x-large", &"x".repeat(3_900));
    large[0] = 0x40;
    let call = frames::call(OPERATION, &[]);
    let first = frame(
        HEADERS,
        END_STREAM | END_HEADERS,
        1,
        &[&*call, &*large].concat(),
    );
    // The newest entry of the dynamic table.
    let again = [&*call, &[0x80 | 62; 3][..]].concat();
    let more: Vec<u8> = (1..900)
        .flat_map(|number| frame(HEADERS, END_HEADERS, 2 * number + 1, &again))
        .collect();
    let bytes = [first, more].concat();
    bench
        .attacked(async |address| {
            let mut wires = Vec::new();
            for _ in 0..10 {
                let mut wire = Wire::open(address, &[]).await;
                wire.send(&bytes).await.unwrap();
                wires.push(wire);
            }
            wires
        })
        .await;
}

//! What a stranger costs at most: 32 MiB, whatever it sends. Of the process as it is shipped, with
//! the limits as they are by default.

use std::net::SocketAddr;
use std::time::Duration;

use bitrix24_openlines::api::openlines::v1::open_lines_service_client::OpenLinesServiceClient;
use bitrix24_openlines::testing::auth::NewKey;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_rustls::TlsConnector;
use tonic::Code;
use tonic::transport::{Certificate, ClientTlsConfig, Endpoint};

use crate::support::admin::free_address;
use crate::support::certificate::{Pair, handshake};
use crate::support::frames::{
    self, END_HEADERS, END_STREAM, HEADERS, NO_WINDOW, Wire, field, frame,
};
use crate::support::process::{Files, Process, openlines};
use crate::support::requests::crm_message;
use crate::support::{caller, tell, with_key};

const MIB: u64 = 1024 * 1024;
/// More than there may be.
const CONNECTIONS: u32 = 1_100;
/// How long a stranger waits for a handshake, or until what it sends is taken.
const HANDSHAKE: Duration = Duration::from_secs(5);
const PATIENCE: Duration = Duration::from_secs(5);
const OPERATION: &str = "/openlines.v1.OpenLinesService/SendCrmMessage";

/// How strangers and callers come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Transport {
    PlainText,
    Tls,
}

const TRANSPORTS: [Transport; 2] = [Transport::PlainText, Transport::Tls];

/// A connection of either kind.
trait Stream: AsyncRead + AsyncWrite + Unpin + Send {}
impl<T: AsyncRead + AsyncWrite + Unpin + Send> Stream for T {}
type AnyWire = Wire<Box<dyn Stream>>;

struct Bench {
    transport: Transport,
    process: Process,
    address: SocketAddr,
    key: NewKey,
    pair: Pair,
    connector: TlsConnector,
    _files: Files,
}

impl Bench {
    async fn start(transport: Transport) -> Self {
        let address = free_address();
        let key = NewKey::generate().unwrap();
        let pair = Pair::make();
        let tls = match transport {
            Transport::PlainText => String::new(),
            Transport::Tls => format!(
                ", tls: {{certificate_file: '{}', private_key_file: '{}'}}",
                pair.certificate().display(),
                pair.private_key().display()
            ),
        };
        // A line for each call would measure the log.
        let settings = format!(
            "{}server: {{listen: '{address}'{tls}}}\nlog: {{filter: warn}}\n",
            caller(&key)
        );
        let files = Files::write(&settings, "tenants: []\n");
        let path = files.settings();
        let process = Process::start(openlines(&["serve", "--config", path.to_str().unwrap()]));
        let bench = Self {
            transport,
            process,
            address,
            key,
            connector: pair.connector(),
            pair,
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

    /// A connection that has begun with these settings; none if it had to give way before that.
    async fn wire(&self, settings: &[u8]) -> Option<AnyWire> {
        let stream: Box<dyn Stream> = match self.transport {
            Transport::PlainText => Box::new(TcpStream::connect(self.address).await.unwrap()),
            Transport::Tls => {
                let shaken = timeout(HANDSHAKE, handshake(self.address, &self.connector)).await;
                Box::new(shaken.ok()?.ok()?)
            }
        };
        let mut wire = Wire { stream };
        wire.begin(settings).await.ok().map(|()| wire)
    }

    /// A caller with a key is answered, over a new connection.
    async fn answers(&self) {
        let served = async {
            let endpoint = match self.transport {
                Transport::PlainText => Endpoint::from_shared(format!("http://{}", self.address)),
                Transport::Tls => Endpoint::from_shared(format!("https://{}", self.address)),
            };
            let tls = ClientTlsConfig::new()
                .ca_certificate(Certificate::from_pem(&self.pair.pem))
                .domain_name("localhost");
            let endpoint = endpoint.unwrap().tls_config(tls).unwrap();
            let mut client = OpenLinesServiceClient::new(endpoint.connect().await.unwrap());
            let call = with_key(crm_message("text"), self.key.expose());
            client.send_crm_message(call).await
        };
        let served = timeout(Duration::from_secs(60), served).await;
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

    /// So many connections that have begun and sent this.
    async fn crowd(&self, connections: u32, settings: &[u8], bytes: &[u8]) -> Vec<AnyWire> {
        let mut wires = Vec::new();
        for _ in 0..connections {
            if let Some(mut wire) = self.wire(settings).await {
                // It may have given its place to another already, or be closed in the middle of it.
                let _ = timeout(PATIENCE, wire.send(bytes)).await;
                wires.push(wire);
            }
        }
        wires
    }
}

/// Strangers come and send this, and callers are answered meanwhile.
async fn attacked(connections: u32, settings: &[u8], bytes: &[u8]) {
    for transport in TRANSPORTS {
        let bench = Bench::start(transport).await;
        let before = bench.peak();
        let wires = bench.crowd(connections, settings, bytes).await;
        bench.answers().await;
        let grown = bench.peak().saturating_sub(before);
        tell(&format!("{transport:?}: {} KiB", grown / 1024));
        assert!(
            grown <= 32 * MIB,
            "{transport:?}: {} KiB more",
            grown / 1024
        );
        drop(wires);
    }
}

#[tokio::test]
async fn many_idle_connections() {
    attacked(CONNECTIONS, &[], &[]).await;
}

#[tokio::test]
async fn many_halves_of_headers() {
    let large = field("x-large", &"x".repeat(12_000));
    let headers = [frames::call(OPERATION, &[]), large].concat();
    attacked(CONNECTIONS, &[], &frame(HEADERS, 0, 1, &headers)).await;
}

/// `calls` without a key, each with an id of its own.
fn calls(calls: u32) -> Vec<u8> {
    let headers = frames::call(OPERATION, &[]);
    (0..calls)
        .flat_map(|number| {
            let id = field("x-request-id", &format!("{number:0>128}"));
            let headers = [&*headers, &*id].concat();
            frame(HEADERS, END_STREAM | END_HEADERS, 2 * number + 1, &headers)
        })
        .collect()
}

#[tokio::test]
async fn many_connections_with_many_calls_without_a_key() {
    attacked(600, NO_WINDOW, &calls(300)).await;
}

/// More than the kernel's buffers hold of the responses.
#[tokio::test]
async fn many_calls_without_a_key_whose_responses_nobody_reads() {
    attacked(15, NO_WINDOW, &calls(4_000)).await;
}

/// The size of a request's headers, of 16 KiB, stands in four indices to what was sent once.
#[tokio::test]
async fn large_headers_in_a_few_bytes() {
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
    attacked(50, &[], &[first, more].concat()).await;
}

//! The channel and the retry policy.

use std::collections::HashSet;
use std::error::Error;
use std::net::SocketAddr;
use std::sync::Mutex;
use std::time::Duration;
use std::{env, fs};

use tokio::net::lookup_host;
use tokio::time::{Instant, sleep, timeout_at};
use tonic::metadata::{Ascii, MetadataValue};
use tonic::service::Interceptor;
use tonic::service::interceptor::InterceptedService;
use tonic::transport::channel::Change;
use tonic::transport::{Certificate, Channel, ClientTlsConfig, Endpoint};
use tonic::{Code, Request, Response, Status};

use crate::openlines::open_lines_service_client::OpenLinesServiceClient;

pub type Client = OpenLinesServiceClient<InterceptedService<Channel, ApiKey>>;

const LOOKUP_INTERVAL: Duration = Duration::from_secs(10);

// The retry policy. tonic has no service config.
const MAXIMUM_ATTEMPTS: u32 = 3;
const INITIAL_BACKOFF: Duration = Duration::from_millis(500);
const MAXIMUM_BACKOFF: Duration = Duration::from_secs(5);
// While most calls fail, retries stop.
const MAXIMUM_TOKENS: f64 = 10.0;
const TOKEN_RATIO: f64 = 0.1;

/// Sent with each call.
#[derive(Clone)]
pub struct ApiKey(MetadataValue<Ascii>);

impl Interceptor for ApiKey {
    fn call(&mut self, mut request: Request<()>) -> Result<Request<()>, Status> {
        request
            .metadata_mut()
            .insert("authorization", self.0.clone());
        Ok(request)
    }
}

/// One channel for the whole program: it holds the connections, one to each replica.
///
/// tonic asks for the addresses of a name once. This asks again and again, and tells the channel
/// which replicas of a headless Service have come and which have gone.
fn connect() -> Result<Channel, Box<dyn Error>> {
    let address = env::var("OPENLINES_ADDRESS")?;
    let (host, _) = address
        .rsplit_once(':')
        .ok_or("OPENLINES_ADDRESS has no port")?;
    let tls = ClientTlsConfig::new()
        .ca_certificate(Certificate::from_pem(fs::read(env::var(
            "OPENLINES_CA_FILE",
        )?)?))
        // Replicas are called by their addresses, and certificates have the name.
        .domain_name(host);
    let (channel, replicas) = Channel::balance_channel(16);
    tokio::spawn(async move {
        let mut known = HashSet::new();
        loop {
            let found = match lookup_host(&address).await {
                // Of one family: an address that nobody listens on would get its share of calls.
                Ok(found) => found.filter(SocketAddr::is_ipv4).collect(),
                Err(_) => known.clone(),
            };
            for gone in known.difference(&found) {
                let _ = replicas.send(Change::Remove(*gone)).await;
            }
            for new in found.difference(&known) {
                let endpoint = Endpoint::from_shared(format!("https://{new}"))
                    .and_then(|endpoint| endpoint.tls_config(tls.clone()))
                    .expect("an address is a valid URI")
                    .connect_timeout(Duration::from_secs(5));
                let _ = replicas.send(Change::Insert(*new, endpoint)).await;
            }
            known = found;
            sleep(LOOKUP_INTERVAL).await;
        }
    });
    Ok(channel)
}

/// The client with the retry policy.
pub struct Sender {
    pub client: Client,
    tokens: Mutex<f64>,
}

impl Sender {
    /// A sender with the address and the key that the environment has.
    pub fn from_environment() -> Result<Self, Box<dyn Error>> {
        let key = format!("Bearer {}", env::var("OPENLINES_API_KEY")?).parse()?;
        Ok(Self {
            client: OpenLinesServiceClient::with_interceptor(connect()?, ApiKey(key)),
            tokens: Mutex::new(MAXIMUM_TOKENS),
        })
    }

    /// Makes a call, and makes it again if that is safe and of use, until the deadline.
    ///
    /// UNAVAILABLE from the service means that nothing was executed. UNAVAILABLE from tonic means
    /// that the connection broke, and CANCELLED that it was closed; the outcome is unknown then. A
    /// retry is safe only because every call has a `request_id`.
    pub async fn send<Q: Clone, A>(
        &self,
        message: Q,
        within: Duration,
        call: impl AsyncFn(Client, Request<Q>) -> Result<Response<A>, Status>,
    ) -> Result<A, Status> {
        let deadline = Instant::now() + within;
        let mut attempt = 1;
        loop {
            let mut request = Request::new(message.clone());
            request.set_timeout(deadline - Instant::now());
            // The service answers before the deadline. Without a connection tonic would wait on.
            let answer = timeout_at(deadline, call(self.client.clone(), request)).await;
            let status = match answer {
                Ok(Ok(response)) => {
                    self.may_retry(None);
                    return Ok(response.into_inner());
                }
                Ok(Err(status)) if Instant::now() < deadline => status,
                Ok(Err(status)) if !status.details().is_empty() => status,
                // tonic has a timer of its own on a connection, and says CANCELLED.
                _ => Status::deadline_exceeded("no answer before the deadline"),
            };
            let may_retry = self.may_retry(Some(&status)) && attempt < MAXIMUM_ATTEMPTS;
            match pause(&status, attempt).filter(|_| may_retry) {
                Some(pause) if Instant::now() + pause < deadline => sleep(pause).await,
                _ => return Err(status),
            }
            attempt += 1;
        }
    }

    /// Counts the end of an attempt, and says whether a retry is in order after it.
    fn may_retry(&self, failed: Option<&Status>) -> bool {
        let retryable = failed
            .is_some_and(|status| matches!(status.code(), Code::Unavailable | Code::Cancelled));
        let mut tokens = self.tokens.lock().expect("nothing panics with the lock");
        *tokens = if retryable {
            *tokens - 1.0
        } else {
            *tokens + TOKEN_RATIO
        };
        *tokens = tokens.clamp(0.0, MAXIMUM_TOKENS);
        retryable && *tokens > MAXIMUM_TOKENS / 2.0
    }
}

/// How long to wait before the next attempt: what the service asks for, or else ever longer.
fn pause(status: &Status, attempt: u32) -> Option<Duration> {
    match status.metadata().get("grpc-retry-pushback-ms") {
        // Anything but a number of milliseconds means: no retry.
        Some(asked) => Some(Duration::from_millis(asked.to_str().ok()?.parse().ok()?)),
        None => {
            let backoff = MAXIMUM_BACKOFF.min(INITIAL_BACKOFF * 2_u32.pow(attempt - 1));
            Some(backoff.mul_f64(0.8 + 0.4 * fastrand::f64()))
        }
    }
}

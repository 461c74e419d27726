//! The retry policy.

use std::error::Error;
use std::sync::Mutex;
use std::time::Duration;

use tokio::time::{Instant, sleep, timeout_at};
use tonic::metadata::{Ascii, MetadataValue};
use tonic::service::Interceptor;
use tonic::service::interceptor::InterceptedService;
use tonic::transport::Channel;
use tonic::{Code, Request, Response, Status};

use crate::openlines::open_lines_service_client::OpenLinesServiceClient;
use crate::replicas::Replicas;
use crate::variable;

pub type Client = OpenLinesServiceClient<InterceptedService<Channel, ApiKey>>;

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

/// The client with the retry policy.
pub struct Sender {
    replicas: Replicas,
    key: ApiKey,
    tokens: Mutex<f64>,
}

impl Sender {
    /// A sender with the address and the key that the environment has.
    pub fn from_environment() -> Result<Self, Box<dyn Error>> {
        let key = format!("Bearer {}", variable("OPENLINES_API_KEY")?).parse()?;
        Ok(Self {
            replicas: Replicas::from_environment()?,
            key: ApiKey(key),
            tokens: Mutex::new(MAXIMUM_TOKENS),
        })
    }

    /// A client of one replica: take a new one for each call.
    pub async fn client(&self) -> Client {
        OpenLinesServiceClient::with_interceptor(self.replicas.next().await, self.key.clone())
    }

    /// Makes a call, and makes it again if that is safe and of use, until the deadline.
    ///
    /// UNAVAILABLE from the service means that nothing was executed. If the connection breaks or is
    /// closed, tonic says UNAVAILABLE, UNKNOWN or CANCELLED, and the outcome is unknown. A retry is
    /// safe only because every call has a `request_id`.
    pub async fn send<Q: Clone, A>(
        &self,
        message: Q,
        within: Duration,
        call: impl AsyncFn(Client, Request<Q>) -> Result<Response<A>, Status>,
    ) -> Result<A, Status> {
        let deadline = Instant::now() + within;
        let mut attempt = 1;
        loop {
            let answer = timeout_at(deadline, async {
                // Of the next replica: this one may be gone.
                let client = self.client().await;
                let mut request = Request::new(message.clone());
                request.set_timeout(deadline - Instant::now());
                call(client, request).await
            });
            // The service answers before the deadline. Without a connection this would wait on.
            let status = match answer.await {
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
        let retryable = failed.is_some_and(|status| match status.code() {
            Code::Unavailable => true,
            // Only what tonic has made of an error has a source.
            Code::Unknown | Code::Cancelled => status.source().is_some(),
            _ => false,
        });
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

//! Real processes on one database, and the sandbox portal that they share.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use bitrix24_openlines::api::openlines::v1 as api;
use bitrix24_openlines::api::openlines::v1::open_lines_service_client::OpenLinesServiceClient;
use sandbox::{self, Portal, Sandbox, demo};
use store::sealing::Key;
use tokio::net::TcpListener;
use tokio::task::JoinSet;
use tokio::time::Instant;
use tonic::transport::Channel;
use tonic::{Code, Status};

use crate::support::deployment::{Deployment, Running};
use crate::support::requests::{connector_message, connector_messages};
use crate::support::{Told, tenants};

/// A portal with a bucket, and the processes that call it.
pub(crate) struct Site {
    pub(crate) sandbox: Sandbox,
    deployment: Deployment,
}

/// What callers were told.
#[derive(Clone, Default)]
pub(crate) struct Answers {
    pub(crate) delivered: Arc<AtomicU64>,
    /// Refused because the wait would have been too long.
    pub(crate) put_off: Arc<AtomicU64>,
    numbers: Arc<AtomicU64>,
}

impl Site {
    pub(crate) async fn build(database: &str, bucket: sandbox::Intensity) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let sandbox = Sandbox::start(listener, vec![Portal::demo()]).unwrap();
        sandbox.limit(|limits| limits.intensity = Some(bucket));
        let plan = format!(
            ", plan: {{burst: {}, per_second: {}}}}}\n",
            bucket.burst, bucket.drain_per_second
        );
        let tenants = tenants(sandbox.address()).replace("}\n", &plan);
        // Each call is a request: what is shared are requests.
        let single = "dispatch: {maximum_batch: 1}\n";
        let sealing_key = Key::generate().unwrap();
        let deployment = Deployment::write(database, &sealing_key, &tenants, single);
        Self {
            sandbox,
            deployment,
        }
    }

    pub(crate) async fn start(&self) -> Running {
        self.deployment.start().await
    }

    /// So many callers of a process, each of which calls as soon as its last call was answered,
    /// until `end`. What they wait for then they wait for.
    pub(crate) fn call_until(
        &self,
        end: Instant,
        running: &Running,
        callers: usize,
        answers: &Answers,
    ) -> JoinSet<()> {
        let mut calls = JoinSet::new();
        for _ in 0..callers {
            let (client, answers) = (running.client.clone(), answers.clone());
            let key = self.deployment.key.expose().to_owned();
            calls.spawn(async move {
                while Instant::now() < end {
                    call(client.clone(), &key, &answers).await;
                }
            });
        }
        calls
    }

    /// How many requests the portal has taken within this time since the first one, and how many it
    /// has refused.
    pub(crate) fn count(&self, within: Duration) -> (u32, usize) {
        let record = self.sandbox.record();
        let calls: Vec<_> = record
            .entries
            .iter()
            .filter(|entry| entry.portal == demo::HOST)
            .collect();
        let refused = record.refused_with("QUERY_LIMIT_EXCEEDED");
        let Some(first) = calls.first().map(|entry| entry.time) else {
            return (0, refused);
        };
        let end = first + within;
        let taken = calls
            .iter()
            .filter(|entry| entry.time <= end && entry.status == Some(200));
        (u32::try_from(taken.count()).unwrap(), refused)
    }
}

async fn call(mut client: OpenLinesServiceClient<Channel>, key: &str, answers: &Answers) {
    let number = answers.numbers.fetch_add(1, Ordering::Relaxed);
    let number = format!("number {number}");
    let mut message = connector_message(&number, &number);
    // Nobody waits for anybody else's conversation.
    message.chat = Some(api::ExternalChat {
        id: number,
        ..Default::default()
    });
    let request = connector_messages(vec![message]);
    loop {
        let mut request = crate::support::with_key(request.clone(), key);
        request.set_timeout(Duration::from_secs(50));
        match client.send_connector_messages(request).await {
            Ok(_) => {
                answers.delivered.fetch_add(1, Ordering::Relaxed);
                return;
            }
            Err(status) if is_put_off(&status) => {
                answers.put_off.fetch_add(1, Ordering::Relaxed);
                tokio::time::sleep(Duration::from_millis(200)).await;
            }
            Err(status) => panic!("{status:?}"),
        }
    }
}

fn is_put_off(status: &Status) -> bool {
    status.code() == Code::ResourceExhausted && status.reason() == "WAIT_EXCEEDS_DEADLINE"
}

//! Real processes on one database, and the sandbox portal that they share.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use bitrix24_openlines::api::bitrix24::openlines::v1 as api;
use bitrix24_openlines::api::bitrix24::openlines::v1::open_lines_service_client::OpenLinesServiceClient;
use bitrix24_openlines::auth::NewKey;
use bitrix24_openlines::sandbox::{self, Portal, Sandbox, demo};
use bitrix24_openlines::tenant::sealing::Key;
use tempfile::TempDir;
use tokio::net::TcpListener;
use tokio::task::JoinSet;
use tokio::time::Instant;
use tonic::transport::{Channel, Endpoint};
use tonic::{Code, Status};

use crate::support::admin::{free_address, sample};
use crate::support::process::{Process, openlines};
use crate::support::requests::{connector_message, connector_messages};
use crate::support::stores::keyring_text;
use crate::support::{Told, caller, tenants};

/// A portal with a bucket, and what processes need to call it.
pub(crate) struct Site {
    pub(crate) sandbox: Sandbox,
    key: NewKey,
    folder: TempDir,
}

/// A running process with a connection to it.
pub(crate) struct Running {
    pub(crate) process: Process,
    client: OpenLinesServiceClient<Channel>,
    admin: SocketAddr,
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
        let (key, folder) = (NewKey::generate().unwrap(), tempfile::tempdir().unwrap());
        let site = Self {
            sandbox,
            key,
            folder,
        };
        let folder = site.folder.path();
        let plan = format!(
            ", plan: {{burst: {}, per_second: {}}}}}\n",
            bucket.burst, bucket.drain_per_second
        );
        let tenants = tenants(site.sandbox.address()).replace("}\n", &plan);
        std::fs::write(folder.join("tenants.yaml"), tenants).unwrap();
        let sealing = Key::generate().unwrap();
        std::fs::write(folder.join("keyring"), keyring_text(&[&sealing])).unwrap();
        std::fs::write(folder.join("url"), database).unwrap();
        // Each call is a request: what is shared are requests.
        let settings = format!(
            "server: {{listen: '127.0.0.1:0'}}\n\
             portals: {{dangerous_allow_insecure: true}}\n\
             tenants: {{file: '{0}/tenants.yaml'}}\n\
             store: {{url_file: '{0}/url', keyring_file: '{0}/keyring'}}\n\
             dispatch: {{maximum_batch: 1}}\n{1}",
            folder.display(),
            caller(&site.key),
        );
        std::fs::write(folder.join("settings.yaml"), settings).unwrap();
        site
    }

    pub(crate) async fn start(&self) -> Running {
        let settings = self.folder.path().join("settings.yaml");
        let arguments = ["serve", "--config", settings.to_str().unwrap()];
        let admin = free_address().await;
        let mut command = openlines(&arguments);
        command.env("OPENLINES_ADMIN_LISTEN", admin.to_string());
        let process = Process::start(command);
        let address = process.address().await;
        let endpoint = Endpoint::from_shared(format!("http://{address}")).unwrap();
        let client = OpenLinesServiceClient::new(endpoint.connect().await.unwrap());
        Running {
            process,
            client,
            admin,
        }
    }

    /// So many callers of a process, each of which calls as soon as its last call was answered, until `end`. What they wait for then
    /// they wait for.
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
            let key = self.key.expose().to_owned();
            calls.spawn(async move {
                while Instant::now() < end {
                    call(client.clone(), &key, &answers).await;
                }
            });
        }
        calls
    }

    /// How many requests the portal has taken within this time since the first one, and how many it has refused.
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

impl Running {
    /// A sample of its metrics.
    pub(crate) async fn sample(&self, name: &str) -> u64 {
        sample(self.admin, name).await
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

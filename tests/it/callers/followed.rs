//! A callers file that changes while the service runs.

use std::path::PathBuf;
use std::time::{Duration, Instant};

use bitrix24_openlines::testing::auth::NewKey;
use sandbox::{Fault, FaultKind, Gate, Moment, Portal, Sandbox};
use tempfile::TempDir;
use tokio::net::TcpListener;
use tonic::{Code, Status};

use super::assert_refused;
use crate::support::admin::{free_address, ready, sample, until_sample};
use crate::support::log::Log;
use crate::support::requests::{crm_message, network_message};
use crate::support::{Service, tenants, until, with_key};

const REJECTED: &str = "openlines_callers_file_rejected";

struct Site {
    sandbox: Sandbox,
    service: Service,
    admin: std::net::SocketAddr,
    file: PathBuf,
    _folder: TempDir,
}

/// A callers file with one caller and these keys.
fn callers(keys: &[&NewKey]) -> String {
    let entries: Vec<String> = keys
        .iter()
        .map(|key| format!("'{}'", key.entry()))
        .collect();
    format!(
        "callers:\n- {{name: shop, tenants: ['*'], keys: [{}]}}\n",
        entries.join(", ")
    )
}

impl Site {
    /// A service that looks at its callers file every second.
    async fn start(key: NewKey, content: &str) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let sandbox = Sandbox::start(listener, vec![Portal::demo()]).unwrap();
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("callers.yaml");
        std::fs::write(&file, content).unwrap();
        let auth = format!(
            "auth: {{callers_file: '{}', follow_seconds: 1}}\n",
            file.display()
        );
        let admin = free_address();
        let settings = [("ADMIN_LISTEN", &*admin.to_string())];
        let tenants = tenants(sandbox.address());
        let service = Service::with_auth(key, &auth, &settings, &tenants).await;
        Self {
            sandbox,
            service,
            admin,
            file,
            _folder: folder,
        }
    }

    fn write(&self, content: &str) {
        std::fs::write(&self.file, content).unwrap();
    }

    async fn call(&self, key: &NewKey, text: &str) -> Result<(), Status> {
        let mut client = self.service.client().await;
        let request = with_key(crm_message(text), key.expose());
        client.send_crm_message(request).await.map(|_| ())
    }

    /// Calls until the service says so.
    async fn until(&self, key: &NewKey, is_accepted: bool) {
        let limit = Instant::now() + Duration::from_secs(20);
        let mut client = self.service.client().await;
        // In a conversation of its own, and whatever its portal says.
        let probe = || with_key(network_message("probe"), key.expose());
        let is_known = |answer: Result<_, Status>| match answer {
            Ok(_) => true,
            Err(status) => status.code() != Code::Unauthenticated,
        };
        while is_known(client.send_network_message(probe()).await) != is_accepted {
            assert!(Instant::now() < limit, "accepted is not {is_accepted}");
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }
}

/// docs/callers.md: a rotation without an interruption, and without a restart.
#[tokio::test]
async fn a_key_is_rotated_while_the_service_runs() {
    let (old, new) = (NewKey::generate().unwrap(), NewKey::generate().unwrap());
    let content = callers(&[&old]);
    let site = Site::start(NewKey::generate().unwrap(), &content).await;
    site.call(&old, "before").await.unwrap();
    site.write(&callers(&[&old, &new]));
    site.until(&new, true).await;
    site.call(&old, "between").await.unwrap();
    site.write(&callers(&[&new]));
    site.until(&old, false).await;
    let status = site.call(&old, "after").await.unwrap_err();
    assert_refused(&status, Code::Unauthenticated, "CREDENTIALS_INVALID");
    site.call(&new, "after").await.unwrap();
    assert_eq!(site.sandbox.record().times_delivered("after"), 1);
}

#[tokio::test]
async fn a_call_in_progress_ends_as_it_would_have_when_its_key_is_removed() {
    let (old, new) = (NewKey::generate().unwrap(), NewKey::generate().unwrap());
    let content = callers(&[&old]);
    let site = Site::start(NewKey::generate().unwrap(), &content).await;
    site.call(&old, "warm").await.unwrap();
    let gate = Gate::closed();
    let held = FaultKind::Held(Moment::After, gate.clone());
    site.sandbox.inject(Fault::once(held));
    let running = site.call(&old, "running");
    let removed = async {
        until("the call is under way", || {
            site.sandbox.record().times_delivered("running") == 1
        })
        .await;
        site.write(&callers(&[&new]));
        site.until(&old, false).await;
        gate.open();
    };
    let (running, ()) = tokio::join!(running, removed);
    running.unwrap();
    assert_eq!(site.sandbox.record().times_delivered("running"), 1);
}

#[tokio::test]
async fn a_broken_file_is_told_once_and_the_callers_from_before_stay() {
    let log = Log::default();
    let _logging = log.start();
    let key = NewKey::generate().unwrap();
    let content = callers(&[&key]);
    let site = Site::start(NewKey::generate().unwrap(), &content).await;
    site.call(&key, "before").await.unwrap();
    assert_eq!(sample(site.admin, REJECTED).await, 0);
    let told = |problem: &str| log.text().matches(problem).count();
    let refused = "callers file changed but was not applied";
    for (count, broken) in (1..).zip([
        // Nobody could call any more: that is a mistake.
        "callers: []\n",
        "callers: [\n",
        &content.replace("tenants: ['*'], ", ""),
    ]) {
        site.write(broken);
        until("the problem is told", || told(refused) == count).await;
        until_sample(site.admin, REJECTED, 1).await;
        site.call(&key, "meanwhile").await.unwrap();
    }
    std::fs::remove_file(&site.file).unwrap();
    until("the problem is told", || told(refused) == 4).await;
    tokio::time::sleep(Duration::from_millis(2500)).await;
    assert_eq!(told(refused), 4, "{}", log.text());
    site.call(&key, "meanwhile").await.unwrap();
    let works = "openlines_dependency_works{dependency=\"callers file\"}";
    until_sample(site.admin, works, 0).await;
    let (status, told) = ready(site.admin).await;
    assert!(told.contains("callers file"), "{told}");
    assert_eq!(status, 200, "{told}");
    site.write(&content);
    until_sample(site.admin, REJECTED, 0).await;
    until_sample(site.admin, works, 1).await;
    site.call(&key, "after").await.unwrap();
    // Neither the log nor an error shows a hash.
    let (_, hash) = content.split_once(':').unwrap();
    let hash = hash.rsplit_once(':').unwrap().1;
    assert!(!log.text().contains(&hash[..32]), "{}", log.text());
}

//! Files of `server.tls` that change while the service runs.

use std::time::{Duration, Instant};

use bitrix24_openlines::testing::auth::NewKey;
use sandbox::Sandbox;
use tonic::transport::Channel;

use super::{connect, settings_of, start_with};
use crate::support::admin::{free_address, metrics};
use crate::support::certificate::Pair;
use crate::support::process::{Files, Process, openlines};
use crate::support::requests::crm_message;
use crate::support::{Service, caller, until};
use bitrix24_openlines::api::openlines::v1::open_lines_service_client::OpenLinesServiceClient;

/// Several looks at the files.
const PATIENCE: Duration = Duration::from_secs(40);

async fn send(service: &Service, channel: Channel) {
    let mut client = OpenLinesServiceClient::new(channel);
    let call = service.request(crm_message("text"));
    client.send_crm_message(call).await.unwrap();
}

async fn until_trusted(service: &Service, pem: &str) -> Channel {
    let limit = Instant::now() + PATIENCE;
    loop {
        match connect(service, pem).await {
            Ok(channel) => return channel,
            Err(error) => assert!(Instant::now() < limit, "{error:?}"),
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}

#[tokio::test]
async fn a_changed_certificate_is_used_without_a_restart() {
    let admin = free_address();
    let files = Pair::expiring(2030);
    let settings = settings_of(&files);
    let mut settings: Vec<_> = settings
        .iter()
        .map(|(name, value)| (*name, &**value))
        .collect();
    let admin_listen = admin.to_string();
    settings.push(("ADMIN_LISTEN", &admin_listen));
    let (_sandbox, service): (Sandbox, _) = start_with(&settings).await;
    let open = connect(&service, &files.pem).await.unwrap();
    send(&service, open.clone()).await;
    assert_eq!(expiry(&metrics(admin).await), year(2030));

    let renewed = Pair::expiring(2031);
    renewed.replace(&files);
    let new = until_trusted(&service, &renewed.pem).await;
    send(&service, new).await;
    assert!(connect(&service, &files.pem).await.is_err());
    // Connections that are open go on.
    send(&service, open).await;
    assert_eq!(expiry(&metrics(admin).await), year(2031));
}

fn expiry(page: &str) -> Option<u64> {
    let name = "openlines_tls_certificate_expiry_timestamp_seconds{certificate=\"server\"} ";
    let value = page.lines().find_map(|line| line.strip_prefix(name))?;
    value.parse().ok()
}

fn year(year: i16) -> Option<u64> {
    let begin = jiff::civil::date(year, 1, 1).to_zoned(jiff::tz::TimeZone::UTC);
    u64::try_from(begin.unwrap().timestamp().as_second()).ok()
}

#[tokio::test]
async fn files_that_do_not_fit_change_nothing_and_are_told_once() {
    let files = Pair::make();
    let key = NewKey::generate().unwrap();
    let server = format!(
        "server: {{listen: '127.0.0.1:0', tls: {{certificate_file: '{}', private_key_file: '{}'}}}}\n",
        files.certificate().display(),
        files.private_key().display()
    );
    let written = Files::write(&(caller(&key) + &server), "tenants: []\n");
    let settings = written.settings();
    let command = openlines(&["serve", "--config", settings.to_str().unwrap()]);
    let process = Process::start(command);
    let address = process.address().await;

    let other = Pair::make();
    std::fs::copy(other.private_key(), files.private_key()).unwrap();
    let problem = "files of server.tls changed but were not applied";
    until("the change is told", || process.output().contains(problem)).await;
    let trusts = |pem: &str| super::connect_to(address, pem.to_owned(), None);
    assert!(trusts(&files.pem).await.is_ok(), "the old ones are used");
    // Another look, and then the certificate follows its key.
    tokio::time::sleep(Duration::from_secs(6)).await;
    std::fs::copy(other.certificate(), files.certificate()).unwrap();
    let applied = "applied the changed files of server.tls";
    until("the change is applied", || {
        process.output().contains(applied)
    })
    .await;
    assert!(trusts(&other.pem).await.is_ok());
    assert_eq!(process.output().matches(problem).count(), 1);
}

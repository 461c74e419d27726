//! A connection to each replica of the service.

use std::collections::{BTreeMap, BTreeSet};
use std::error::Error;
use std::fs;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use tokio::net::lookup_host;
use tokio::sync::watch::Sender;
use tokio::time::sleep;
use tonic::transport::{Certificate, Channel, ClientTlsConfig, Endpoint};
use tonic_health::pb::HealthCheckRequest;
use tonic_health::pb::health_check_response::ServingStatus;
use tonic_health::pb::health_client::HealthClient;

use crate::variable;

const LOOKUP_INTERVAL: Duration = Duration::from_secs(10);
const RECONNECT_INTERVAL: Duration = Duration::from_secs(1);
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);
// Finds a replica that is gone without a word.
const KEEPALIVE: Duration = Duration::from_secs(20);

/// The addresses that the name has, each with its connection while the replica serves.
type Known = BTreeMap<SocketAddr, Option<Channel>>;

/// One for the whole program: it holds the connections, and calls take them in turn.
///
/// `Channel::balance_channel` would go on giving calls to a replica that is gone
/// (<https://github.com/grpc/grpc-rust/issues/2839>).
pub struct Replicas {
    known: Sender<Known>,
    next: AtomicUsize,
}

impl Replicas {
    /// Those at the address that the environment has.
    pub fn from_environment() -> Result<Self, Box<dyn Error>> {
        let address = variable("OPENLINES_ADDRESS")?;
        let (host, _) = address
            .rsplit_once(':')
            .ok_or("OPENLINES_ADDRESS has no port")?;
        let authority = Certificate::from_pem(fs::read(variable("OPENLINES_CA_FILE")?)?);
        let tls = ClientTlsConfig::new()
            .ca_certificate(authority)
            // Replicas are called by their addresses, and certificates have the name.
            .domain_name(host);
        let known = Sender::new(Known::new());
        tokio::spawn(look_up(address, tls, known.clone()));
        Ok(Self {
            known,
            next: AtomicUsize::new(0),
        })
    }

    /// The connection for a call. Waits while no replica serves.
    pub async fn next(&self) -> Channel {
        let mut known = self.known.subscribe();
        let known = known
            .wait_for(|known| known.values().any(Option::is_some))
            .await
            .expect("self has the sender");
        let serving: Vec<_> = known.values().flatten().collect();
        serving[self.next.fetch_add(1, Ordering::Relaxed) % serving.len()].clone()
    }
}

/// Asks for the addresses of the name again and again: replicas come and go.
async fn look_up(name: String, tls: ClientTlsConfig, known: Sender<Known>) {
    loop {
        match lookup_host(&name).await {
            Ok(found) => {
                let found: BTreeSet<_> = found.collect();
                known.send_modify(|known| known.retain(|address, _| found.contains(address)));
                for address in found {
                    if !known.borrow().contains_key(&address) {
                        known.send_modify(|known| _ = known.insert(address, None));
                        tokio::spawn(follow(address, tls.clone(), known.clone()));
                    }
                }
            }
            Err(error) => eprintln!("{name}: {error}"),
        }
        sleep(LOOKUP_INTERVAL).await;
    }
}

/// Keeps a connection to a replica for as long as the name has its address.
async fn follow(address: SocketAddr, tls: ClientTlsConfig, known: Sender<Known>) {
    let mut was_there = true;
    while known.borrow().contains_key(&address) {
        let ended = watch(address, &tls, &known).await;
        set(&known, address, None);
        let is_there = ended.is_ok();
        if let Err(error) = ended {
            if was_there {
                eprintln!("{address}: {error:?}");
            }
            sleep(RECONNECT_INTERVAL).await;
        }
        was_there = is_there;
    }
}

/// Connects, and offers the connection for calls while the replica says that it serves.
async fn watch(
    address: SocketAddr,
    tls: &ClientTlsConfig,
    known: &Sender<Known>,
) -> Result<(), Box<dyn Error + Send + Sync>> {
    let channel = Endpoint::from_shared(format!("https://{address}"))?
        .tls_config(tls.clone())?
        .connect_timeout(CONNECT_TIMEOUT)
        .http2_keep_alive_interval(KEEPALIVE)
        .connect()
        .await?;
    let service = "openlines.v1.OpenLinesService".to_owned();
    let mut health = HealthClient::new(channel.clone());
    let mut answers = health
        .watch(HealthCheckRequest { service })
        .await?
        .into_inner();
    // It ends with the connection.
    while let Ok(Some(answer)) = answers.message().await {
        let serves = answer.status() == ServingStatus::Serving;
        set(known, address, serves.then(|| channel.clone()));
    }
    Ok(())
}

fn set(known: &Sender<Known>, address: SocketAddr, channel: Option<Channel>) {
    known.send_modify(|known| {
        if let Some(slot) = known.get_mut(&address) {
            *slot = channel;
        }
    });
}

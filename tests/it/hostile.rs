//! Peers that mean harm, with the service answering well-behaved callers meanwhile.

mod age;
mod flood;
mod health;
mod memory;
mod opening;
mod protocol;
mod reading;
mod resets;
mod shares;
mod strangers;

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use bitrix24_openlines::api::openlines::v1::open_lines_service_client::OpenLinesServiceClient;
use tonic::transport::Channel;

use crate::support::admin::sample;
use crate::support::requests::crm_message;
use crate::support::{Service, World};

/// A well-behaved caller is served, over a connection of its own.
async fn answered(world: &World) {
    let served = async {
        let mut client = world.client().await;
        let call = world.request(crm_message("well-behaved"));
        client.send_crm_message(call).await
    };
    let served = tokio::time::timeout(Duration::from_secs(20), served).await;
    served.expect("a well-behaved caller waits").unwrap();
}

/// Whether a well-behaved caller is served over this connection.
pub(crate) async fn answered_over(service: &Service, channel: Channel) -> bool {
    let mut client = OpenLinesServiceClient::new(channel);
    let call = service.request(crm_message("well-behaved"));
    client.send_crm_message(call).await.is_ok()
}

/// The value of `authorization` of the caller that may act for every tenant.
fn key(world: &World) -> String {
    format!("Bearer {}", world.service.key.expose())
}

/// How many connections have ended so. Waits a moment for the first one: a peer sees the end of its
/// connection before it is counted.
async fn ended(admin: SocketAddr, end: &str) -> u64 {
    let name = format!("openlines_connections_ended_total{{end=\"{end}\"}}");
    let limit = Instant::now() + Duration::from_secs(2);
    loop {
        let count = sample(admin, &name).await;
        if count > 0 || Instant::now() > limit {
            return count;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

//! `openlines health`: checks the health of a running service, for `helm test` and for operators.

use std::io::{self, Write};
use std::time::Duration;

use clap::Args;
use tonic_health::pb::HealthCheckRequest;
use tonic_health::pb::health_check_response::ServingStatus;
use tonic_health::pb::health_client::HealthClient;

use super::Failure;
use super::service::Service;

/// How long the whole question may take.
const PATIENCE: Duration = Duration::from_secs(5);

#[derive(Debug, Args)]
pub(super) struct Arguments {
    #[command(flatten)]
    to: Service,
    /// The gRPC service to ask about; without it, the process as a whole.
    #[arg(long, value_name = "SERVICE", default_value = "")]
    service: String,
}

pub(super) async fn run(arguments: Arguments) -> Result<(), Failure> {
    let Arguments { to, service } = arguments;
    let (address, endpoint) = to.endpoint()?;
    let endpoint = endpoint.connect_timeout(PATIENCE).timeout(PATIENCE);
    let channel = endpoint.connect().await;
    let channel =
        channel.map_err(|error| format!("cannot reach {address}: {}", super::chain(&error)))?;
    let answer = HealthClient::new(channel)
        .check(HealthCheckRequest { service })
        .await?;
    let status = answer.into_inner().status();
    writeln!(io::stdout(), "{}", status.as_str_name())?;
    if status == ServingStatus::Serving {
        Ok(())
    } else {
        Err("the service is not serving".into())
    }
}

//! `openlines health`: checks the health of a running service, for `helm test` and for operators.

use std::io::{self, Write};
use std::path::PathBuf;
use std::time::Duration;

use clap::Args;
use tonic::transport::{Certificate, ClientTlsConfig, Endpoint};
use tonic_health::pb::HealthCheckRequest;
use tonic_health::pb::health_check_response::ServingStatus;
use tonic_health::pb::health_client::HealthClient;

use super::Failure;

/// How long the whole question may take.
const PATIENCE: Duration = Duration::from_secs(5);

#[derive(Debug, Args)]
pub(super) struct Arguments {
    /// The host and port of the service.
    #[arg(long, value_name = "HOST:PORT", default_value = "127.0.0.1:50051")]
    address: String,
    /// The gRPC service to ask about; without it, the process as a whole.
    #[arg(long, value_name = "SERVICE", default_value = "")]
    service: String,
    /// CA certificates in PEM that the service's own is checked with. Turns on TLS.
    #[arg(long, value_name = "FILE")]
    ca_file: Option<PathBuf>,
}

pub(super) async fn run(arguments: Arguments) -> Result<(), Failure> {
    let Arguments {
        address,
        service,
        ca_file,
    } = arguments;
    let endpoint = match ca_file {
        None => Endpoint::from_shared(format!("http://{address}"))?,
        Some(file) => {
            let authority =
                Certificate::from_pem(tokio::task::spawn_blocking(|| std::fs::read(file)).await??);
            Endpoint::from_shared(format!("https://{address}"))?
                .tls_config(ClientTlsConfig::new().ca_certificate(authority))?
        }
    };
    let channel = endpoint
        .connect_timeout(PATIENCE)
        .timeout(PATIENCE)
        .connect()
        .await?;
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

//! The way to the running service, and the key that opens it.

use std::path::PathBuf;
use std::time::Duration;

use clap::Args;
use tonic::metadata::{Ascii, MetadataValue};
use tonic::service::Interceptor;
use tonic::service::interceptor::InterceptedService;
use tonic::transport::{Certificate, Channel, ClientTlsConfig, Endpoint};
use tonic::{Request, Status};

use super::{Usage, secret};
use crate::api::openlines::tenants::v1::tenant_service_client::TenantServiceClient;
use crate::app::API_KEY_VARIABLE;
use crate::cli::Failure;
use crate::settings::Environment;

/// How long reaching the service may take.
const CONNECT: Duration = Duration::from_secs(5);
/// How long an answer may take. A trial of credentials asks a portal that may be slow.
const ANSWER: Duration = Duration::from_secs(55);
/// Largest answer, in bytes: a page of tenants may have a megabyte.
const ANSWER_BYTES: usize = 16 * 1024 * 1024;

/// Where the service is, and who calls.
#[derive(Debug, Args)]
pub(super) struct Connection {
    /// The address of the service: http:// or https://, host and port.
    #[arg(
        long,
        global = true,
        value_name = "URL",
        default_value = "http://127.0.0.1:50051"
    )]
    address: String,
    /// A file with your API key, or `-` for standard input. Default: the environment variable
    /// OPENLINES_API_KEY.
    #[arg(long, global = true, value_name = "FILE")]
    api_key_file: Option<PathBuf>,
    /// Certificates in PEM that the service's own is checked with, in place of the system's.
    #[arg(long, global = true, value_name = "FILE")]
    ca_file: Option<PathBuf>,
}

/// A client of the tenant service.
pub(super) type Client = TenantServiceClient<InterceptedService<Channel, Key>>;

/// The caller's key, added to every call.
#[derive(Clone)]
pub(super) struct Key(Option<MetadataValue<Ascii>>);

impl Interceptor for Key {
    fn call(&mut self, mut request: Request<()>) -> Result<Request<()>, Status> {
        if let Some(key) = &self.0 {
            request.metadata_mut().insert("authorization", key.clone());
        }
        Ok(request)
    }
}

impl Connection {
    /// Reaches the service.
    pub(super) async fn open(self) -> Result<Client, Failure> {
        let Self {
            address,
            api_key_file,
            ca_file,
        } = self;
        let key = key(api_key_file)?;
        let endpoint = endpoint(&address, ca_file)?;
        let channel = endpoint
            .connect()
            .await
            .map_err(|error| format!("cannot reach {address}: {}", crate::cli::chain(&error)))?;
        let client = TenantServiceClient::with_interceptor(channel, key);
        Ok(client.max_decoding_message_size(ANSWER_BYTES))
    }
}

fn endpoint(address: &str, ca_file: Option<PathBuf>) -> Result<Endpoint, Failure> {
    let secure = address.starts_with("https://");
    if !secure && !address.starts_with("http://") {
        let problem = "--address is no address; give it as http://HOST:PORT or https://HOST:PORT";
        return Err(Usage(problem.to_owned()).into());
    }
    let endpoint = Endpoint::from_shared(address.to_owned())
        .map_err(|_| Usage("--address is no address; give http://HOST:PORT".to_owned()))?
        .connect_timeout(CONNECT)
        .timeout(ANSWER);
    let tls = match ca_file {
        None if !secure => return Ok(endpoint),
        Some(_) if !secure => {
            let problem = "--ca-file is for https://, and --address is http://";
            return Err(Usage(problem.to_owned()).into());
        }
        None => ClientTlsConfig::new().with_native_roots(),
        Some(file) => {
            let pem = std::fs::read(&file).map_err(|error| {
                Usage(format!(
                    "--ca-file {}: cannot be read ({})",
                    file.display(),
                    error.kind()
                ))
            })?;
            ClientTlsConfig::new().ca_certificate(Certificate::from_pem(pem))
        }
    };
    Ok(endpoint.tls_config(tls)?)
}

fn key(file: Option<PathBuf>) -> Result<Key, Usage> {
    let key = match file {
        Some(file) => Some(secret::read("--api-key-file", &file)?),
        None => match Environment::of_process().get(API_KEY_VARIABLE) {
            None => None,
            Some(Ok(key)) => Some(key.to_owned()),
            Some(Err(_)) => return Err(Usage(format!("{API_KEY_VARIABLE} is not Unicode text"))),
        },
    };
    let header = key
        .map(|key| {
            let mut header = MetadataValue::try_from(format!("Bearer {key}"))
                .map_err(|_| Usage("the API key has characters that no key has".to_owned()))?;
            header.set_sensitive(true);
            Ok(header)
        })
        .transpose()?;
    Ok(Key(header))
}

//! The way to the running service, and the key that opens it.

use std::path::PathBuf;
use std::time::Duration;

use clap::Args;
use tonic::metadata::{Ascii, MetadataValue};
use tonic::service::Interceptor;
use tonic::service::interceptor::InterceptedService;
use tonic::transport::Channel;
use tonic::{Request, Status};

use super::secret;
use crate::api::openlines::tenants::v1::tenant_service_client::TenantServiceClient;
use crate::app::API_KEY_VARIABLE;
use crate::cli::Failure;
use crate::cli::service::Service;
use crate::cli::usage::Usage;
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
    #[command(flatten)]
    service: Service,
    /// A file with your API key, or `-` for standard input. Default: the environment variable
    /// OPENLINES_API_KEY.
    #[arg(long, global = true, value_name = "FILE")]
    api_key_file: Option<PathBuf>,
}

/// A client of the tenant service.
pub(super) type Client = TenantServiceClient<InterceptedService<Channel, Key>>;

/// The caller's key, added to every call.
#[derive(Clone)]
pub(in crate::cli) struct Key(Option<MetadataValue<Ascii>>);

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
            service,
            api_key_file,
        } = self;
        let key = key(api_key_file)?;
        let (address, endpoint) = service.endpoint()?;
        let endpoint = endpoint.connect_timeout(CONNECT).timeout(ANSWER);
        let channel = endpoint
            .connect()
            .await
            .map_err(|error| format!("cannot reach {address}: {}", crate::cli::chain(&error)))?;
        let client = TenantServiceClient::with_interceptor(channel, key);
        Ok(client.max_decoding_message_size(ANSWER_BYTES))
    }
}

/// The key in this file, or else in the environment.
pub(in crate::cli) fn key(file: Option<PathBuf>) -> Result<Key, Usage> {
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

//! Fetches an issuer's set of keys from its address.

use std::io;
use std::time::Duration;

use http::header::{ACCEPT, AUTHORIZATION};
use http::{HeaderValue, StatusCode};
use reqwest::redirect::Policy;
use reqwest::{Certificate, Client, Response};
use thiserror::Error;

use super::key_set::{InvalidKeySet, KeySet};
use super::settings::{MAXIMUM_SET_BYTES, UrlSource};

/// Why a set of keys could not be loaded. Never contains what was received.
#[derive(Debug, Error)]
pub(super) enum FetchError {
    #[error("{file} cannot be read")]
    File {
        file: &'static str,
        source: io::Error,
    },
    #[error("the ca_file has no certificate that can be used")]
    Authorities(#[source] Option<reqwest::Error>),
    #[error("the bearer_token_file does not hold a token")]
    Token,
    /// The HTTP library cannot be set up, for example without trusted certificates.
    #[error("the HTTP client cannot be set up")]
    Client(#[source] reqwest::Error),
    #[error("no response")]
    Request(#[source] reqwest::Error),
    #[error("the response has the HTTP status {0}, and only 200 is one")]
    Status(StatusCode),
    #[error("the response is larger than {MAXIMUM_SET_BYTES} bytes")]
    TooLarge,
    #[error("the response {0}")]
    Set(InvalidKeySet),
    #[error("the task that reads the files was stopped")]
    Stopped,
}

/// Fetches a set once, within `timeout`. Follows no redirect and uses no proxy from the
/// environment: whoever can change the answer can make tokens.
///
/// # Errors
///
/// [`FetchError`].
pub(super) async fn fetch(source: &UrlSource, timeout: Duration) -> Result<KeySet, FetchError> {
    let files = source.clone();
    // Reads files, and the system's certificates.
    let prepared = tokio::task::spawn_blocking(move || prepare(&files, timeout)).await;
    let (client, token) = prepared.map_err(|_| FetchError::Stopped)??;
    let mut request = client.get(&source.url).header(ACCEPT, "application/json");
    if let Some(token) = token {
        request = request.header(AUTHORIZATION, token);
    }
    let response = request.send().await;
    let response = response.map_err(|error| FetchError::Request(error.without_url()))?;
    if response.status() != StatusCode::OK {
        return Err(FetchError::Status(response.status()));
    }
    KeySet::parse(&body(response).await?).map_err(FetchError::Set)
}

/// A client for one fetch, minutes apart from the next: so changed authorities count at once, and
/// no connection stays open.
fn prepare(
    source: &UrlSource,
    timeout: Duration,
) -> Result<(Client, Option<HeaderValue>), FetchError> {
    let mut client = Client::builder()
        .user_agent(concat!("bitrix24-openlines/", env!("CARGO_PKG_VERSION")))
        .timeout(timeout)
        .redirect(Policy::none())
        .retry(reqwest::retry::never())
        .pool_max_idle_per_host(0)
        .no_proxy();
    if let Some(path) = &source.ca_file {
        let pem = std::fs::read(path).map_err(|source| FetchError::File {
            file: "the ca_file",
            source,
        })?;
        let authorities = Certificate::from_pem_bundle(&pem)
            .map_err(|error| FetchError::Authorities(Some(error)))?;
        if authorities.is_empty() {
            return Err(FetchError::Authorities(None));
        }
        client = client.tls_certs_only(authorities);
    }
    let token = match &source.bearer_token_file {
        None => None,
        Some(path) => {
            let text = std::fs::read_to_string(path).map_err(|source| FetchError::File {
                file: "the bearer_token_file",
                source,
            })?;
            Some(bearer(text.trim())?)
        }
    };
    let client = client.build().map_err(FetchError::Client)?;
    Ok((client, token))
}

fn bearer(token: &str) -> Result<HeaderValue, FetchError> {
    if token.is_empty() {
        return Err(FetchError::Token);
    }
    let value = HeaderValue::from_str(&format!("Bearer {token}"));
    let mut value = value.map_err(|_| FetchError::Token)?;
    value.set_sensitive(true);
    Ok(value)
}

async fn body(mut response: Response) -> Result<Vec<u8>, FetchError> {
    let mut body = Vec::new();
    loop {
        let chunk = response.chunk().await;
        let chunk = chunk.map_err(|error| FetchError::Request(error.without_url()))?;
        let Some(chunk) = chunk else {
            return Ok(body);
        };
        if body.len() + chunk.len() > MAXIMUM_SET_BYTES {
            return Err(FetchError::TooLarge);
        }
        body.extend_from_slice(&chunk);
    }
}

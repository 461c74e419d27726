//! Where the running service is that a command calls: options, or else environment variables.

use std::path::PathBuf;

use clap::Args;
use tonic::transport::{Certificate, ClientTlsConfig, Endpoint};

use super::usage::Usage;
use crate::app::{ADDRESS_VARIABLE, CA_FILE_VARIABLE};
use crate::settings::Environment;

/// Where the service listens if no setting says otherwise.
const DEFAULT_ADDRESS: &str = "127.0.0.1:50051";

/// The address of a service, and whose certificates it may have.
#[derive(Debug, Args)]
pub(super) struct Service {
    /// The address of the service: http:// or https://, host and port. Without http:// or https://
    /// TLS is used if there are certificates to check it with. Default: OPENLINES_ADDRESS, or
    /// 127.0.0.1:50051.
    #[arg(long, global = true, value_name = "URL")]
    address: Option<String>,
    /// Certificates in PEM that the service's own is checked with, in place of the system's.
    /// Default: the file that OPENLINES_CA_FILE names.
    #[arg(long, global = true, value_name = "FILE")]
    ca_file: Option<PathBuf>,
}

/// A place from which an address or a file was taken, for errors.
struct Given<T> {
    name: &'static str,
    value: T,
}

impl Service {
    /// The address for people, and the way to it. Nothing is called yet.
    pub(super) fn endpoint(self) -> Result<(String, Endpoint), Usage> {
        self.endpoint_in(&Environment::of_process())
    }

    fn endpoint_in(self, environment: &Environment) -> Result<(String, Endpoint), Usage> {
        let address = given("--address", self.address, ADDRESS_VARIABLE, environment)?;
        let address = address.unwrap_or(Given {
            name: "--address",
            value: DEFAULT_ADDRESS.to_owned(),
        });
        let file = self.ca_file.map(|file| file.display().to_string());
        let is_option = file.is_some();
        let file = given("--ca-file", file, CA_FILE_VARIABLE, environment)?;
        let (secure, url) = match address.value.split_once("://") {
            Some(("https", _)) => (true, address.value.clone()),
            Some(("http", _)) => (false, address.value.clone()),
            Some(_) => return Err(no_address(address.name)),
            None if file.is_some() => (true, format!("https://{}", address.value)),
            None => (false, format!("http://{}", address.value)),
        };
        let endpoint = Endpoint::from_shared(url.clone()).map_err(|_| no_address(address.name))?;
        if endpoint.uri().host().is_none_or(str::is_empty) {
            return Err(no_address(address.name));
        }
        if !secure {
            if is_option {
                let problem = "--ca-file is for https://, and the address is http://";
                return Err(Usage(problem.to_owned()));
            }
            return Ok((url, endpoint));
        }
        let tls = match &file {
            None => ClientTlsConfig::new().with_native_roots(),
            Some(file) => {
                let (name, file) = (file.name, &file.value);
                let pem = std::fs::read(file).map_err(|error| {
                    Usage(format!("{name} {file}: cannot be read ({})", error.kind()))
                })?;
                ClientTlsConfig::new().ca_certificate(Certificate::from_pem(pem))
            }
        };
        let endpoint = endpoint.tls_config(tls).map_err(|error| {
            let name = file.map_or(address.name, |file| file.name);
            Usage(format!("{name}: {}", crate::telemetry::chain(&error)))
        })?;
        Ok((url, endpoint))
    }
}

/// An option, or else a variable.
fn given(
    option: &'static str,
    value: Option<String>,
    variable: &'static str,
    environment: &Environment,
) -> Result<Option<Given<String>>, Usage> {
    if let Some(value) = value {
        return Ok(Some(Given {
            name: option,
            value,
        }));
    }
    let value = environment.get(variable).transpose();
    let value = value.map_err(|_| Usage(format!("{variable} is not Unicode text")))?;
    Ok(value.filter(|value| !value.is_empty()).map(|value| Given {
        name: variable,
        value: value.to_owned(),
    }))
}

fn no_address(name: &str) -> Usage {
    Usage(format!(
        "{name} is not an address; give it as http://HOST:PORT or https://HOST:PORT"
    ))
}

#[cfg(test)]
mod tests {
    use super::Service;
    use crate::settings::Environment;

    fn url(address: Option<&str>, ca: Option<&str>, variables: &[(&str, &str)]) -> String {
        let variables = variables.iter();
        let variables = variables.map(|(name, value)| ((*name).to_owned(), (*value).to_owned()));
        let service = Service {
            address: address.map(str::to_owned),
            ca_file: ca.map(Into::into),
        };
        match service.endpoint_in(&Environment::from_iter(variables)) {
            Ok((url, endpoint)) => {
                assert_eq!(endpoint.uri().to_string().trim_end_matches('/'), url);
                url
            }
            Err(usage) => usage.to_string(),
        }
    }

    #[test]
    fn an_option_wins_over_the_variable_and_the_variable_over_the_default() {
        let variable = [("OPENLINES_ADDRESS", "http://b.example:1")];
        assert_eq!(url(None, None, &[]), "http://127.0.0.1:50051");
        assert_eq!(url(None, None, &variable), "http://b.example:1");
        assert_eq!(
            url(Some("a.example:2"), None, &variable),
            "http://a.example:2"
        );
        let empty = [("OPENLINES_ADDRESS", ""), ("OPENLINES_CA_FILE", "")];
        assert_eq!(url(None, None, &empty), "http://127.0.0.1:50051");
    }

    #[test]
    fn tls_is_used_for_https_and_if_there_are_certificates_to_check_it_with() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("ca.pem");
        std::fs::write(&file, "").unwrap();
        let file = file.to_str().unwrap();
        assert_eq!(url(Some("https://a:1"), None, &[]), "https://a:1");
        assert_eq!(url(Some("a:1"), Some(file), &[]), "https://a:1");
        let variable = [("OPENLINES_CA_FILE", file)];
        assert_eq!(url(Some("a:1"), None, &variable), "https://a:1");
        // A variable for all services must not keep one from being called on loopback.
        assert_eq!(url(Some("http://a:1"), None, &variable), "http://a:1");
        let refused = url(Some("http://a:1"), Some(file), &[]);
        assert!(refused.contains("--ca-file is for https://"), "{refused}");
    }

    #[test]
    fn what_is_not_an_address_or_a_file_is_named_by_where_it_was_given() {
        for wrong in ["", "ftp://a:1", "http://", "a b"] {
            let refused = url(Some(wrong), None, &[]);
            assert!(
                refused.starts_with("--address is not an address"),
                "{wrong}: {refused}"
            );
        }
        let refused = url(None, None, &[("OPENLINES_ADDRESS", "ftp://a")]);
        assert!(
            refused.starts_with("OPENLINES_ADDRESS is not an address"),
            "{refused}"
        );
        let missing = [("OPENLINES_CA_FILE", "/none/ca.pem")];
        let refused = url(Some("https://a:1"), None, &missing);
        assert_eq!(
            refused,
            "OPENLINES_CA_FILE /none/ca.pem: cannot be read (entity not found)"
        );
    }
}

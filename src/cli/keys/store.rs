//! The store and keyring of a command: options, or else the service's environment variables.

use std::path::{Path, PathBuf};

use clap::Args;
use secrecy::{ExposeSecret, SecretString};
use thiserror::Error;

use crate::cli::Failure;
use crate::settings::Environment;
use crate::telemetry::chain;
use store::{Access, Keyring, Store, StoreUrl};

#[derive(Debug, Args)]
pub struct StoreArguments {
    /// The store: `sqlite:PATH` or `postgresql://…`. Other users of the machine can see arguments:
    /// if it has a password, use the file or the variable. Default: OPENLINES_STORE_URL or
    /// OPENLINES_STORE_URL_FILE.
    // clap would quote a text that the parser refuses, so it refuses none.
    #[arg(long, value_name = "URL", conflicts_with = "store_url_file", value_parser = secret)]
    store_url: Option<SecretString>,
    /// A file with the store's URL.
    #[arg(long, value_name = "FILE")]
    store_url_file: Option<PathBuf>,
    /// The keyring file. Default: OPENLINES_STORE_KEYRING_FILE, or the keys in
    /// OPENLINES_STORE_KEYRING.
    #[arg(long, value_name = "FILE")]
    keyring_file: Option<PathBuf>,
}

/// An option, a variable, or a file that one of them names is invalid. Quotes no secret.
#[derive(Debug, Error)]
#[error("{subject} {problem}")]
pub(in crate::cli) struct Misused {
    subject: String,
    problem: String,
}

/// A text with the name of its source, for errors.
struct Given {
    source: String,
    text: SecretString,
}

impl StoreArguments {
    /// Opens the store beside a running service.
    pub(super) async fn open(self) -> Result<(Store, Keyring), Failure> {
        let environment = Environment::of_process();
        let url = match (self.store_url, self.store_url_file) {
            (Some(text), _) => Some(Given {
                source: "--store-url".to_owned(),
                text,
            }),
            (None, Some(file)) => Some(content("--store-url-file", &file)?),
            (None, None) => from_environment(&environment, "OPENLINES_STORE_URL")?,
        };
        let url = url.ok_or_else(|| {
            misused(
                "the store",
                &"is not set: give --store-url-file or --store-url",
            )
        })?;
        let keyring = match self.keyring_file {
            Some(file) => Some(content("--keyring-file", &file)?),
            None => from_environment(&environment, "OPENLINES_STORE_KEYRING")?,
        };
        let keyring =
            keyring.ok_or_else(|| misused("the keyring", &"is not set: give --keyring-file"))?;

        let url = StoreUrl::parse(url.text.expose_secret().trim())
            .map_err(|error| misused(&url.source, &error))?;
        let keyring = Keyring::parse(keyring.text.expose_secret())
            .map_err(|error| misused(&format!("{}:", keyring.source), &chain(&error)))?;
        let store = Store::open(&url, keyring.clone(), Access::Maintenance).await?;
        Ok((store, keyring))
    }
}

/// The value of a variable, or the content of the file that `NAME_FILE` names.
fn from_environment(environment: &Environment, name: &str) -> Result<Option<Given>, Misused> {
    let value = |name: &str| {
        let value = environment.get(name).transpose();
        value.map_err(|_| misused(name, &"is not Unicode text"))
    };
    if let Some(text) = value(name)? {
        return Ok(Some(Given {
            source: name.to_owned(),
            text: text.into(),
        }));
    }
    let name = format!("{name}_FILE");
    let file = value(&name)?;
    file.map(|file| content(&name, Path::new(file))).transpose()
}

fn content(source: &str, file: &Path) -> Result<Given, Misused> {
    let source = format!("{source} ({})", file.display());
    match std::fs::read_to_string(file) {
        Ok(text) => Ok(Given {
            source,
            text: text.into(),
        }),
        Err(error) => Err(misused(
            &source,
            &format!("cannot be read: {}", error.kind()),
        )),
    }
}

fn misused(subject: &str, problem: &dyn std::fmt::Display) -> Misused {
    Misused {
        subject: subject.to_owned(),
        problem: problem.to_string(),
    }
}

fn secret(text: &str) -> Result<SecretString, std::convert::Infallible> {
    Ok(text.into())
}

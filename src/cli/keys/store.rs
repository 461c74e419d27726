//! Which store, and which keyring: the command line, or else the variables that the service reads too.

use std::path::{Path, PathBuf};

use clap::Args;
use secrecy::{ExposeSecret, SecretString};
use thiserror::Error;

use crate::cli::Failure;
use crate::settings::Environment;
use crate::telemetry::chain;
use store::{Access, Keyring, Store, StoreUrl};

/// Which store, and which keyring.
#[derive(Debug, Args)]
pub struct StoreArguments {
    /// The store: `sqlite:PATH` or `postgresql://…`. Other users of the machine can read it: with a password in it, use
    /// the file or the variable. Without both options OPENLINES_STORE_URL or OPENLINES_STORE_URL_FILE counts.
    // The parser would quote a text that it refuses, so it refuses none.
    #[arg(long, value_name = "URL", conflicts_with = "store_url_file", value_parser = secret)]
    store_url: Option<SecretString>,
    /// A file with the URL of the store.
    #[arg(long, value_name = "FILE")]
    store_url_file: Option<PathBuf>,
    /// The keyring file. Without it OPENLINES_STORE_KEYRING_FILE or the keys in OPENLINES_STORE_KEYRING count.
    #[arg(long, value_name = "FILE")]
    keyring_file: Option<PathBuf>,
}

/// The command line, a variable, or a file that one of them names is wrong. Quotes no secret.
#[derive(Debug, Error)]
#[error("{subject} {problem}")]
pub(in crate::cli) struct Misused {
    subject: String,
    problem: String,
}

/// A text from one of the sources, and the name of that source for complaints.
struct Given {
    source: String,
    text: SecretString,
}

impl StoreArguments {
    /// Opens the store beside the service that may run on it.
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
                &"is not named: give --store-url-file or --store-url",
            )
        })?;
        let keyring = match self.keyring_file {
            Some(file) => Some(content("--keyring-file", &file)?),
            None => from_environment(&environment, "OPENLINES_STORE_KEYRING")?,
        };
        let keyring =
            keyring.ok_or_else(|| misused("the keyring", &"is not named: give --keyring-file"))?;

        let url = StoreUrl::parse(url.text.expose_secret().trim())
            .map_err(|error| misused(&url.source, &error))?;
        let keyring = Keyring::parse(keyring.text.expose_secret())
            .map_err(|error| misused(&format!("{}:", keyring.source), &chain(&error)))?;
        let store = Store::open(&url, keyring.clone(), Access::Maintenance).await?;
        Ok((store, keyring))
    }
}

/// A variable, or the content of the file that its sister with `_FILE` names.
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

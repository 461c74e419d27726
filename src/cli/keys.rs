//! `openlines keys`: API keys and sealing keys.

mod reseal;
mod sealing;
mod sealing_keys;
mod store;

use std::io::{self, Write};

use clap::{Args, Subcommand};
use thiserror::Error;

use super::Failure;
use crate::auth::{CallerName, GrantedTo, Grants, NewKey};
pub(super) use store::Misused;
pub use store::StoreArguments;

#[derive(Debug, Subcommand)]
pub enum Command {
    /// Generate an API key for a caller and print it once, with its entry for the settings.
    New(NewArguments),
    /// Generate a sealing key for the store and print it once, with instructions.
    NewSealingKey,
    /// Show how many secrets each key seals, and which keys may be removed from the keyring.
    SealingKeys(StoreArguments),
    /// Re-seal secrets that older keys sealed with the first key of the keyring; safe while the
    /// service runs.
    Reseal(StoreArguments),
}

#[derive(Debug, Args)]
pub struct NewArguments {
    /// The caller's name in settings and logs.
    #[arg(long, value_name = "NAME", default_value = "my-service")]
    caller: CallerName,
    /// A tenant that the caller may act for, or `*` for all; may be given several times.
    #[arg(long = "tenant", value_name = "TENANT", required = true, value_parser = granted_to)]
    tenants: Vec<GrantedTo>,
}

/// clap shows only the text of an error, so it includes the source.
fn granted_to(text: &str) -> Result<GrantedTo, String> {
    GrantedTo::parse(text).map_err(|error| match std::error::Error::source(&error) {
        Some(source) => format!("{error}: {source}"),
        None => error.to_string(),
    })
}

pub(super) async fn run(command: Command) -> Result<(), Failure> {
    let mut output = io::stdout();
    match command {
        Command::New(NewArguments { caller, tenants }) => {
            let grants = tenants.into_iter().collect();
            new(&caller, &grants, &mut output)?;
        }
        Command::NewSealingKey => sealing::new(&mut output)?,
        Command::SealingKeys(arguments) => sealing_keys::show(arguments, &mut output).await?,
        Command::Reseal(arguments) => reseal::reseal(arguments, &mut output).await?,
    }
    Ok(())
}

#[derive(Debug, Error)]
pub enum Error {
    #[error("cannot generate a key: the operating system has no random numbers")]
    Random(#[from] rand::rngs::SysError),
    /// The key is lost; generate another one.
    #[error("cannot print the key")]
    Output(#[from] io::Error),
}

/// `openlines keys new`: prints a new key, its entry, and settings to paste.
pub fn new(caller: &CallerName, grants: &Grants, output: &mut impl Write) -> Result<(), Error> {
    let key = NewKey::generate()?;
    let entry = key.entry();
    write!(
        output,
        "API key, shown only once; give it to the caller:\n\
         \n    {key}\n\n\
         Its entry for the settings, not secret:\n\
         \n    {entry}\n\n\
         The caller in the settings file:\n\
         \n\
         auth:\n\
         \x20 callers:\n\
         \x20   - name: \"{caller}\"\n\
         \x20     tenants: {grants}\n\
         \x20     keys: [\"{entry}\"]\n",
        key = key.expose(),
    )?;
    output.flush()?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::new;
    use crate::app::Config;
    use crate::auth::{CallerName, Callers, Grants, Presented};
    use crate::settings::Environment;
    use bitrix24::TenantId;
    use http::{HeaderMap, header};
    use secrecy::ExposeSecret;
    use store::sealing::Key;

    #[test]
    fn the_printed_key_is_accepted_with_the_printed_settings() {
        let mut output = Vec::new();
        let grants = Grants::only([TenantId::parse("acme").unwrap()]);
        new(&CallerName::parse("shop").unwrap(), &grants, &mut output).unwrap();
        let output = String::from_utf8(output).unwrap();

        let folder = tempfile::tempdir().unwrap();
        let tenants = folder.path().join("tenants.yaml");
        std::fs::write(&tenants, "tenants: []\n").unwrap();
        let settings = folder.path().join("settings.yaml");
        std::fs::write(&settings, &output[output.find("auth:").unwrap()..]).unwrap();
        let sealing_key = Key::generate().unwrap().expose();
        let environment = Environment::from_iter([
            (
                "OPENLINES_TENANTS_FILE".to_owned(),
                tenants.to_str().unwrap().to_owned(),
            ),
            (
                "OPENLINES_STORE_KEYRING".to_owned(),
                sealing_key.expose_secret().to_owned(),
            ),
        ]);
        let config = Config::load(Some(&settings), &environment).unwrap();

        let key = output
            .split_whitespace()
            .find(|word| word.starts_with("b24f_"))
            .unwrap();
        let callers = Callers::new(&config.auth);
        let mut headers = HeaderMap::new();
        let bearer = format!("Bearer {key}").parse().unwrap();
        headers.insert(header::AUTHORIZATION, bearer);
        let (headers, peer) = (&headers, None);
        let presented = Presented { headers, peer };
        let caller = callers.authenticate(&presented).unwrap();
        assert_eq!(caller.name(), "shop");
    }

    #[test]
    fn an_output_that_is_closed_is_an_error() {
        let mut full: &mut [u8] = &mut [0; 8];
        let caller = CallerName::parse("shop").unwrap();
        assert!(new(&caller, &Grants::Every, &mut full).is_err());
    }
}

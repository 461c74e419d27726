//! `openlines keys`: keys for callers, and keys that seal the store.

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

/// What can be done with keys.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Make an API key for a caller and print it once, with its entry for the settings.
    New(NewArguments),
    /// Make a key that seals the secrets in the store, and print it once, with how to use it.
    NewSealingKey,
    /// Show which keys seal how much in the store, and which may be removed from the keyring.
    SealingKeys(StoreArguments),
    /// Seal with the first key of the keyring what other keys seal, beside the running service.
    Reseal(StoreArguments),
}

/// For whom a key is made.
#[derive(Debug, Args)]
pub struct NewArguments {
    /// The caller's name in settings and logs.
    #[arg(long, value_name = "NAME", default_value = "my-service")]
    caller: CallerName,
    /// A tenant that the caller may act for, or `*` for all; may be given several times.
    #[arg(long = "tenant", value_name = "TENANT", required = true, value_parser = granted_to)]
    tenants: Vec<GrantedTo>,
}

/// The error of the argument parser has no room for a source: the text holds both.
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

/// Why no key was printed.
#[derive(Debug, Error)]
pub enum Error {
    /// The operating system gave no random numbers.
    #[error("no key was made, because the operating system gave no random numbers")]
    Random(#[from] rand::rngs::SysError),
    /// The output does not take what is written. The key is lost, make another one.
    #[error("the key could not be written out")]
    Output(#[from] io::Error),
}

/// `openlines keys new`: makes a key and writes it, its entry for the settings, and a piece of
/// settings to paste.
///
/// # Errors
///
/// No random numbers, or an output that does not take the text.
pub fn new(caller: &CallerName, grants: &Grants, output: &mut impl Write) -> Result<(), Error> {
    let key = NewKey::generate()?;
    let entry = key.entry();
    write!(
        output,
        "API key, shown only this once; give it to the caller:\n\
         \n    {key}\n\n\
         Its entry for the settings, no secret:\n\
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
    use crate::auth::{CallerName, Callers, Grants};
    use crate::settings::Environment;
    use bitrix24::TenantId;
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
        let caller = callers.authenticate([format!("Bearer {key}")]).unwrap();
        assert_eq!(caller.name(), "shop");
    }

    #[test]
    fn an_output_that_is_closed_is_an_error() {
        let mut full: &mut [u8] = &mut [0; 8];
        let caller = CallerName::parse("shop").unwrap();
        assert!(new(&caller, &Grants::Every, &mut full).is_err());
    }
}

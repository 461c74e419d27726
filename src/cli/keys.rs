//! `openlines keys`: API keys and sealing keys.

mod check;
mod reseal;
mod sealing;
mod sealing_keys;
mod store;

use std::io::{self, Read, Write};
use std::path::PathBuf;

use clap::{Args, Subcommand};
use secrecy::{ExposeSecret, SecretString};
use thiserror::Error;

use super::Failure;
use crate::auth::{CallerName, GrantedTo, Grants, KeyEntry, Methods, Moment, NewKey};
pub(super) use store::Misused;
pub use store::StoreArguments;

#[derive(Debug, Subcommand)]
pub enum Command {
    /// Generate an API key for a caller and print it once, with its entry for the settings.
    New(NewArguments),
    /// Read an API key from standard input, and print its entry for the settings.
    Hash,
    /// Check a callers file, and list its callers with their credentials.
    Check(CheckArguments),
    /// Generate a sealing key for the store and print it once, with instructions.
    NewSealingKey,
    /// Show how many secrets each key seals, and which keys may be removed from the keyring.
    SealingKeys(StoreArguments),
    /// Re-seal secrets that older keys sealed with the first key of the keyring; safe while the
    /// service runs.
    Reseal(ResealArguments),
}

#[derive(Debug, Args)]
pub struct NewArguments {
    /// The caller's name in settings and logs.
    #[arg(long, value_name = "NAME", default_value = "my-service")]
    caller: CallerName,
    /// A tenant that the caller may act for, or `*` for all; may be given several times.
    #[arg(long = "tenant", value_name = "TENANT", required = true, value_parser = granted_to)]
    tenants: Vec<GrantedTo>,
    /// A method that the caller may call, like `SendCrmMessage`; may be given several times. All if
    /// left out.
    #[arg(long = "method", value_name = "METHOD", value_parser = Methods::named)]
    methods: Vec<&'static str>,
    /// From when on the key is refused: a date, or a time with its offset. Never if left out.
    #[arg(long, value_name = "DATE", value_parser = Moment::parse)]
    expires: Option<Moment>,
}

#[derive(Debug, Args)]
pub struct ResealArguments {
    #[command(flatten)]
    store: StoreArguments,
    /// How long to wait for running services that lack the first key, in seconds. They apply a
    /// changed keyring file within a few.
    #[arg(long, value_name = "SECONDS", default_value_t = 15, value_parser = clap::value_parser!(u64).range(0..=3600))]
    wait: u64,
}

#[derive(Debug, Args)]
pub struct CheckArguments {
    /// The callers file.
    #[arg(value_name = "FILE")]
    file: PathBuf,
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
        Command::New(arguments) => new(arguments, &mut output)?,
        Command::Hash => hash(io::stdin(), &mut output)?,
        Command::Check(CheckArguments { file }) => check::check(file, &mut output)?,
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
    #[error("cannot read the key from standard input")]
    Input(#[source] io::Error),
    #[error("standard input does not hold one API key, as `openlines keys new` prints it")]
    NotAKey,
}

/// `openlines keys new`: prints a new key, its entry, and settings to paste.
fn new(arguments: NewArguments, output: &mut impl Write) -> Result<(), Error> {
    let NewArguments {
        caller,
        tenants,
        methods,
        expires,
    } = arguments;
    let grants: Grants = tenants.into_iter().collect();
    let key = NewKey::generate()?;
    let entry = key.entry();
    let methods = if methods.is_empty() {
        String::new()
    } else {
        format!("\x20     methods: {}\n", Methods::Only(methods))
    };
    let listed = match expires {
        None => format!("\"{entry}\""),
        Some(moment) => format!("{{entry: \"{entry}\", expires: \"{moment}\"}}"),
    };
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
         {methods}\
         \x20     keys: [{listed}]\n",
        key = key.expose(),
    )?;
    output.flush()?;
    Ok(())
}

/// Longest input that is read, in bytes. A key has 70 characters.
const MAXIMUM_INPUT: u64 = 1024;

/// `openlines keys hash`: prints the entry of a key that already exists.
fn hash(input: impl Read, output: &mut impl Write) -> Result<(), Error> {
    let mut text = String::new();
    let mut input = input.take(MAXIMUM_INPUT);
    input.read_to_string(&mut text).map_err(Error::Input)?;
    let text = SecretString::from(text);
    let entry = KeyEntry::of(text.expose_secret().trim()).ok_or(Error::NotAKey)?;
    writeln!(output, "{entry}")?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::{Error, NewArguments, hash, new};
    use crate::app::Config;
    use crate::auth::{CallerName, Callers, GrantedTo, Methods, Moment, NewKey, Presented};
    use crate::settings::Environment;
    use http::{HeaderMap, header};
    use secrecy::ExposeSecret;
    use store::sealing::Key;

    fn arguments() -> NewArguments {
        NewArguments {
            caller: CallerName::parse("shop").unwrap(),
            tenants: vec![GrantedTo::parse("acme").unwrap()],
            methods: vec![Methods::named("SendCrmMessage").unwrap()],
            expires: Some(Moment::parse("2126-01-31").unwrap()),
        }
    }

    #[test]
    fn the_printed_key_is_accepted_with_the_printed_settings() {
        let mut output = Vec::new();
        new(arguments(), &mut output).unwrap();
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
        assert!(caller.permit("SendCrmMessage").is_some());
        assert!(caller.permit("SendNetworkMessage").is_none());
    }

    #[test]
    fn the_entry_of_an_old_key_is_the_one_it_was_made_with() {
        let key = NewKey::generate().unwrap();
        let mut output = Vec::new();
        hash(format!("{}\n", key.expose()).as_bytes(), &mut output).unwrap();
        let output = String::from_utf8(output).unwrap();
        assert_eq!(output, format!("{}\n", key.entry()));
        for text in ["", "nonsense", &key.entry().to_string()] {
            let refused = hash(text.as_bytes(), &mut Vec::new()).unwrap_err();
            assert!(matches!(refused, Error::NotAKey), "{text}");
        }
    }

    #[test]
    fn an_output_that_is_closed_is_an_error() {
        let mut full: &mut [u8] = &mut [0; 8];
        assert!(new(arguments(), &mut full).is_err());
    }
}

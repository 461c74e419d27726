//! Reads secrets of the tenants file and of the settings from their sources.

use std::collections::BTreeSet;
use std::path::Path;

use secrecy::{ExposeSecret, SecretString};
use serde_json::Value;

use crate::settings::schema::{exactly_one, fields, text};
use crate::settings::{Environment, Exposure, Node, SettingErrors};

/// Longest secret, in bytes; real ones have less than a hundred.
const MAXIMUM_BYTES: usize = 4096;

/// The characters that a secret may have.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Alphabet {
    /// ASCII letters and digits, so that it cannot change the path of a URL.
    LettersAndDigits,
    /// Visible ASCII characters, because the form of tokens is not documented.
    Visible,
}

const SOURCES: [&str; 3] = ["environment", "file", "inline"];

/// The JSON Schema of a secret.
pub(crate) fn schema() -> Value {
    let given = text("^[\\s\\S]");
    let sources = SOURCES.map(|source| (source, given.clone()));
    exactly_one(fields(&sources, &[]), &SOURCES)
}

/// Reads a secret from its one source. Collects the names of environment variables.
pub(crate) fn read(
    node: &Node<'_>,
    alphabet: Alphabet,
    environment: &Environment,
    variables: &mut BTreeSet<String>,
    errors: &mut SettingErrors,
) -> Option<SecretString> {
    let (source, place) = node
        .fields(&SOURCES, errors)?
        .exactly_one(&SOURCES, errors)?;
    let text = place.text(errors)?;
    let secret = match source {
        "environment" => {
            variables.insert(text.to_owned());
            from_environment(&place, text, environment, errors)
        }
        "file" => from_file(&place, text, environment, errors),
        _ => Some(SecretString::from(text)),
    }?;
    match alphabet.problem(secret.expose_secret()) {
        None => Some(secret),
        Some(problem) => {
            errors.push(place.error(problem, alphabet.remedy()));
            None
        }
    }
}

fn from_environment(
    place: &Node<'_>,
    name: &str,
    environment: &Environment,
    errors: &mut SettingErrors,
) -> Option<SecretString> {
    match environment.get(name) {
        Some(Ok(value)) => Some(SecretString::from(value)),
        // A value that is not Unicode breaks the alphabet like any other value outside ASCII.
        Some(Err(_)) => Some(SecretString::from(char::REPLACEMENT_CHARACTER.to_string())),
        None => {
            let problem = if is_variable_name(name) {
                format!("names the environment variable {name}, which is not set")
            } else {
                "names an environment variable that is not set".to_owned()
            };
            errors.push(place.error(problem, "set the variable, or name another source"));
            None
        }
    }
}

/// Reads a file without the line ends after the secret, which most editors write.
fn from_file(
    place: &Node<'_>,
    path: &str,
    environment: &Environment,
    errors: &mut SettingErrors,
) -> Option<SecretString> {
    if !environment.allows_world_readable()
        && let Some(exposure) = Exposure::of(Path::new(path))
    {
        let problem = format!("names a file that holds a secret, {}", exposure.problem());
        errors.push(place.error(problem, Exposure::remedy()));
        return None;
    }
    match std::fs::read_to_string(path).map(SecretString::from) {
        Ok(text) => Some(SecretString::from(
            text.expose_secret().trim_end_matches(['\r', '\n']),
        )),
        Err(error) => {
            let file = if is_path(path) {
                format!("the file {path}")
            } else {
                "a file".to_owned()
            };
            let problem = format!("names {file}, which cannot be read ({})", error.kind());
            errors.push(place.error(problem, "check the path and the permissions"));
            None
        }
    }
}

/// Whether the text may be quoted: a variable's name, not a secret by mistake.
fn is_variable_name(text: &str) -> bool {
    text.bytes()
        .all(|byte| byte.is_ascii_uppercase() || byte.is_ascii_digit() || byte == b'_')
}

/// Whether the text may be quoted: a path, not a secret by mistake, because no secret of Bitrix24
/// has a slash.
fn is_path(text: &str) -> bool {
    text.contains('/') && !text.contains(char::is_control)
}

impl Alphabet {
    fn problem(self, secret: &str) -> Option<&'static str> {
        if secret.is_empty() {
            Some("is an empty secret")
        } else if secret.len() > MAXIMUM_BYTES {
            Some("is longer than any secret")
        } else if !secret.bytes().all(|byte| self.has(byte)) {
            Some("has characters that are not allowed in this secret")
        } else {
            None
        }
    }

    fn has(self, byte: u8) -> bool {
        match self {
            Self::LettersAndDigits => byte.is_ascii_alphanumeric(),
            Self::Visible => byte.is_ascii_graphic(),
        }
    }

    fn remedy(self) -> &'static str {
        match self {
            Self::LettersAndDigits => {
                "give only the secret from the webhook's URL (the part after the user's number), which is \
                 ASCII letters and digits"
            }
            Self::Visible => {
                "give the token alone, which is visible ASCII characters without spaces"
            }
        }
    }
}

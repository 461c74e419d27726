//! Takes settings one by one from environment, file and defaults, and gathers what is wrong.

use std::collections::BTreeSet;
use std::fmt;
use std::net::SocketAddr;
use std::path::PathBuf;

use secrecy::{ExposeSecret, SecretString};
use serde_json::Value;

use super::document::Document;
use super::environment::{Environment, NotUnicode};
use super::fault::{Fault, Faults};
use super::node::{self, Node};
use super::setting::{Form, Setting};
use super::unknown;

/// A setting with the value in force. Holds no secret.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Effective {
    /// The setting's path.
    pub path: &'static str,
    /// The value as text; empty if the setting is absent.
    pub value: String,
    /// Where the value came from.
    pub origin: Origin,
}

/// Where a value came from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Origin {
    /// Nobody gave one.
    Default,
    /// The settings file.
    File,
    /// An environment variable.
    Environment,
}

/// One pass over all settings.
#[derive(Debug)]
pub(super) struct Reader<'a> {
    document: &'a Document,
    environment: &'a Environment,
    /// Variables that a tenants file names, and that are therefore no misspelt settings.
    pub(super) foreign_variables: BTreeSet<String>,
    pub(super) faults: Faults,
    effective: Vec<Effective>,
}

/// A value as it was given.
#[derive(Clone, Copy)]
enum Given<'a> {
    Text(&'a str),
    Tree(&'a Value),
}

impl<'a> Reader<'a> {
    pub(super) fn new(document: &'a Document, environment: &'a Environment) -> Self {
        Self {
            document,
            environment,
            foreign_variables: BTreeSet::new(),
            faults: Faults::default(),
            effective: Vec::new(),
        }
    }

    /// Adds the faults of names that mean nothing, and hands over what was gathered.
    pub(super) fn finish(mut self) -> (Vec<Effective>, Faults) {
        self.faults.extend(unknown::keys(self.document));
        self.faults.extend(unknown::variables(
            self.environment,
            &self.foreign_variables,
        ));
        (self.effective, self.faults)
    }

    /// Adds a fault about a setting whose value was well-formed.
    pub(super) fn refuse(&mut self, setting: &Setting, problem: &str, remedy: &str) {
        self.faults
            .push(Fault::new(setting.place(), problem, remedy));
    }

    pub(super) fn flag(&mut self, setting: &'static Setting) -> Option<bool> {
        self.required(setting, |given| match given {
            Given::Text(text) => text
                .parse()
                .map_err(|_| "is neither true nor false".to_owned()),
            Given::Tree(value) => value.as_bool().ok_or_else(|| wrong_kind(value)),
        })
    }

    /// Reads a whole number within the limits of the setting's form.
    pub(super) fn whole<Number: TryFrom<u64>>(
        &mut self,
        setting: &'static Setting,
    ) -> Option<Number> {
        self.required(setting, |given| {
            let number = match given {
                Given::Text(text) if text.bytes().all(|byte| byte.is_ascii_digit()) => {
                    text.parse().map_err(|_| "is too large".to_owned())?
                }
                Given::Text(_) => return Err("is not a whole number in digits only".to_owned()),
                Given::Tree(value) => value.as_u64().ok_or_else(|| wrong_kind(value))?,
            };
            if let Form::Whole {
                minimum, maximum, ..
            } = setting.form
            {
                if number < minimum {
                    return Err("is too small".to_owned());
                }
                if number > maximum {
                    return Err("is too large".to_owned());
                }
            }
            Number::try_from(number).map_err(|_| "is too large".to_owned())
        })
    }

    /// Reads one of the words of the setting's form, and gives what `meanings` says the word means.
    pub(super) fn word<Meaning: Copy>(
        &mut self,
        setting: &'static Setting,
        meanings: &[(&str, Meaning)],
    ) -> Option<Meaning> {
        self.required(setting, |given| {
            let word = text(given)?;
            let meaning = meanings.iter().find(|(known, _)| *known == word);
            meaning
                .map(|(_, meaning)| *meaning)
                .ok_or_else(|| "is an unknown word".to_owned())
        })
    }

    pub(super) fn socket_address(&mut self, setting: &'static Setting) -> Option<SocketAddr> {
        self.required(setting, |given| {
            text(given)?
                .parse()
                .map_err(|_| "is no IP address with a port".to_owned())
        })
    }

    /// `None` after a fault, `Some(None)` if there is none.
    pub(super) fn optional_socket_address(
        &mut self,
        setting: &'static Setting,
    ) -> Option<Option<SocketAddr>> {
        self.optional(setting, |given| {
            text(given)?
                .parse()
                .map_err(|_| "is no IP address with a port".to_owned())
        })
    }

    /// `None` after a fault, `Some(None)` if there is none.
    pub(super) fn http_address(&mut self, setting: &'static Setting) -> Option<Option<String>> {
        self.optional(setting, |given| {
            let address = text(given)?;
            let uri: http::Uri = address.parse().map_err(|_| "is no address".to_owned())?;
            match (uri.scheme_str(), uri.host()) {
                (Some("http" | "https"), Some(_)) => Ok(address.to_owned()),
                _ => Err("has no http:// or https:// and host".to_owned()),
            }
        })
    }

    /// Reads a text that `parse` understands; its error is the problem.
    pub(super) fn parsed<Parsed>(
        &mut self,
        setting: &'static Setting,
        parse: impl Fn(&str) -> Result<Parsed, String>,
    ) -> Option<Parsed> {
        self.required(setting, |given| parse(text(given)?))
    }

    /// Reads a list of texts that `parse` understands; every wrong entry is a fault of its own.
    pub(super) fn list<Parsed>(
        &mut self,
        setting: &'static Setting,
        parse: impl Fn(&str) -> Result<Parsed, String>,
    ) -> Option<Vec<Parsed>> {
        let mut problems = Vec::new();
        let list = self.required(setting, |given| {
            let mut list = Vec::new();
            for (index, entry) in entries(given)?.into_iter().enumerate() {
                match parse(entry) {
                    Ok(parsed) => list.push(parsed),
                    Err(problem) => problems.push(format!("entry {} {problem}", index + 1)),
                }
            }
            Ok(list)
        });
        for problem in &problems {
            self.refuse(setting, problem, "");
        }
        list.filter(|_| problems.is_empty())
    }

    /// Reads the path of a file, which must be there; `Some(None)` if none was given.
    pub(super) fn file(&mut self, setting: &'static Setting) -> Option<Option<PathBuf>> {
        self.optional(setting, |given| {
            let path = PathBuf::from(text(given)?);
            match std::fs::File::open(&path).and_then(|file| file.metadata()) {
                Ok(found) if found.is_dir() => Err("names a folder".to_owned()),
                Ok(_) => Ok(path),
                Err(error) => Err(format!(
                    "names a file that cannot be read ({})",
                    error.kind()
                )),
            }
        })
    }

    /// Reads a text that is a secret: its value is not recorded. `Some(None)` if none was given.
    pub(super) fn secret<Parsed>(
        &mut self,
        setting: &'static Setting,
        parse: impl Fn(&str) -> Result<Parsed, String>,
    ) -> Option<Option<Parsed>> {
        let parsed = self.optional(setting, |given| parse(text(given)?));
        for effective in &mut self.effective {
            if effective.path == setting.path && effective.origin != Origin::Default {
                effective.value = "(secret)".to_owned();
            }
        }
        parsed
    }

    /// Reads a secret out of the file that the setting names, and says which file it is. `Some(None)` if none was given.
    pub(super) fn secret_file<Parsed>(
        &mut self,
        setting: &'static Setting,
        parse: impl Fn(&str) -> Result<Parsed, String>,
    ) -> Option<Option<(Parsed, PathBuf)>> {
        let Some(path) = self.file(setting)? else {
            return Some(None);
        };
        let parsed = match std::fs::read_to_string(&path).map(SecretString::from) {
            Ok(text) => parse(text.expose_secret().trim()),
            Err(error) => Err(format!("cannot be read ({})", error.kind())),
        };
        match parsed {
            Ok(parsed) => Some(Some((parsed, path))),
            Err(problem) => {
                self.refuse(
                    setting,
                    &format!("names a file whose content {problem}"),
                    "",
                );
                None
            }
        }
    }

    /// Takes a setting that is a structure of its own, if the file has it.
    pub(super) fn structure(&self, setting: &'static Setting) -> Option<Node<'a>> {
        let value = lookup(self.document.value(), setting.path)?;
        Some(Node::at(setting.path, value, self.document.name()))
    }

    /// Records the value in force of a setting that was read as a structure.
    pub(super) fn record(&mut self, setting: &'static Setting, value: String, origin: Origin) {
        self.effective.push(Effective {
            path: setting.path,
            value,
            origin,
        });
    }

    fn required<Parsed>(
        &mut self,
        setting: &'static Setting,
        parse: impl FnOnce(Given<'_>) -> Result<Parsed, String>,
    ) -> Option<Parsed> {
        let parsed = self.optional(setting, parse)?;
        if parsed.is_none() {
            self.refuse(setting, "is missing", &format!("give {}", setting.form));
        }
        parsed
    }

    /// `None` after a fault, `Some(None)` if there is neither a value nor a default.
    fn optional<Parsed>(
        &mut self,
        setting: &'static Setting,
        parse: impl FnOnce(Given<'_>) -> Result<Parsed, String>,
    ) -> Option<Option<Parsed>> {
        let (given, origin) = match self.given(setting) {
            Ok(Some(given)) => given,
            Ok(None) => {
                self.record(setting, String::new(), Origin::Default);
                return Some(None);
            }
            Err(NotUnicode) => {
                let remedy = format!("give {}", setting.form);
                self.refuse(
                    setting,
                    "the value from the environment is not Unicode text",
                    &remedy,
                );
                return None;
            }
        };
        match parse(given) {
            Ok(parsed) => {
                self.record(setting, given.to_string(), origin);
                Some(Some(parsed))
            }
            Err(problem) => {
                let problem = format!("the value from {origin} {problem}");
                self.refuse(setting, &problem, &format!("give {}", setting.form));
                None
            }
        }
    }

    fn given(&self, setting: &'static Setting) -> Result<Option<(Given<'a>, Origin)>, NotUnicode> {
        let variable = setting.variable();
        if let Some(text) = variable.and_then(|name| self.environment.get(&name)) {
            return Ok(Some((Given::Text(text?), Origin::Environment)));
        }
        if let Some(value) = lookup(self.document.value(), setting.path) {
            return Ok(Some((Given::Tree(value), Origin::File)));
        }
        Ok(setting
            .default
            .map(|text| (Given::Text(text), Origin::Default)))
    }
}

impl fmt::Display for Given<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Text(text) => f.write_str(text),
            Self::Tree(Value::String(text)) => f.write_str(text),
            Self::Tree(Value::Array(items)) => {
                let items: Vec<String> = items
                    .iter()
                    .map(|item| Given::Tree(item).to_string())
                    .collect();
                f.write_str(&items.join(","))
            }
            Self::Tree(value) => value.fmt(f),
        }
    }
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Default => "the default",
            Self::File => "the file",
            Self::Environment => "the environment",
        })
    }
}

fn lookup<'v>(tree: &'v Value, path: &str) -> Option<&'v Value> {
    path.split('.').try_fold(tree, |value, key| value.get(key))
}

fn text(given: Given<'_>) -> Result<&str, String> {
    let text = match given {
        Given::Text(text) => text,
        Given::Tree(value) => value.as_str().ok_or_else(|| wrong_kind(value))?,
    };
    if text.is_empty() {
        Err("is empty".to_owned())
    } else {
        Ok(text)
    }
}

/// The entries of a list; in the environment they are separated by commas, and an empty text is an
/// empty list.
fn entries(given: Given<'_>) -> Result<Vec<&str>, String> {
    match given {
        Given::Text(text) if text.trim().is_empty() => Ok(Vec::new()),
        Given::Text(text) => Ok(text.split(',').map(str::trim).collect()),
        Given::Tree(value) => {
            let items = value.as_array().ok_or_else(|| wrong_kind(value))?;
            let texts: Option<Vec<&str>> = items.iter().map(Value::as_str).collect();
            texts.ok_or_else(|| "has an entry that is not a text".to_owned())
        }
    }
}

fn wrong_kind(value: &Value) -> String {
    format!("is {}", node::kind(value))
}

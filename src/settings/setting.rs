//! A setting as it is documented, and its value in force.

use std::fmt;

use serde_json::Value;

use super::VARIABLE_PREFIX;

/// A setting, as error messages and docs/settings.md describe it.
#[derive(Clone, Debug)]
pub struct Setting {
    /// Its place in the settings file, for example `server.listen`.
    pub path: &'static str,
    /// The environment variable that overrides it; none for a structure.
    pub variable: Option<String>,
    /// The default, written as in an environment variable.
    pub default: Option<&'static str>,
    /// Which values are allowed, to follow "give".
    pub allowed: String,
    /// The same for editors, as far as JSON Schema can say it.
    pub schema: Value,
    /// Whether the default is a list.
    pub list: bool,
    /// The effect of the setting, in Markdown.
    pub meaning: &'static str,
}

/// A setting with the value in force. Secrets are masked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Effective {
    /// The setting's path.
    pub path: &'static str,
    /// The value as text; empty if the setting has none.
    pub value: String,
    /// The source of the value.
    pub origin: Origin,
}

/// The source of a value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Origin {
    /// Neither file nor environment gives one.
    Default,
    File,
    /// An environment variable.
    Environment,
}

impl Setting {
    /// The first part of its path.
    #[cfg(test)]
    pub(super) fn section(&self) -> &'static str {
        self.path.split('.').next().unwrap_or(self.path)
    }

    /// Its name in errors.
    pub(super) fn place(&self) -> String {
        match &self.variable {
            Some(variable) => format!("{} ({variable})", self.path),
            None => self.path.to_owned(),
        }
    }
}

/// The environment variable of the setting at `path`.
pub(super) fn variable(path: &str) -> String {
    let name = path.to_ascii_uppercase().replace('.', "_");
    format!("{VARIABLE_PREFIX}{name}")
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

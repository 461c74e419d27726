//! What there is to say about a setting before its value is known.

use std::fmt;

use super::VARIABLE_PREFIX;

/// A setting: the one source for reading it, for faults about it and for its documentation.
#[derive(Debug)]
pub struct Setting {
    /// Its place in the settings file, for example `server.listen`.
    pub path: &'static str,
    /// Which values it takes.
    pub form: Form,
    /// The value it has if nobody gives one, as an environment variable would have it; none if it
    /// is then absent.
    pub default: Option<&'static str>,
    /// What it does, in a sentence or two of Markdown.
    pub meaning: &'static str,
}

/// Which values a setting takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    /// `true` or `false`.
    Flag,
    /// A whole number within limits, both included.
    Whole {
        /// The smallest value.
        minimum: u64,
        /// The largest value.
        maximum: u64,
        /// What is counted, in the plural.
        unit: &'static str,
    },
    /// One of these words.
    Word(&'static [&'static str]),
    /// An IP address and a port.
    SocketAddress,
    /// `http://` or `https://`, a host and a port.
    HttpAddress,
    /// The path of a file that exists.
    File,
    /// A filter of log events.
    LogFilter,
    /// A list of full DNS names.
    HostNames,
    /// A list of DNS suffixes of two labels or more.
    Suffixes,
    /// A list of callers, which has a form of its own.
    Callers,
    /// A list of applications, which has a form of its own.
    Applications,
    /// The address of a database. A secret: it may hold a password.
    StoreUrl,
    /// Sealing keys. A secret.
    Keyring,
    /// The host of an authorization server.
    AuthorizationServer,
}

impl Setting {
    /// The environment variable that overrides it; none for a structure that no variable can hold.
    pub fn variable(&self) -> Option<String> {
        let name = self.path.to_ascii_uppercase().replace('.', "_");
        (!matches!(self.form, Form::Callers | Form::Applications))
            .then(|| format!("{VARIABLE_PREFIX}{name}"))
    }

    /// The first part of its path.
    pub fn section(&self) -> &'static str {
        self.path.split('.').next().unwrap_or(self.path)
    }

    /// How faults name it.
    pub(super) fn place(&self) -> String {
        match self.variable() {
            Some(variable) => format!("{} ({variable})", self.path),
            None => self.path.to_owned(),
        }
    }
}

/// Writes the allowed values, to follow "give".
impl fmt::Display for Form {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Flag => f.write_str("`true` or `false`"),
            Self::Whole { minimum, maximum, unit } => {
                write!(f, "{minimum} to {maximum} {unit}")
            }
            Self::Word(words) => {
                let quoted: Vec<String> = words.iter().map(|word| format!("`{word}`")).collect();
                f.write_str(&quoted.join(" or "))
            }
            Self::SocketAddress => {
                f.write_str("an IP address and a port, like `127.0.0.1:50051` or `[::1]:50051`")
            }
            Self::HttpAddress => f.write_str("an address like `http://collector:4317`"),
            Self::File => f.write_str("the path of a readable file"),
            Self::LogFilter => {
                f.write_str("a filter, like `info` or `warn,bitrix24_openlines=debug`")
            }
            Self::HostNames => f.write_str(
                "full DNS names in lower case; separated by commas in the environment, a list in the file",
            ),
            Self::Suffixes => f.write_str(
                "DNS names of two labels or more, without a leading dot; separated by commas in the \
                 environment, a list in the file",
            ),
            Self::Callers => f.write_str("a list of callers"),
            Self::Applications => f.write_str("a list of applications"),
            Self::StoreUrl => {
                f.write_str("`sqlite:PATH` or `postgres://USER:PASSWORD@HOST/DATABASE`")
            }
            Self::Keyring => {
                f.write_str("keys from `openlines keys new-sealing-key`, separated by commas")
            }
            Self::AuthorizationServer => f.write_str(
                "one of `authorization.servers`, or `http://127.0.0.1:PORT` where \
                 `portals.dangerous_allow_insecure` is set",
            ),
        }
    }
}

//! How the value of a setting is written: which values are allowed, and how to parse them.

use std::fmt;
use std::net::SocketAddr;
use std::ops::RangeInclusive;
use std::path::PathBuf;
use std::time::Duration;

use secrecy::{ExposeSecret, SecretString};
use serde_json::{Value, json};

use super::node::kind;

/// A form of values that gives a `T`.
pub(crate) struct Form<T> {
    /// The allowed values, to follow "give".
    pub(super) allowed: String,
    /// The same for editors, as far as JSON Schema can say it.
    pub(super) schema: Value,
    pub(super) list: bool,
    pub(super) secret: bool,
    parse: Parse<T>,
}

type Parse<T> = Box<dyn Fn(Given<'_>) -> Result<T, Invalid>>;

/// A value as it was given.
#[derive(Clone, Copy)]
pub(super) enum Given<'a> {
    Text(&'a str),
    Tree(&'a Value),
}

/// Problems with a value, worded to follow its place. They never quote it.
pub(super) enum Invalid {
    /// The value breaks its form.
    Value(String),
    /// Each text is a complete error of its own, with its remedy.
    Parts(Vec<String>),
}

impl<T: 'static> Form<T> {
    fn new(
        allowed: impl Into<String>,
        schema: Value,
        parse: impl Fn(Given<'_>) -> Result<T, Invalid> + 'static,
    ) -> Self {
        Self {
            allowed: allowed.into(),
            schema,
            list: false,
            secret: false,
            parse: Box::new(parse),
        }
    }

    pub(super) fn parse(&self, given: Given<'_>) -> Result<T, Invalid> {
        (self.parse)(given)
    }

    /// The same form, with its value converted.
    pub(crate) fn map<U: 'static>(self, convert: impl Fn(T) -> U + 'static) -> Form<U> {
        Form {
            allowed: self.allowed,
            schema: self.schema,
            list: self.list,
            secret: self.secret,
            parse: Box::new(move |given| (self.parse)(given).map(&convert)),
        }
    }
}

/// `true` or `false`.
pub(crate) fn flag() -> Form<bool> {
    let schema = json!({"type": "boolean"});
    Form::new("`true` or `false`", schema, |given| match given {
        Given::Text(text) => text.parse().map_err(|_| "is neither true nor false".into()),
        Given::Tree(value) => value.as_bool().ok_or_else(|| wrong_kind(value)),
    })
}

/// A whole number in `range`; `unit` is a plural.
pub(crate) fn whole<Number: TryFrom<u64> + 'static>(
    range: RangeInclusive<u64>,
    unit: &str,
) -> Form<Number> {
    let allowed = format!("{} to {} {unit}", range.start(), range.end());
    let schema = json!({"type": "integer", "minimum": range.start(), "maximum": range.end()});
    Form::new(allowed, schema, move |given| {
        let number = match given {
            Given::Text(text) if text.bytes().all(|byte| byte.is_ascii_digit()) => {
                text.parse().map_err(|_| Invalid::from("is too large"))?
            }
            Given::Text(_) => return Err("is not a whole number in digits only".into()),
            Given::Tree(value) => value.as_u64().ok_or_else(|| wrong_kind(value))?,
        };
        if number < *range.start() {
            return Err("is too small".into());
        }
        if number > *range.end() {
            return Err("is too large".into());
        }
        Number::try_from(number).map_err(|_| "is too large".into())
    })
}

/// A time in seconds.
pub(crate) fn seconds(range: RangeInclusive<u64>) -> Form<Duration> {
    whole(range, "seconds").map(Duration::from_secs)
}

/// A time in hours.
pub(crate) fn hours(range: RangeInclusive<u64>) -> Form<Duration> {
    whole(range, "hours").map(Duration::from_hours)
}

/// One of these words, each with its value.
pub(crate) fn words<T: Copy + 'static>(words: &'static [(&'static str, T)]) -> Form<T> {
    let quoted: Vec<String> = words.iter().map(|(word, _)| format!("`{word}`")).collect();
    let schema = json!({"enum": words.iter().map(|(word, _)| word).collect::<Vec<_>>()});
    Form::new(quoted.join(" or "), schema, |given| {
        let given = as_text(given)?;
        let known = words.iter().find(|(word, _)| *word == given);
        known
            .map(|(_, value)| *value)
            .ok_or_else(|| "is an unknown word".into())
    })
}

/// An IP address and a port.
pub(crate) fn socket_address() -> Form<SocketAddr> {
    let allowed = "an IP address and a port, like `127.0.0.1:50051` or `[::1]:50051`";
    let schema =
        json!({"type": "string", "pattern": r"^(\d+\.\d+\.\d+\.\d+|\[[0-9a-fA-F:.]+\]):\d+$"});
    Form::new(allowed, schema, |given| {
        let parsed = as_text(given)?.parse();
        parsed.map_err(|_| "is not an IP address with a port".into())
    })
}

/// `http://` or `https://`, a host, and maybe a port.
pub(crate) fn http_address() -> Form<String> {
    let schema = json!({"type": "string", "pattern": "^https?://[^/]"});
    let allowed = "an address like `http://collector:4317`";
    Form::new(allowed, schema, |given| {
        let address = as_text(given)?;
        let uri: http::Uri = address
            .parse()
            .map_err(|_| Invalid::from("is not an address"))?;
        let authority = uri.authority().map_or("", http::uri::Authority::as_str);
        if authority.contains('@') {
            // The log at start has every address.
            return Err("has a user or a password".into());
        }
        match (uri.scheme_str(), uri.host()) {
            (Some("http" | "https"), Some(_)) => Ok(address.to_owned()),
            _ => Err("lacks http:// or https://, or a host".into()),
        }
    })
}

const FILE: &str = "the path of a readable file";

/// The path of a file that exists.
pub(crate) fn file() -> Form<PathBuf> {
    Form::new(FILE, some_text(), readable_file)
}

/// A text that `parse` understands. Its error is the problem.
pub(crate) fn text<T: 'static, Problem: fmt::Display>(
    allowed: &str,
    parse: impl Fn(&str) -> Result<T, Problem> + 'static,
) -> Form<T> {
    Form::new(allowed, some_text(), move |given| {
        parse(as_text(given)?).map_err(|problem| Invalid::Value(problem.to_string()))
    })
}

/// A list of texts that `parse` understands. Its error is problem and remedy of one entry.
pub(crate) fn list<T: 'static, Problem: fmt::Display>(
    entries_allowed: &str,
    parse: impl Fn(&str) -> Result<T, Problem> + 'static,
) -> Form<Vec<T>> {
    let allowed =
        format!("{entries_allowed}; separated by commas in the environment, a list in the file");
    let schema = json!({"type": "array", "items": some_text()});
    let form = Form::new(allowed, schema, move |given| {
        let mut problems = Vec::new();
        let mut list = Vec::new();
        for (index, entry) in (1_usize..).zip(entries(given)?) {
            match parse(entry) {
                Ok(parsed) => list.push(parsed),
                Err(problem) => problems.push(format!("entry {index} {problem}")),
            }
        }
        if problems.is_empty() {
            Ok(list)
        } else {
            Err(Invalid::Parts(problems))
        }
    });
    Form { list: true, ..form }
}

/// A text that is a secret: the value in force is masked.
pub(crate) fn secret<T: 'static, Problem: fmt::Display>(
    allowed: &str,
    parse: impl Fn(&str) -> Result<T, Problem> + 'static,
) -> Form<T> {
    Form {
        secret: true,
        ..text(allowed, parse)
    }
}

/// The path of a text file; gives path and content.
pub(crate) fn text_file<T: 'static, Problem: fmt::Display>(
    parse: impl Fn(&str) -> Result<T, Problem> + 'static,
) -> Form<(PathBuf, T)> {
    Form::new(FILE, some_text(), move |given| {
        let path = readable_file(given)?;
        let parsed = match std::fs::read_to_string(&path).map(SecretString::from) {
            Ok(text) => parse(text.expose_secret().trim()).map_err(|problem| problem.to_string()),
            Err(error) => Err(format!("cannot be read ({})", error.kind())),
        };
        match parsed {
            Ok(parsed) => Ok((path, parsed)),
            Err(problem) => {
                let problem = format!("names a file whose content {problem}");
                Err(Invalid::Parts(vec![problem]))
            }
        }
    })
}

/// The path of a file that holds a secret; gives path and secret.
pub(crate) fn secret_file<T: 'static, Problem: fmt::Display>(
    parse: impl Fn(&str) -> Result<T, Problem> + 'static,
) -> Form<(PathBuf, T)> {
    text_file(parse)
}

impl From<&str> for Invalid {
    fn from(problem: &str) -> Self {
        Self::Value(problem.to_owned())
    }
}

impl fmt::Display for Given<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Text(text) => f.write_str(text),
            Self::Tree(Value::String(text)) => f.write_str(text),
            Self::Tree(Value::Array(items)) => {
                let items = items.iter().map(|item| Given::Tree(item).to_string());
                f.write_str(&items.collect::<Vec<_>>().join(","))
            }
            Self::Tree(value) => value.fmt(f),
        }
    }
}

/// The schema of a text that is not empty.
fn some_text() -> Value {
    json!({"type": "string", "minLength": 1})
}

fn as_text(given: Given<'_>) -> Result<&str, Invalid> {
    let text = match given {
        Given::Text(text) => text,
        Given::Tree(value) => value.as_str().ok_or_else(|| wrong_kind(value))?,
    };
    if text.is_empty() {
        Err("is empty".into())
    } else {
        Ok(text)
    }
}

/// The entries of a list; an empty variable is an empty list.
fn entries(given: Given<'_>) -> Result<Vec<&str>, Invalid> {
    match given {
        Given::Text(text) if text.trim().is_empty() => Ok(Vec::new()),
        Given::Text(text) => Ok(text.split(',').map(str::trim).collect()),
        Given::Tree(value) => {
            let items = value.as_array().ok_or_else(|| wrong_kind(value))?;
            let texts: Option<Vec<&str>> = items.iter().map(Value::as_str).collect();
            texts.ok_or_else(|| "has an entry that is not a text".into())
        }
    }
}

fn readable_file(given: Given<'_>) -> Result<PathBuf, Invalid> {
    let path = PathBuf::from(as_text(given)?);
    match std::fs::File::open(&path).and_then(|file| file.metadata()) {
        Ok(found) if found.is_dir() => Err("names a folder".into()),
        Ok(_) => Ok(path),
        Err(error) => Err(Invalid::Value(format!(
            "names a file that cannot be read ({})",
            error.kind()
        ))),
    }
}

fn wrong_kind(value: &Value) -> Invalid {
    Invalid::Value(format!("is {}", kind(value)))
}

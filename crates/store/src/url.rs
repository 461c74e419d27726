//! The URL of the store.

use std::fmt;
use std::path::{Path, PathBuf};
use std::str::FromStr;

use sqlx::postgres::PgConnectOptions;
use thiserror::Error;

/// The known parameters of a PostgreSQL URL.
const PARAMETERS: [&str; 11] = [
    "application_name",
    "dbname",
    "host",
    "options",
    "password",
    "port",
    "sslcert",
    "sslkey",
    "sslmode",
    "sslrootcert",
    "user",
];

/// The URL of the store. Neither `Debug` nor `Display` shows a password.
#[derive(Clone)]
pub enum StoreUrl {
    /// A file for one process: `sqlite:PATH`.
    Sqlite(PathBuf),
    /// A server for any number of processes: `postgresql://…`.
    Postgresql(PostgresqlUrl),
}

/// The connection options of a PostgreSQL server.
#[derive(Clone)]
pub struct PostgresqlUrl(Box<PgConnectOptions>);

/// Why a URL is invalid. Never quotes the text.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum InvalidStoreUrl {
    /// It starts with neither `sqlite:` nor `postgresql:`.
    #[error("is not a store URL; give sqlite:PATH or postgresql://USER:PASSWORD@HOST/DATABASE")]
    Scheme,
    /// The path is missing, or it has parameters.
    #[error("has no path to a file; give sqlite:PATH, without parameters")]
    Path,
    /// It starts with `postgresql:` and is not a valid URL.
    #[error(
        "is not a valid PostgreSQL URL; give postgresql://USER:PASSWORD@HOST/DATABASE?sslmode=verify-full"
    )]
    Postgresql,
    /// A character that separates parts of a URL stands where it cannot: a password has it as it
    /// is, and what follows it would be taken for the host or the database.
    #[error(
        "has a character that must be percent-encoded: in user name, password and database name write # as %23, \
         / as %2F, : as %3A, ? as %3F, @ as %40 and % as %25"
    )]
    Separator,
    /// A parameter after the `?` is unknown.
    #[error("has an unknown parameter; known parameters: {}", PARAMETERS.join(", "))]
    Parameter,
}

impl StoreUrl {
    /// Parses a URL.
    ///
    /// # Errors
    ///
    /// Names the problem without quoting the text.
    pub fn parse(text: &str) -> Result<Self, InvalidStoreUrl> {
        match text.split_once(':') {
            Some(("sqlite", rest)) => {
                let path = rest.strip_prefix("//").unwrap_or(rest);
                let is_path = !path.is_empty() && !path.starts_with(':') && !path.contains('?');
                is_path
                    .then(|| Self::Sqlite(path.into()))
                    .ok_or(InvalidStoreUrl::Path)
            }
            Some(("postgres" | "postgresql", _)) => {
                PostgresqlUrl::parse(text).map(Self::Postgresql)
            }
            Some(_) | None => Err(InvalidStoreUrl::Scheme),
        }
    }

    /// Whether several processes may use the store at once.
    pub fn is_shared(&self) -> bool {
        matches!(self, Self::Postgresql(_))
    }
}

impl PostgresqlUrl {
    fn parse(text: &str) -> Result<Self, InvalidStoreUrl> {
        if !are_separators_in_place(text) {
            return Err(InvalidStoreUrl::Separator);
        }
        // sqlx would only log an unknown parameter, with its value.
        let parameters = text
            .split_once('?')
            .map_or("", |(_, parameters)| parameters);
        let known = form_urlencoded::parse(parameters.as_bytes())
            .all(|(name, _)| PARAMETERS.contains(&name.as_ref()));
        if !known {
            return Err(InvalidStoreUrl::Parameter);
        }
        let options = PgConnectOptions::from_str(text).map_err(|_| InvalidStoreUrl::Postgresql)?;
        Ok(Self(Box::new(options)))
    }

    pub(crate) fn options(&self) -> &PgConnectOptions {
        &self.0
    }
}

/// Whether the URL reads the same for everybody: `scheme://USER:PASSWORD@HOST:PORT/DATABASE?…`.
fn are_separators_in_place(text: &str) -> bool {
    let Some((_, rest)) = text.split_once("://") else {
        return true;
    };
    let (rest, parameters) = rest.split_once('?').unwrap_or((rest, ""));
    let (authority, path) = rest.split_once('/').unwrap_or((rest, ""));
    let (user, _) = authority.rsplit_once('@').unwrap_or(("", authority));
    // A separator in a password ends the authority before its `@`.
    let is_cut = !authority.contains('@') && parameters.contains('@') && !authority.is_empty();
    let is_encoded = |text: &str| {
        text.split('%').skip(1).all(|after| {
            after.len() >= 2 && after.bytes().take(2).all(|byte| byte.is_ascii_hexdigit())
        })
    };
    !text.contains('#')
        && !is_cut
        && !path.contains(['@', '/', ':'])
        && !user.contains('@')
        && user.matches(':').count() <= 1
        && is_encoded(user)
        && is_encoded(path)
}

impl fmt::Display for StoreUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Sqlite(path) => write!(f, "sqlite:{}", path.display()),
            Self::Postgresql(url) => {
                let options = url.options();
                let socket = options.get_socket().map(PathBuf::as_path);
                let host = socket.unwrap_or(Path::new(options.get_host())).display();
                let port = options.get_port();
                let database = options.get_database().unwrap_or_default();
                write!(f, "postgresql://{host}:{port}/{database}")
            }
        }
    }
}

impl fmt::Debug for StoreUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "StoreUrl({self})")
    }
}

impl fmt::Debug for PostgresqlUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("PostgresqlUrl([redacted])")
    }
}

#[cfg(test)]
mod tests {
    use super::{InvalidStoreUrl as Invalid, StoreUrl};

    #[test]
    fn a_file_or_a_server_is_named_by_one_url() {
        for (text, shown) in [
            ("sqlite:openlines.db", "sqlite:openlines.db"),
            ("sqlite:/var/lib/x/a b.db", "sqlite:/var/lib/x/a b.db"),
            ("sqlite:///var/lib/x.db", "sqlite:/var/lib/x.db"),
            (
                "postgres://me:s3cr3tcanary@db.example:5433/lines?sslmode=verify-full",
                "postgresql://db.example:5433/lines",
            ),
            (
                "postgresql://me@db.example/lines?password=s3cr3tcanary",
                "postgresql://db.example:5432/lines",
            ),
        ] {
            let url = StoreUrl::parse(text).unwrap();
            assert_eq!(url.to_string(), shown);
            assert!(!format!("{url:?}").contains("s3cr3tcanary"), "{url:?}");
        }
    }

    #[test]
    fn other_texts_are_refused_and_not_quoted() {
        for (text, expected) in [
            ("", Invalid::Scheme),
            ("openlines.db", Invalid::Scheme),
            ("mysql://s3cr3tcanary", Invalid::Scheme),
            ("sqlite:", Invalid::Path),
            ("sqlite::memory:", Invalid::Path),
            ("sqlite:a.db?mode=ro", Invalid::Path),
            ("postgres://me:s3cr3tcanary@db:port/x", Invalid::Postgresql),
            (
                "postgres://me@db/x?sslmode=s3cr3tcanary",
                Invalid::Postgresql,
            ),
            ("postgres://me@db/x?passwd=s3cr3tcanary", Invalid::Parameter),
            ("postgres://me:p@ss#s3cr3tcanary@db/x", Invalid::Separator),
            ("postgres://me:s3cr3tcanary#@db/x", Invalid::Separator),
            ("postgres://me:1/s3cr3tcanary@db/x", Invalid::Separator),
            ("postgres://me:1?s3cr3tcanary@db/x", Invalid::Separator),
            ("postgres://me:1?user=s3cr3tcanary@db/x", Invalid::Separator),
            ("postgres://me:a@s3cr3tcanary@db/x", Invalid::Separator),
            ("postgres://me:a:s3cr3tcanary@db/x", Invalid::Separator),
            ("postgres://me:5%s3cr3tcanary@db/x", Invalid::Separator),
        ] {
            let refused = StoreUrl::parse(text).unwrap_err();
            assert_eq!(refused, expected, "{text}");
            assert!(!format!("{refused} {refused:?}").contains("s3cr3tcanary"));
        }
    }
    #[test]
    fn a_password_is_refused_or_read_whole() {
        let hard = [
            "#", "/", "?", "@", ":", "%", "%4", "&", "=", "+", "[", "]", " ", "\\", "\"", "'", ";",
            "é",
        ];
        for first in hard {
            for second in hard {
                let password = format!("one1{first}two2{second}three3");
                let url = format!("postgres://me:{password}@db.example/lines");
                let Ok(url) = StoreUrl::parse(&url) else {
                    continue;
                };
                let shown = url.to_string();
                assert_eq!(shown, "postgresql://db.example:5432/lines", "{password}");
            }
        }
        let encoded = "p%40ss%23w%2Fo%3Frd%25%3A";
        let url = StoreUrl::parse(&format!("postgres://me:{encoded}@db.example/lines")).unwrap();
        assert_eq!(url.to_string(), "postgresql://db.example:5432/lines");
    }
}

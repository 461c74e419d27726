//! `auth.*`: the callers, and how they prove themselves.

mod callers;
mod certificate_uri;
mod issuers;

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

pub(crate) use self::callers::{CallersFile, ConfiguredCaller, schema as callers_schema};
pub(super) use self::issuers::{ConfiguredIssuer, KeySource, MAXIMUM_SET_BYTES, UrlSource};
use crate::settings::form::{file, seconds, whole, words};
use crate::settings::{Reader, table};

/// How callers authenticate.
#[derive(Clone, Debug)]
pub enum Auth {
    /// Each call comes from a caller of a list.
    Callers(Box<AuthSettings>),
    /// Not at all: every peer may act for every tenant. On loopback addresses only.
    DangerousNone,
}

/// The callers, and what their tokens are verified with.
#[derive(Clone, Debug)]
pub struct AuthSettings {
    /// At least one; names, key ids, subjects and certificates are unique.
    pub(crate) callers: Vec<ConfiguredCaller>,
    /// The file with the callers, if they have one of their own.
    pub(super) file: Option<CallersFile>,
    pub(super) issuers: Vec<ConfiguredIssuer>,
    pub(super) key_sets: KeySets,
    pub(super) tokens: Tokens,
    /// How often files are looked at.
    pub(super) follow: Duration,
}

table! {
    struct Mode {
        /// `callers`: each call needs a credential of a caller: `authorization: Bearer <API key or
        /// JWT>`, or a client certificate. `api_keys` is the older name for the same.
        /// `dangerous_none`: any peer that can connect may act for every tenant; refused unless
        /// `server.listen` is a loopback address.
        open: bool =
            "auth.mode" =>
                words(&[("callers", false), ("api_keys", false), ("dangerous_none", true)]),
            default "callers";

        /// A YAML file with the list `callers`, in place of `auth.callers`. The service follows it
        /// while it runs: a removed key, subject or certificate stops working within
        /// `auth.follow_seconds`.
        callers_file: Option<PathBuf> = "auth.callers_file" => file();

        /// How often the service looks at the callers file and at the files with sets of keys.
        follow: Duration = "auth.follow_seconds" => seconds(1..=60), default "5";
    }
}

table! {
    /// When the sets of keys that have an address are fetched.
    pub(super) struct KeySets {
        /// How often a set of keys is fetched from its address. A key that its issuer has removed
        /// works until then.
        refresh: Duration =
            "auth.key_sets.refresh_seconds" => seconds(1..=86_400), default "300";

        /// The shortest time between two fetches of a set. Without it, whoever sends tokens with
        /// invented key ids could flood the issuer.
        minimum_interval: Duration =
            "auth.key_sets.minimum_interval_seconds" => seconds(1..=3600), default "10";

        /// Time for a fetch. Calls that wait for it have shown no valid credential yet.
        timeout: Duration = "auth.key_sets.timeout_seconds" => seconds(1..=60), default "5";
    }
}

table! {
    /// How tokens are verified.
    pub(super) struct Tokens {
        /// How far the issuers' clocks may differ from this one: tokens are accepted that much
        /// before they begin and after they end.
        clock_skew: Duration = "auth.tokens.clock_skew_seconds" => seconds(0..=60), default "30";

        /// Most verified tokens in memory, of which the hash is kept until they end. A token that
        /// is there costs no verification. Each takes about 200 bytes.
        maximum_cached: u64 =
            "auth.tokens.maximum_cached" => whole(100..=1_000_000, "tokens"), default "10000";
    }
}

/// A file that the entry of an issuer names.
pub(crate) struct IssuerFile<'a> {
    /// Where it is named, like `auth.issuers[0].keys_file`.
    pub(crate) setting: String,
    pub(crate) path: &'a Path,
    pub(crate) is_secret: bool,
}

impl AuthSettings {
    /// Whether a caller is known by a client certificate.
    pub(crate) fn has_certificates(&self) -> bool {
        let mut callers = self.callers.iter();
        callers.any(|caller| !caller.certificates.is_empty())
    }

    /// The files that the issuers name.
    pub(crate) fn issuer_files(&self) -> impl Iterator<Item = IssuerFile<'_>> {
        let issuers = self.issuers.iter().enumerate();
        issuers.flat_map(|(number, issuer)| {
            let files = match &issuer.source {
                KeySource::File(path) => [("keys_file", Some(path), false), ("", None, false)],
                KeySource::Url(source) => [
                    ("ca_file", source.ca_file.as_ref(), false),
                    ("bearer_token_file", source.bearer_token_file.as_ref(), true),
                ],
            };
            files
                .into_iter()
                .filter_map(move |(name, path, is_secret)| {
                    Some(IssuerFile {
                        setting: format!("auth.issuers[{number}].{name}"),
                        path: path?,
                        is_secret,
                    })
                })
        })
    }
}

impl Auth {
    /// The callers; none if every peer may call.
    pub(crate) fn settings(&self) -> Option<&AuthSettings> {
        match self {
            Self::Callers(settings) => Some(settings),
            Self::DangerousNone => None,
        }
    }

    /// Reads all of these, and the files that they name; `None` after an error.
    pub(crate) fn read(reader: &mut Reader<'_>) -> Option<Self> {
        let mode = Mode::read(reader);
        let key_sets = KeySets::read(reader);
        let tokens = Tokens::read(reader);
        let issuers = issuers::read(reader);
        let inline = reader.structure(
            "auth.callers",
            "The callers, described above. At least one with `callers`, none with \
             `dangerous_none`.",
            "a list of callers",
            callers::schema(),
        );
        let names: Vec<Arc<str>> = issuers
            .iter()
            .flatten()
            .map(|issuer| Arc::clone(&issuer.issuer))
            .collect();
        let path = mode.as_ref()?.callers_file.clone();
        // Taken before the file is read, so that no change is missed.
        let file = path.map(|path| CallersFile::new(path, names.clone()));
        let callers = callers::read(reader, inline, file.as_ref(), &names)?;
        let mode = mode?;
        if mode.open {
            let remedy = "remove it, or set auth.mode: callers";
            let problem = "is given, though auth.mode is dangerous_none";
            if callers.is_some() {
                reader.refuse("auth.callers", problem, remedy);
            }
            if issuers.is_some_and(|issuers| !issuers.is_empty()) {
                reader.refuse("auth.issuers", problem, remedy);
            }
            return Some(Self::DangerousNone);
        }
        if callers.is_none() {
            let problem = "is missing, so no call could authenticate";
            let remedy = "give at least one, with a key from `openlines keys new`";
            reader.refuse("auth.callers", problem, remedy);
        }
        Some(Self::Callers(Box::new(AuthSettings {
            callers: callers?,
            file,
            issuers: issuers?,
            key_sets: key_sets?,
            tokens: tokens?,
            follow: mode.follow,
        })))
    }
}

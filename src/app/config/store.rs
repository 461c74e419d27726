//! `store.*`.

use std::path::PathBuf;

use store::{Keyring, StoreUrl};

use crate::settings::form::{secret, secret_file, words};
use crate::settings::{Reader, table};

/// The store of tenants and their credentials.
#[derive(Clone, Debug)]
pub struct StoreSettings {
    /// The database.
    pub url: StoreUrl,
    /// The keys that seal secrets in it.
    pub keyring: Keyring,
    /// The file of the keyring, to watch it; none if the keys come from `store.keyring`.
    pub keyring_file: Option<PathBuf>,
    /// Whether calls are kept away while it fails.
    pub(crate) readiness: StoreReadiness,
}

/// Whether calls are kept away while the store fails.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum StoreReadiness {
    /// With SQLite, and not with PostgreSQL.
    Auto,
    /// With both.
    Always,
    /// With neither.
    Never,
}

table! {
    struct Given {
        /// The database of tenants: `sqlite:PATH` for one replica, `postgres://…` for several. The
        /// default is `sqlite:openlines.db`, which is created. It may hold a password and is not
        /// logged.
        url: Option<StoreUrl> =
            "store.url" => secret(
                "`sqlite:PATH` or `postgres://USER:PASSWORD@HOST/DATABASE`", StoreUrl::parse);

        /// A file with the address of the database, in place of `store.url`.
        url_file: Option<(PathBuf, StoreUrl)> = "store.url_file" => secret_file(StoreUrl::parse);

        /// A file with the keys that seal secrets in the database, from
        /// `openlines keys new-sealing-key`. The first key seals, all of them open. The service
        /// applies its changes while it runs. This or `store.keyring` is required.
        keyring_file: Option<(PathBuf, Keyring)> =
            "store.keyring_file" => secret_file(Keyring::parse);

        /// The keys themselves, in place of `store.keyring_file`. They are not logged.
        keyring: Option<Keyring> =
            "store.keyring" => secret(
                "keys from `openlines keys new-sealing-key`, separated by commas", Keyring::parse);

        /// Whether `/ready` and health keep calls away while the store fails: `always`, `never`, or
        /// `auto`: with SQLite, where no other replica is concerned, and not with PostgreSQL, where
        /// all replicas would go away at once, though most calls need no store.
        readiness: StoreReadiness =
            "store.keeps_calls_away" => words(&[
                ("auto", StoreReadiness::Auto),
                ("always", StoreReadiness::Always),
                ("never", StoreReadiness::Never),
            ]),
            default "auto";
    }
    rules {
        one_url(url, url_file);
        one_keyring(keyring, keyring_file);
    }
}

/// The database if no setting names one.
const DEFAULT_URL: &str = "sqlite:openlines.db";

impl StoreSettings {
    pub(super) fn read(reader: &mut Reader<'_>) -> Option<Self> {
        let given = Given::read(reader)?;
        let url = given.url.or(given.url_file.map(|(_, url)| url));
        let (keyring_file, keyring) = given.keyring_file.unzip();
        Some(Self {
            url: url.or_else(|| StoreUrl::parse(DEFAULT_URL).ok())?,
            keyring: given.keyring.or(keyring)?,
            keyring_file,
            readiness: given.readiness,
        })
    }
}

fn one_url(reader: &mut Reader<'_>, url: &Option<StoreUrl>, file: &Option<(PathBuf, StoreUrl)>) {
    if url.is_some() && file.is_some() {
        let problem = "is given together with store.url";
        reader.refuse("store.url_file", problem, "give one of the two");
    }
}

fn one_keyring(
    reader: &mut Reader<'_>,
    keyring: &Option<Keyring>,
    file: &Option<(PathBuf, Keyring)>,
) {
    let (problem, remedy) = match (keyring, file) {
        (None, None) => (
            "is missing, and secrets cannot be stored without a key",
            "write the key that `openlines keys new-sealing-key` prints into a file, and name the \
             file",
        ),
        (Some(_), Some(_)) => (
            "is given together with store.keyring",
            "give one of the two",
        ),
        (Some(_), None) | (None, Some(_)) => return,
    };
    reader.refuse("store.keyring_file", problem, remedy);
}

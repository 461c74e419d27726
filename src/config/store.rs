//! `store.*`: where tenants and their credentials are kept.

use std::path::PathBuf;

use super::reader::Reader;
use super::setting::{Form, Setting};
use store::{Keyring, StoreUrl};

/// Where tenants and their credentials are kept.
#[derive(Clone, Debug)]
pub struct Store {
    /// The database. Default an SQLite file `openlines.db` in the working directory.
    pub url: StoreUrl,
    /// What seals the secrets in it.
    pub keyring: Keyring,
    /// Where the keyring was read from, to follow its changes; none if it came from the environment.
    pub keyring_file: Option<PathBuf>,
}

pub(super) const SETTINGS: &[&Setting] = &[&URL, &URL_FILE, &KEYRING_FILE, &KEYRING];

static URL: Setting = Setting {
    path: "store.url",
    form: Form::StoreUrl,
    default: None,
    meaning: "The database of tenants: `sqlite:PATH` for one process, `postgres://…` for several. Default `sqlite:openlines.db`, \
              which is created. It may hold a password and is not logged.",
};
static URL_FILE: Setting = Setting {
    path: "store.url_file",
    form: Form::File,
    default: None,
    meaning: "A file with the address of the database, in place of `store.url`.",
};
static KEYRING_FILE: Setting = Setting {
    path: "store.keyring_file",
    form: Form::File,
    default: None,
    meaning: "A file with the keys that seal secrets in the database, from `openlines keys new-sealing-key`: the first one seals, all \
              of them open. Its changes are taken over while the service runs. This or `store.keyring` is required.",
};
static KEYRING: Setting = Setting {
    path: "store.keyring",
    form: Form::Keyring,
    default: None,
    meaning: "The keys themselves, in place of `store.keyring_file`. They are not logged.",
};

/// The database of a service whose settings name none.
const DEFAULT_URL: &str = "sqlite:openlines.db";

impl Store {
    pub(super) fn read(reader: &mut Reader<'_>) -> Option<Self> {
        let url = url(reader);
        let keyring = keyring(reader);
        let (keyring, keyring_file) = keyring?;
        Some(Self {
            url: url?,
            keyring,
            keyring_file,
        })
    }
}

/// Reads the address of the database, from either setting.
pub(super) fn url(reader: &mut Reader<'_>) -> Option<StoreUrl> {
    let parse = |text: &str| StoreUrl::parse(text).map_err(|error| error.to_string());
    let given = reader.secret(&URL, parse);
    let file = reader.secret_file(&URL_FILE, parse);
    match (given?, file?) {
        (Some(url), None) => Some(url),
        (None, Some((url, _))) => Some(url),
        (None, None) => parse(DEFAULT_URL).ok(),
        (Some(_), Some(_)) => {
            reader.refuse(
                &URL_FILE,
                "is given together with store.url",
                "give one of the two",
            );
            None
        }
    }
}

/// Reads the keyring, from either setting, and says which file it came from.
pub(super) fn keyring(reader: &mut Reader<'_>) -> Option<(Keyring, Option<PathBuf>)> {
    let parse = |text: &str| Keyring::parse(text).map_err(|error| error.to_string());
    let given = reader.secret(&KEYRING, parse);
    let file = reader.secret_file(&KEYRING_FILE, parse);
    match (given?, file?) {
        (Some(keyring), None) => Some((keyring, None)),
        (None, Some((keyring, path))) => Some((keyring, Some(path))),
        (None, None) => {
            let problem = "is missing, and without a key no secret can be stored";
            let remedy = "write the key that `openlines keys new-sealing-key` prints into a file, and name the file";
            reader.refuse(&KEYRING_FILE, problem, remedy);
            None
        }
        (Some(_), Some(_)) => {
            let problem = "is given together with store.keyring";
            reader.refuse(&KEYRING_FILE, problem, "give one of the two");
            None
        }
    }
}

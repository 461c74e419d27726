//! What would be weak without a word: files with secrets that everybody may read, and API keys in
//! plain text on the network.

use std::net::SocketAddr;
use std::path::Path;

use crate::settings::form::flag;
use crate::settings::{Document, Exposure, Reader, table};

table! {
    pub(super) struct Files {
        /// Whether files with secrets may be readable or changeable by every user of the machine:
        /// keyring, private keys, tenants file and settings file with secrets, and files that
        /// they name. Otherwise such a file is an error.
        dangerous_world_readable: bool = "files.dangerous_world_readable" => flag(), default "false";
    }
}

/// Settings that name a file with a secret.
const SECRET_FILES: [&str; 4] = [
    "store.keyring_file",
    "store.url_file",
    "server.tls.private_key_file",
    "portals.proxy_credentials_file",
];

/// Settings that name a file without secrets that says whom to trust: who may change it may let
/// anybody in.
const TRUST_FILES: [&str; 3] = [
    "auth.callers_file",
    "server.tls.client_ca_file",
    "portals.ca_file",
];

/// Refuses files with secrets that every user of the machine may read or change.
pub(super) fn files_are_private(reader: &mut Reader<'_>, document: &Document) {
    for setting in SECRET_FILES {
        let path = reader.in_force(setting).map(|(path, _)| path.to_owned());
        let path = path.filter(|path| !path.is_empty());
        if let Some(exposure) = path.and_then(|path| Exposure::of(Path::new(&path))) {
            let problem = format!("names a file that holds a secret, {}", exposure.problem());
            reader.refuse(setting, &problem, &Exposure::remedy());
        }
    }
    for setting in TRUST_FILES {
        let path = reader.in_force(setting).map(|(path, _)| path.to_owned());
        let path = path.filter(|path| !path.is_empty());
        if path.and_then(|path| Exposure::of(Path::new(&path))) == Some(Exposure::Writable) {
            let problem = format!("names a file, {}", Exposure::Writable.problem());
            reader.refuse(setting, &problem, &Exposure::remedy());
        }
    }
    let errors = document.exposed(has_store_secret(document)).into_iter();
    errors.for_each(|error| reader.errors.push(error));
}

/// Whether keys or the database's password stand in the settings file.
fn has_store_secret(document: &Document) -> bool {
    let store = document.value().get("store");
    let url = store.and_then(|store| store.get("url")?.as_str());
    let has_password = url.is_some_and(|url| url.contains('@'));
    has_password || store.is_some_and(|store| store.get("keyring").is_some())
}

/// API keys and messages must not cross a network in plain text unless that is said.
pub(super) fn plaintext_is_said(reader: &mut Reader<'_>) {
    let value = |path| reader.in_force(path).map(|(value, _)| value);
    let listen = value("server.listen").and_then(|value| value.parse::<SocketAddr>().ok());
    let is_loopback = listen.is_none_or(|listen| listen.ip().is_loopback());
    let has_tls = value("server.tls.certificate_file").is_some_and(|file| !file.is_empty());
    let is_said = value("server.tls.dangerous_plaintext") == Some("true");
    // Refused already: no peer would need a key.
    let is_open = value("auth.mode") == Some("dangerous_none");
    if is_loopback || has_tls || is_said || is_open {
        return;
    }
    let problem = "is not a loopback address, and without TLS everybody on the way can read API \
                   keys and messages";
    let remedy = "give server.tls.certificate_file and server.tls.private_key_file; if a mesh or a \
                  proxy on this machine encrypts, set server.tls.dangerous_plaintext";
    reader.refuse("server.listen", problem, remedy);
}

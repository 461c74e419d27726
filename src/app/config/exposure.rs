//! What would be weak without a word: files with secrets that everybody may read, and API keys in
//! plain text on the network.

use std::net::SocketAddr;
use std::path::Path;

use crate::auth::AuthSettings;
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
const SECRET_FILES: [&str; 5] = [
    "store.keyring_file",
    "store.url_file",
    "server.tls.private_key_file",
    "portals.proxy_credentials_file",
    "telemetry.otlp_headers_file",
];

/// Settings that name a file without secrets that says whom to trust: who may change it may let
/// anybody in.
const TRUST_FILES: [&str; 3] = [
    "auth.callers_file",
    "server.tls.client_ca_file",
    "portals.ca_file",
];

/// Refuses files with secrets that every user of the machine may read or change, and others that
/// they may change.
pub(super) fn files_are_private(
    reader: &mut Reader<'_>,
    document: &Document,
    auth: Option<&AuthSettings>,
) {
    for (settings, is_secret) in [(&SECRET_FILES[..], true), (&TRUST_FILES[..], false)] {
        for setting in settings {
            let path = reader.in_force(setting).map(|(path, _)| path.to_owned());
            if let Some(path) = path.filter(|path| !path.is_empty()) {
                file_is_private(reader, setting, Path::new(&path), is_secret);
            }
        }
    }
    for file in auth.into_iter().flat_map(AuthSettings::issuer_files) {
        file_is_private(reader, &file.setting, file.path, file.is_secret);
    }
    let errors = document.exposed(has_secret(document)).into_iter();
    errors.for_each(|error| reader.errors.push(error));
}

fn file_is_private(reader: &mut Reader<'_>, setting: &str, path: &Path, is_secret: bool) {
    let (what, exposure) = match Exposure::of(path) {
        Some(exposure) if is_secret => ("names a file that holds a secret", exposure),
        Some(Exposure::Writable) => ("names a file", Exposure::Writable),
        Some(Exposure::Readable) | None => return,
    };
    let problem = format!("{what}, {}", exposure.problem());
    reader.refuse(setting, &problem, &Exposure::remedy());
}

/// Whether keys, the database's password or headers of the collector stand in the settings file.
fn has_secret(document: &Document) -> bool {
    let settings = document.value();
    let telemetry = settings.get("telemetry");
    let has_headers = telemetry.is_some_and(|telemetry| telemetry.get("otlp_headers").is_some());
    let store = settings.get("store");
    let url = store.and_then(|store| store.get("url")?.as_str());
    let has_password = url.is_some_and(|url| url.contains('@'));
    has_headers || has_password || store.is_some_and(|store| store.get("keyring").is_some())
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

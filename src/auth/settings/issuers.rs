//! `auth.issuers`: whose tokens are accepted.

use std::collections::BTreeSet;
use std::net::IpAddr;
use std::path::PathBuf;
use std::sync::Arc;

use jsonwebtoken::Algorithm;
use serde_json::{Value, json};

use super::super::key_set::KeySet;
use crate::settings::schema::{exactly_one, fields, some, text};
use crate::settings::{Fields, Node, Origin, Reader, SettingErrors};

/// The algorithms that may be accepted: signatures with public keys only. Neither `none` nor HMAC,
/// whose secret would be the issuer's public key.
const ALGORITHMS: &[(&str, Algorithm)] = &[
    ("RS256", Algorithm::RS256),
    ("RS384", Algorithm::RS384),
    ("RS512", Algorithm::RS512),
    ("PS256", Algorithm::PS256),
    ("PS384", Algorithm::PS384),
    ("PS512", Algorithm::PS512),
    ("ES256", Algorithm::ES256),
    ("ES384", Algorithm::ES384),
    ("EdDSA", Algorithm::EdDSA),
];

/// What is accepted without a list: what issuers sign with today.
const USUAL: &[Algorithm] = &[Algorithm::RS256, Algorithm::ES256, Algorithm::EdDSA];

/// The largest set of keys, in bytes.
pub(crate) const MAXIMUM_SET_BYTES: usize = 256 * 1024;

/// An issuer of tokens.
#[derive(Clone, Debug)]
pub(crate) struct ConfiguredIssuer {
    /// Its claim `iss`, byte for byte.
    pub(crate) issuer: Arc<str>,
    /// A token must be for one of them.
    pub(crate) audiences: Vec<String>,
    pub(crate) algorithms: Vec<Algorithm>,
    /// The claim that names the caller.
    pub(crate) claim: String,
    pub(crate) source: KeySource,
    /// The set of keys as it was read at start, if it comes from a file.
    pub(crate) keys: Option<KeySet>,
}

/// Where an issuer's set of keys is.
#[derive(Clone, Debug)]
pub(crate) enum KeySource {
    File(PathBuf),
    Url(UrlSource),
}

/// The address of a set of keys.
#[derive(Clone, Debug)]
pub(crate) struct UrlSource {
    pub(crate) url: String,
    /// The only authorities that its server may have a certificate of, in place of the system's.
    pub(crate) ca_file: Option<PathBuf>,
    /// The token to fetch it with. Read before each fetch, because mounted tokens change.
    pub(crate) bearer_token_file: Option<PathBuf>,
}

/// Reads the issuers; `None` after an error.
pub(super) fn read(reader: &mut Reader<'_>) -> Option<Vec<ConfiguredIssuer>> {
    let node = reader.structure(
        "auth.issuers",
        "The issuers of the JWTs that callers may send, described in docs/callers.md. None by \
         default: then no JWT is accepted.",
        "a list of issuers",
        schema(),
    );
    let mut reading = Reading::default();
    let items = node
        .as_ref()
        .map(|list| list.items(&mut reading.errors).unwrap_or_default());
    let origin = items.as_ref().map_or(Origin::Default, |_| Origin::File);
    let items = items.unwrap_or_default();
    let issuers: Vec<ConfiguredIssuer> = items
        .iter()
        .filter_map(|item| reading.issuer(item))
        .collect();
    let names: Vec<&str> = issuers.iter().map(|issuer| &*issuer.issuer).collect();
    reader.record("auth.issuers", names.join(","), origin);
    let is_valid = reading.errors.is_empty();
    reader.errors.extend(reading.errors);
    is_valid.then_some(issuers)
}

/// The JSON Schema of the list.
fn schema() -> Value {
    let given = || text("^[\\s\\S]");
    let algorithms: Vec<&str> = ALGORITHMS.iter().map(|(name, _)| *name).collect();
    let issuer = fields(
        &[
            ("issuer", given()),
            ("audience", given()),
            ("audiences", some(given())),
            ("algorithms", some(json!({"enum": algorithms}))),
            ("claim", given()),
            ("keys_file", given()),
            ("keys_url", text("^https?://[^/]")),
            ("ca_file", given()),
            ("bearer_token_file", given()),
        ],
        &["issuer"],
    );
    let source = exactly_one(json!({}), &["keys_file", "keys_url"]);
    let mut issuer = exactly_one(issuer, &["audience", "audiences"]);
    if let Some(issuer) = issuer.as_object_mut() {
        issuer.insert("allOf".to_owned(), json!([source]));
    }
    json!({"type": "array", "items": issuer})
}

#[derive(Default)]
struct Reading {
    names: BTreeSet<String>,
    errors: SettingErrors,
}

impl Reading {
    fn issuer(&mut self, item: &Node<'_>) -> Option<ConfiguredIssuer> {
        let known = [
            "issuer",
            "audience",
            "audiences",
            "algorithms",
            "claim",
            "keys_file",
            "keys_url",
            "ca_file",
            "bearer_token_file",
        ];
        let fields = item.fields(&known, &mut self.errors)?;
        let name = fields.required("issuer", &mut self.errors);
        let issuer = name.and_then(|node| self.name(&node));
        let audiences = self.audiences(&fields);
        let algorithms = match fields.optional("algorithms") {
            None => Some(USUAL.to_vec()),
            Some(list) => self.algorithms(&list),
        };
        let claim = match fields.optional("claim") {
            None => Some("sub".to_owned()),
            Some(node) => self.text(&node),
        };
        let (source, keys) = self.source(&fields)?;
        Some(ConfiguredIssuer {
            issuer: issuer?.into(),
            audiences: audiences?,
            algorithms: algorithms?,
            claim: claim?,
            source,
            keys,
        })
    }

    fn name(&mut self, node: &Node<'_>) -> Option<String> {
        let name = self.text(node)?;
        if self.names.insert(name.clone()) {
            return Some(name);
        }
        let problem = "is an issuer that another entry already has";
        self.errors
            .push(node.error(problem, "remove one of the two"));
        None
    }

    fn audiences(&mut self, fields: &Fields<'_>) -> Option<Vec<String>> {
        match fields.exactly_one(&["audience", "audiences"], &mut self.errors)? {
            ("audience", node) => Some(vec![self.text(&node)?]),
            (_, list) => {
                let items = list.items(&mut self.errors)?;
                if items.is_empty() {
                    let remedy = "give the audience that its tokens are made for";
                    self.errors.push(list.error("is an empty list", remedy));
                }
                Some(items.iter().filter_map(|item| self.text(item)).collect())
            }
        }
    }

    fn algorithms(&mut self, list: &Node<'_>) -> Option<Vec<Algorithm>> {
        let items = list.items(&mut self.errors)?;
        let names: Vec<&str> = ALGORITHMS.iter().map(|(name, _)| *name).collect();
        let allowed = format!("give some of {}", names.join(", "));
        if items.is_empty() {
            self.errors.push(list.error("is an empty list", &*allowed));
            return None;
        }
        let algorithm = |item: &Node<'_>| {
            let text = item.text(&mut self.errors)?;
            let found = ALGORITHMS.iter().find(|(name, _)| *name == text);
            if found.is_none() {
                let problem = "is not an algorithm that tokens may be signed with";
                self.errors.push(item.error(problem, &*allowed));
            }
            found.map(|(_, algorithm)| *algorithm)
        };
        // An error makes the whole list invalid; all of them are reported.
        Some(items.iter().filter_map(algorithm).collect())
    }

    fn source(&mut self, fields: &Fields<'_>) -> Option<(KeySource, Option<KeySet>)> {
        let found = fields.exactly_one(&["keys_file", "keys_url"], &mut self.errors)?;
        let ca_file = self.readable(fields, "ca_file");
        let bearer_token_file = self.readable(fields, "bearer_token_file");
        if let ("keys_url", node) = found {
            let url = self.url(&node)?;
            let source = UrlSource {
                url,
                ca_file: ca_file?,
                bearer_token_file: bearer_token_file?,
            };
            return Some((KeySource::Url(source), None));
        }
        let (_, node) = found;
        for key in ["ca_file", "bearer_token_file"] {
            if let Some(node) = fields.optional(key) {
                let problem = "is given, though the keys come from a file";
                self.errors.push(node.error(problem, "remove it"));
            }
        }
        let path = PathBuf::from(self.text(&node)?);
        let read =
            std::fs::read(&path).map_err(|error| format!("cannot be read ({})", error.kind()));
        let keys = read.and_then(|text| KeySet::parse(&text).map_err(|error| error.to_string()));
        match keys {
            Ok(keys) => Some((KeySource::File(path), Some(keys))),
            Err(problem) => {
                let problem = format!("names a file that {problem}");
                let remedy = "give the issuer's JWKS document";
                self.errors.push(node.error(problem, remedy));
                None
            }
        }
    }

    /// The path of a file, if it is given; `None` after an error.
    fn readable(&mut self, fields: &Fields<'_>, key: &str) -> Option<Option<PathBuf>> {
        let Some(node) = fields.optional(key) else {
            return Some(None);
        };
        let path = PathBuf::from(self.text(&node)?);
        match std::fs::read(&path) {
            Ok(_) => Some(Some(path)),
            Err(error) => {
                let problem = format!("names a file that cannot be read ({})", error.kind());
                self.errors
                    .push(node.error(problem, "check path and permissions"));
                None
            }
        }
    }

    fn url(&mut self, node: &Node<'_>) -> Option<String> {
        let url = self.text(node)?;
        if is_safe(&url) {
            return Some(url);
        }
        let problem = "is not a safe address for keys: whoever can change them can make tokens";
        let remedy = "give an https:// address without user and password; http:// is for loopback \
                      addresses only";
        self.errors.push(node.error(problem, remedy));
        None
    }

    fn text(&mut self, node: &Node<'_>) -> Option<String> {
        let text = node.text(&mut self.errors)?;
        if text.is_empty() {
            self.errors.push(node.error("is empty", "give a text"));
            return None;
        }
        Some(text.to_owned())
    }
}

/// `https://`, or `http://` with a loopback IP address; no user information.
fn is_safe(url: &str) -> bool {
    let Ok(uri) = url.parse::<http::Uri>() else {
        return false;
    };
    let Some(authority) = uri.authority() else {
        return false;
    };
    let host = authority.host().trim_matches(['[', ']']);
    let is_loopback = host.parse::<IpAddr>().is_ok_and(|ip| ip.is_loopback());
    let has_user = authority.as_str().contains('@');
    match uri.scheme_str() {
        Some("https") => !has_user,
        Some("http") => !has_user && is_loopback,
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::is_safe;

    #[test]
    fn keys_come_encrypted_or_from_this_machine() {
        for url in [
            "https://issuer.example/jwks",
            "https://kubernetes.default.svc/openid/v1/jwks",
            "https://10.0.0.1:6443/openid/v1/jwks",
            "http://127.0.0.1:8080/jwks",
            "http://[::1]:8080/jwks",
        ] {
            assert!(is_safe(url), "{url}");
        }
        for url in [
            "",
            "jwks",
            "/jwks",
            "issuer.example/jwks",
            "http://issuer.example/jwks",
            "http://localhost/jwks",
            "http://127.0.0.1.issuer.example/jwks",
            "http://127.0.0.1@issuer.example/jwks",
            "https://user:password@issuer.example/jwks",
            "ftp://127.0.0.1/jwks",
            "file:///etc/jwks",
        ] {
            assert!(!is_safe(url), "{url}");
        }
    }
}

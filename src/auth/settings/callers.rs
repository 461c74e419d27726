//! The list of callers, in the settings or in a file of its own.

mod schema;

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::Arc;

pub(crate) use self::schema::schema;
use super::certificate_uri;
use crate::auth::{CallerName, GrantedTo, Grants, KeyEntry, KeyId, Methods, Moment};
use crate::settings::{Document, Fields, Node, Origin, Reader, SettingErrors, Stamp};

#[derive(Clone, Debug)]
pub(crate) struct ConfiguredCaller {
    /// The caller's name in logs.
    pub(crate) name: CallerName,
    /// The tenants it may act for; at least one.
    pub(crate) grants: Grants,
    /// The sending methods it may call.
    pub(crate) methods: Methods,
    /// Whether it may manage these tenants, too.
    pub(crate) manages_tenants: bool,
    /// Ids and hashes of its keys; two during a rotation.
    pub(crate) keys: Vec<ConfiguredKey>,
    /// The tokens that are its own.
    pub(crate) tokens: Vec<ConfiguredToken>,
    /// The URIs of its certificates.
    pub(crate) certificates: Vec<Arc<str>>,
}

/// An API key.
#[derive(Clone, Debug)]
pub(crate) struct ConfiguredKey {
    pub(crate) entry: KeyEntry,
    /// From then on it is refused.
    pub(crate) expires: Option<Moment>,
}

/// What a caller's tokens have.
#[derive(Clone, Debug)]
pub(crate) struct ConfiguredToken {
    pub(crate) issuer: Arc<str>,
    /// The value of the claim that names the caller, byte for byte.
    pub(crate) subject: Box<str>,
}

/// A file with callers.
#[derive(Clone, Debug)]
pub(crate) struct CallersFile {
    path: PathBuf,
    /// The issuers that its callers may name; with `None` they may name any.
    issuers: Option<Vec<Arc<str>>>,
    /// The stamp of the file before it was first read.
    stamp: Option<Stamp>,
}

impl CallersFile {
    /// A file whose callers may name these issuers.
    pub(super) fn new(path: PathBuf, issuers: Vec<Arc<str>>) -> Self {
        let stamp = Stamp::of(&path);
        let issuers = Some(issuers);
        Self {
            path,
            issuers,
            stamp,
        }
    }

    /// A file whose callers may name any issuer.
    pub(crate) fn alone(path: PathBuf) -> Self {
        Self {
            stamp: Stamp::of(&path),
            issuers: None,
            path,
        }
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    pub(crate) fn stamp(&self) -> Option<Stamp> {
        self.stamp
    }

    /// Reads the file.
    ///
    /// # Errors
    ///
    /// All errors of its callers.
    pub(crate) fn read(&self) -> Result<Vec<ConfiguredCaller>, SettingErrors> {
        let mut reading = Reading::new(self.issuers.as_deref());
        let callers = match Document::read(&self.path, "callers file") {
            Ok(document) => reading.document(&document),
            Err(error) => {
                reading.errors.push(error);
                Vec::new()
            }
        };
        if reading.errors.is_empty() {
            Ok(callers)
        } else {
            Err(reading.errors)
        }
    }
}

/// Reads the callers from either place. `None` if both are given, `Some(None)` if neither is.
pub(super) fn read(
    reader: &mut Reader<'_>,
    inline: Option<Node<'_>>,
    file: Option<&CallersFile>,
    issuers: &[Arc<str>],
) -> Option<Option<Vec<ConfiguredCaller>>> {
    let callers = match (inline, file) {
        (None, None) => None,
        (Some(_), Some(_)) => {
            let problem = "is given together with auth.callers";
            reader.refuse("auth.callers_file", problem, "give one of the two");
            return None;
        }
        (Some(list), None) => {
            let mut reading = Reading::new(Some(issuers));
            let callers = reading.callers(&list);
            reader.errors.extend(reading.errors);
            Some(callers)
        }
        (None, Some(file)) => Some(file.read().unwrap_or_else(|errors| {
            reader.errors.extend(errors);
            Vec::new()
        })),
    };
    let names: Vec<&str> = callers
        .iter()
        .flatten()
        .map(|caller| caller.name.as_str())
        .collect();
    let origin = callers.as_ref().map_or(Origin::Default, |_| Origin::File);
    reader.record("auth.callers", names.join(","), origin);
    Some(callers)
}

/// One pass over a list of callers.
struct Reading<'a> {
    issuers: Option<&'a [Arc<str>]>,
    names: BTreeSet<CallerName>,
    key_ids: BTreeSet<KeyId>,
    subjects: BTreeSet<(Arc<str>, String)>,
    certificates: BTreeSet<Arc<str>>,
    errors: SettingErrors,
}

impl<'a> Reading<'a> {
    fn new(issuers: Option<&'a [Arc<str>]>) -> Self {
        Self {
            issuers,
            names: BTreeSet::new(),
            key_ids: BTreeSet::new(),
            subjects: BTreeSet::new(),
            certificates: BTreeSet::new(),
            errors: SettingErrors::default(),
        }
    }

    fn document(&mut self, document: &Document) -> Vec<ConfiguredCaller> {
        let fields = document.root().fields(&["callers"], &mut self.errors);
        let list = fields.and_then(|fields| fields.required("callers", &mut self.errors));
        list.map(|list| self.callers(&list)).unwrap_or_default()
    }

    fn callers(&mut self, list: &Node<'_>) -> Vec<ConfiguredCaller> {
        let items = self.entries(list, "give at least one caller");
        items.iter().filter_map(|item| self.caller(item)).collect()
    }

    fn caller(&mut self, item: &Node<'_>) -> Option<ConfiguredCaller> {
        let known = [
            "name",
            "tenants",
            "methods",
            "manages_tenants",
            "keys",
            "tokens",
            "certificates",
        ];
        let fields = item.fields(&known, &mut self.errors)?;
        let name = fields.required("name", &mut self.errors);
        let name = name.and_then(|node| self.name(&node));
        let grants = fields.required("tenants", &mut self.errors).map(|node| {
            let entries = self.entries(&node, "give tenant ids, or \"*\" for every tenant");
            let entries = entries.iter().filter_map(|entry| self.grant(entry));
            entries.collect()
        });
        let methods = match fields.optional("methods") {
            None => Methods::Every,
            Some(node) => {
                let allowed = format!(
                    "give some of {}, or leave `methods` out",
                    Methods::allowed()
                );
                let entries = self.entries(&node, &allowed);
                let methods = entries
                    .iter()
                    .filter_map(|entry| self.method(entry, &allowed));
                Methods::Only(methods.collect())
            }
        };
        let manages_tenants = match fields.optional("manages_tenants") {
            None => Some(false),
            Some(node) => node.flag(&mut self.errors),
        };
        let means = ["keys", "tokens", "certificates"];
        if means.iter().all(|means| fields.optional(means).is_none()) {
            let problem = "has none of `keys`, `tokens`, `certificates`, so it could never call";
            let remedy = "give at least one of them; `openlines keys new` makes a key";
            self.errors.push(item.error(problem, remedy));
        }
        let remedy = "give at least one entry that `openlines keys new` prints";
        let keys = self.list(&fields, "keys", remedy, Self::key);
        let remedy = "give at least one token, or leave `tokens` out";
        let tokens = self.list(&fields, "tokens", remedy, Self::token);
        let remedy = "give at least one URI, or leave `certificates` out";
        let certificates = self.list(&fields, "certificates", remedy, Self::certificate);
        Some(ConfiguredCaller {
            name: name?,
            grants: grants?,
            methods,
            manages_tenants: manages_tenants?,
            keys,
            tokens,
            certificates,
        })
    }

    /// The entries of an optional list; if it is there, it must not be empty.
    fn list<T>(
        &mut self,
        fields: &Fields<'_>,
        key: &str,
        remedy: &str,
        entry: impl Fn(&mut Self, &Node<'_>) -> Option<T>,
    ) -> Vec<T> {
        let Some(list) = fields.optional(key) else {
            return Vec::new();
        };
        let entries = self.entries(&list, remedy);
        entries
            .iter()
            .filter_map(|node| entry(self, node))
            .collect()
    }

    /// The entries of a list that must not be empty.
    fn entries<'v>(&mut self, list: &Node<'v>, remedy: &str) -> Vec<Node<'v>> {
        let items = list.items(&mut self.errors);
        if items.as_ref().is_some_and(Vec::is_empty) {
            self.errors.push(list.error("is an empty list", remedy));
        }
        items.unwrap_or_default()
    }

    fn name(&mut self, node: &Node<'_>) -> Option<CallerName> {
        let error = match CallerName::parse(node.text(&mut self.errors)?) {
            Ok(name) if self.names.insert(name.clone()) => return Some(name),
            Ok(name) => node.error(
                format!("is the name `{name}`, which another caller already has"),
                "give each caller its own name",
            ),
            Err(error) => node.error("is not a caller name", error.to_string()),
        };
        self.errors.push(error);
        None
    }

    fn grant(&mut self, node: &Node<'_>) -> Option<GrantedTo> {
        let granted = GrantedTo::parse(node.text(&mut self.errors)?);
        granted
            .map_err(|error| {
                let rule = std::error::Error::source(&error).map(ToString::to_string);
                let error = node.error(error.to_string(), rule.unwrap_or_default());
                self.errors.push(error);
            })
            .ok()
    }

    fn method(&mut self, node: &Node<'_>, allowed: &str) -> Option<&'static str> {
        let method = Methods::named(node.text(&mut self.errors)?);
        method
            .map_err(|error| self.errors.push(node.error(error.to_string(), allowed)))
            .ok()
    }

    /// `<key id>:<hash>`, or the same below `entry`, with `expires`.
    fn key(&mut self, node: &Node<'_>) -> Option<ConfiguredKey> {
        if !node.is_mapping() {
            let entry = self.key_entry(node)?;
            let expires = None;
            return Some(ConfiguredKey { entry, expires });
        }
        let fields = node.fields(&["entry", "expires"], &mut self.errors)?;
        let entry = fields.required("entry", &mut self.errors);
        let entry = entry.and_then(|node| self.key_entry(&node));
        let expires = match fields.optional("expires") {
            None => None,
            Some(node) => Some(self.moment(&node)?),
        };
        Some(ConfiguredKey {
            entry: entry?,
            expires,
        })
    }

    fn key_entry(&mut self, node: &Node<'_>) -> Option<KeyEntry> {
        let error = match KeyEntry::parse(node.text(&mut self.errors)?) {
            Ok(entry) if self.key_ids.insert(entry.id().clone()) => return Some(entry),
            Ok(entry) => {
                let problem = format!("repeats the key id `{}`", entry.id());
                node.error(problem, "remove one of the two")
            }
            Err(error) => node.error(error.to_string(), ""),
        };
        self.errors.push(error);
        None
    }

    fn moment(&mut self, node: &Node<'_>) -> Option<Moment> {
        let moment = Moment::parse(node.text(&mut self.errors)?);
        let remedy = "give the first day on which the key no longer works";
        moment
            .map_err(|error| self.errors.push(node.error(error.to_string(), remedy)))
            .ok()
    }

    fn token(&mut self, node: &Node<'_>) -> Option<ConfiguredToken> {
        let fields = node.fields(&["issuer", "subject"], &mut self.errors)?;
        let issuer = fields.required("issuer", &mut self.errors);
        let subject = fields.required("subject", &mut self.errors);
        let issuer = issuer.and_then(|node| self.issuer(&node));
        let place = subject.as_ref()?;
        let subject = place.text(&mut self.errors)?;
        let issuer = issuer?;
        if subject.is_empty() {
            let remedy = "give the value of the claim that names the caller";
            self.errors.push(place.error("is empty", remedy));
            return None;
        }
        if !self
            .subjects
            .insert((Arc::clone(&issuer), subject.to_owned()))
        {
            let problem = "is a subject that another caller already has";
            self.errors
                .push(place.error(problem, "remove one of the two"));
            return None;
        }
        let subject = subject.into();
        Some(ConfiguredToken { issuer, subject })
    }

    fn issuer(&mut self, node: &Node<'_>) -> Option<Arc<str>> {
        let text = node.text(&mut self.errors)?;
        let Some(issuers) = self.issuers else {
            return Some(text.into());
        };
        let found = issuers.iter().find(|issuer| &***issuer == text).cloned();
        if found.is_none() {
            let problem = "is not an issuer of auth.issuers";
            let remedy = "give the same text there, with the issuer's audience and keys";
            self.errors.push(node.error(problem, remedy));
        }
        found
    }

    fn certificate(&mut self, node: &Node<'_>) -> Option<Arc<str>> {
        let text = node.text(&mut self.errors)?;
        if let Err(error) = certificate_uri::check(text) {
            self.errors.push(node.error(error.to_string(), ""));
            return None;
        }
        let uri: Arc<str> = text.into();
        if !self.certificates.insert(Arc::clone(&uri)) {
            let problem = "is a certificate that another caller already has";
            self.errors
                .push(node.error(problem, "remove one of the two"));
            return None;
        }
        Some(uri)
    }
}

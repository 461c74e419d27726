//! `auth.*`: the callers.

use std::collections::BTreeSet;
use std::path::PathBuf;

use super::{CallerName, GrantedTo, Grants, KeyEntry, KeyId};
use crate::settings::form::{file, words};
use crate::settings::{Document, Node, Origin, Reader, SettingErrors, table};

/// How callers authenticate.
#[derive(Clone, Debug)]
pub enum Auth {
    /// With API keys. At least one caller; names and key ids are unique.
    ApiKeys(Vec<ConfiguredCaller>),
    /// Not at all: every peer may act for every tenant. On loopback addresses only.
    DangerousNone,
}

#[derive(Clone, Debug)]
pub struct ConfiguredCaller {
    /// The caller's name in logs.
    pub name: CallerName,
    /// The tenants it may act for; at least one.
    pub grants: Grants,
    /// Whether it may manage these tenants, too.
    pub manages_tenants: bool,
    /// Ids and hashes of its keys; at least one, two during a rotation.
    pub keys: Vec<KeyEntry>,
}

table! {
    struct Mode {
        /// `api_keys`: callers send `authorization: Bearer <key>`. `dangerous_none`: any peer that
        /// can connect may act for every tenant; refused unless `server.listen` is a loopback
        /// address.
        open: bool =
            "auth.mode" => words(&[("api_keys", false), ("dangerous_none", true)]),
            default "api_keys";

        /// A YAML file with the list `callers`, in place of `auth.callers`.
        callers_file: Option<PathBuf> = "auth.callers_file" => file();
    }
}

impl Auth {
    /// Reads the mode and the callers; `None` after an error.
    pub(crate) fn read(reader: &mut Reader<'_>) -> Option<Self> {
        let mode = Mode::read(reader);
        let inline = reader.structure(
            "auth.callers",
            "The callers, described above. At least one with `api_keys`, none with \
             `dangerous_none`.",
            "a list of callers",
        );
        let callers = callers(reader, inline, mode.as_ref()?.callers_file.clone())?;
        if mode?.open {
            if callers.is_some() {
                let problem = "is given, though auth.mode is dangerous_none";
                let remedy = "remove the callers or set auth.mode: api_keys";
                reader.refuse("auth.callers", problem, remedy);
            }
            return Some(Self::DangerousNone);
        }
        if callers.is_none() {
            let problem = "is missing, so no call could authenticate";
            let remedy = "give at least one, with a key from `openlines keys new`";
            reader.refuse("auth.callers", problem, remedy);
        }
        callers.map(Self::ApiKeys)
    }
}

/// Reads the callers from either place. `None` if both are given, `Some(None)` if neither is.
fn callers(
    reader: &mut Reader<'_>,
    inline: Option<Node<'_>>,
    file: Option<PathBuf>,
) -> Option<Option<Vec<ConfiguredCaller>>> {
    let mut reading = Reading::default();
    let callers = match (inline, file) {
        (None, None) => None,
        (Some(_), Some(_)) => {
            let problem = "is given together with auth.callers";
            reader.refuse("auth.callers_file", problem, "give one of the two");
            return None;
        }
        (Some(list), None) => Some(reading.callers(&list)),
        (None, Some(path)) => Some(match Document::read(&path, "callers file") {
            Ok(document) => reading.document(&document),
            Err(error) => {
                reading.errors.push(error);
                Vec::new()
            }
        }),
    };
    reader.errors.extend(reading.errors);
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
#[derive(Default)]
struct Reading {
    names: BTreeSet<CallerName>,
    key_ids: BTreeSet<KeyId>,
    errors: SettingErrors,
}

impl Reading {
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
        let known = ["name", "tenants", "manages_tenants", "keys"];
        let fields = item.fields(&known, &mut self.errors)?;
        let name = fields.required("name", &mut self.errors);
        let name = name.and_then(|node| self.name(&node));
        let grants = fields.required("tenants", &mut self.errors).map(|node| {
            let entries = self.entries(&node, "give tenant ids, or \"*\" for every tenant");
            entries
                .iter()
                .filter_map(|entry| self.grant(entry))
                .collect()
        });
        let manages_tenants = match fields.optional("manages_tenants") {
            None => Some(false),
            Some(node) => node.flag(&mut self.errors),
        };
        let keys = fields.required("keys", &mut self.errors).map(|node| {
            let remedy = "give at least one entry that `openlines keys new` prints";
            let entries = self.entries(&node, remedy);
            entries.iter().filter_map(|entry| self.key(entry)).collect()
        });
        Some(ConfiguredCaller {
            name: name?,
            grants: grants?,
            manages_tenants: manages_tenants?,
            keys: keys?,
        })
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

    fn key(&mut self, node: &Node<'_>) -> Option<KeyEntry> {
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
}

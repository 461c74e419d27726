//! `auth.*`: who may call.

use std::collections::BTreeSet;
use std::net::SocketAddr;

use super::document::Document;
use super::fault::Faults;
use super::node::Node;
use super::reader::{Origin, Reader};
use super::server::LISTEN;
use super::setting::{Form, Setting};
use crate::auth::{CallerName, GrantedTo, Grants, KeyEntry, KeyId};

/// Who may call.
#[derive(Clone, Debug)]
pub enum Auth {
    /// Callers prove themselves with API keys. The default; at least one caller, no name and no key
    /// id twice.
    ApiKeys(Vec<ConfiguredCaller>),
    /// Everybody who can connect may act for every tenant; only on a loopback address.
    DangerousNone,
}

/// One of `auth.callers`.
#[derive(Clone, Debug)]
pub struct ConfiguredCaller {
    /// How the caller is named in logs.
    pub name: CallerName,
    /// The tenants it may act for; at least one.
    pub grants: Grants,
    /// Whether it may manage those tenants, too.
    pub manages_tenants: bool,
    /// Ids and hashes of its keys; at least one, two during a rotation.
    pub keys: Vec<KeyEntry>,
}

#[derive(Clone, Copy)]
enum Mode {
    ApiKeys,
    DangerousNone,
}

pub(super) const SETTINGS: &[&Setting] = &[&MODE, &CALLERS, &CALLERS_FILE];

static MODE: Setting = Setting {
    path: "auth.mode",
    form: Form::Word(&["api_keys", "dangerous_none"]),
    default: Some("api_keys"),
    meaning: "`api_keys`: callers send `authorization: Bearer <key>`. `dangerous_none`: everybody who can connect \
              may act for every tenant; refused unless `server.listen` is a loopback address.",
};
static CALLERS: Setting = Setting {
    path: "auth.callers",
    form: Form::Callers,
    default: None,
    meaning: "Who may call, described below. At least one with `api_keys`, none with `dangerous_none`.",
};
static CALLERS_FILE: Setting = Setting {
    path: "auth.callers_file",
    form: Form::File,
    default: None,
    meaning: "A YAML file with the list `callers`, in place of `auth.callers`.",
};

impl Auth {
    pub(super) fn read(reader: &mut Reader<'_>, listen: Option<SocketAddr>) -> Option<Self> {
        let mode = reader.word(
            &MODE,
            &[
                ("api_keys", Mode::ApiKeys),
                ("dangerous_none", Mode::DangerousNone),
            ],
        );
        let callers = read_callers(reader);
        match mode? {
            Mode::ApiKeys => {
                let callers = callers?;
                if callers.is_none() {
                    let remedy = "give at least one, with a key from `openlines keys new`";
                    reader.refuse(&CALLERS, "is missing, so nobody could call", remedy);
                }
                callers.map(Self::ApiKeys)
            }
            Mode::DangerousNone => {
                if listen.is_some_and(|listen| !listen.ip().is_loopback()) {
                    let problem = "the word dangerous_none is refused, because server.listen is no loopback \
                                   address and anybody could send messages";
                    let remedy =
                        format!("set it to api_keys, or {} to 127.0.0.1:50051", LISTEN.path);
                    reader.refuse(&MODE, problem, &remedy);
                }
                if callers?.is_some() {
                    let problem = "is given, though auth.mode asks nobody for a key";
                    reader.refuse(
                        &CALLERS,
                        problem,
                        "remove the callers or set auth.mode: api_keys",
                    );
                }
                Some(Self::DangerousNone)
            }
        }
    }
}

/// `None` after a fault that leaves nothing to judge, `Some(None)` if no callers were given.
fn read_callers(reader: &mut Reader<'_>) -> Option<Option<Vec<ConfiguredCaller>>> {
    let inline = reader.structure(&CALLERS);
    let file = reader.file(&CALLERS_FILE)?;
    let mut faults = Faults::default();
    let callers = match (inline, file) {
        (None, None) => None,
        (Some(_), Some(_)) => {
            let problem = "is given together with auth.callers";
            reader.refuse(&CALLERS_FILE, problem, "give one of the two");
            return None;
        }
        (Some(list), None) => Some(callers(&list, &mut faults)),
        (None, Some(path)) => match Document::read(&path, "callers file") {
            Ok(document) => {
                let fields = document.root().fields(&["callers"], &mut faults);
                let list = fields.and_then(|fields| fields.required("callers", &mut faults));
                Some(
                    list.map(|list| callers(&list, &mut faults))
                        .unwrap_or_default(),
                )
            }
            Err(fault) => {
                faults.push(fault);
                Some(Vec::new())
            }
        },
    };
    reader.faults.extend(faults);
    let names: Vec<&str> = callers
        .iter()
        .flatten()
        .map(|caller| caller.name.as_str())
        .collect();
    let origin = if callers.is_some() {
        Origin::File
    } else {
        Origin::Default
    };
    reader.record(&CALLERS, names.join(","), origin);
    Some(callers)
}

fn callers(list: &Node<'_>, faults: &mut Faults) -> Vec<ConfiguredCaller> {
    let mut names = BTreeSet::new();
    let mut key_ids = BTreeSet::new();
    let Some(items) = list.items(faults) else {
        return Vec::new();
    };
    if items.is_empty() {
        faults.push(list.fault(
            "is an empty list, so nobody could call",
            "give at least one caller",
        ));
    }
    let callers = items
        .iter()
        .filter_map(|item| caller(item, &mut names, &mut key_ids, faults));
    callers.collect()
}

fn caller(
    item: &Node<'_>,
    names: &mut BTreeSet<CallerName>,
    key_ids: &mut BTreeSet<KeyId>,
    faults: &mut Faults,
) -> Option<ConfiguredCaller> {
    let fields = item.fields(&["name", "tenants", "manages_tenants", "keys"], faults)?;
    let name = fields
        .required("name", faults)
        .and_then(|node| name(&node, names, faults));
    let grants = fields.required("tenants", faults).map(|node| {
        entries(&node, "give tenant ids, or \"*\" for every tenant", faults)
            .iter()
            .filter_map(|entry| grant(entry, faults))
            .collect::<Grants>()
    });
    let manages_tenants = match fields.optional("manages_tenants") {
        None => Some(false),
        Some(node) => node.flag(faults),
    };
    let keys = fields.required("keys", faults).map(|node| {
        entries(
            &node,
            "give at least one entry that `openlines keys new` prints",
            faults,
        )
        .iter()
        .filter_map(|entry| key(entry, key_ids, faults))
        .collect::<Vec<KeyEntry>>()
    });
    Some(ConfiguredCaller {
        name: name?,
        grants: grants?,
        manages_tenants: manages_tenants?,
        keys: keys?,
    })
}

/// The entries of a list that must not be empty.
fn entries<'v>(list: &Node<'v>, remedy: &str, faults: &mut Faults) -> Vec<Node<'v>> {
    let items = list.items(faults);
    if items.as_ref().is_some_and(Vec::is_empty) {
        faults.push(list.fault("is an empty list", remedy));
    }
    items.unwrap_or_default()
}

fn name(
    node: &Node<'_>,
    names: &mut BTreeSet<CallerName>,
    faults: &mut Faults,
) -> Option<CallerName> {
    match CallerName::parse(node.text(faults)?) {
        Ok(name) if names.insert(name.clone()) => Some(name),
        Ok(name) => {
            let problem = format!("is the name `{name}`, which another caller has already");
            faults.push(node.fault(problem, "give each caller its own name"));
            None
        }
        Err(error) => {
            faults.push(node.fault("is no name of a caller", error.to_string()));
            None
        }
    }
}

fn grant(node: &Node<'_>, faults: &mut Faults) -> Option<GrantedTo> {
    let text = node.text(faults)?;
    GrantedTo::parse(text)
        .map_err(|error| {
            let rule = std::error::Error::source(&error).map(ToString::to_string);
            faults.push(node.fault(error.to_string(), rule.unwrap_or_default()));
        })
        .ok()
}

fn key(node: &Node<'_>, key_ids: &mut BTreeSet<KeyId>, faults: &mut Faults) -> Option<KeyEntry> {
    match KeyEntry::parse(node.text(faults)?) {
        Ok(entry) if key_ids.insert(entry.id().clone()) => Some(entry),
        Ok(entry) => {
            let problem = format!("has the key id `{}`, which stands here already", entry.id());
            faults.push(node.fault(problem, "remove one of the two"));
            None
        }
        Err(error) => {
            faults.push(node.fault(error.to_string(), ""));
            None
        }
    }
}

//! One place in a YAML tree, with the path that leads to it.

use std::collections::BTreeMap;

use serde_json::Value;

use super::document::is_quotable;
use super::fault::{Fault, Faults};

/// A value in a file, and where it stands. Reading it with the wrong type adds a fault instead of
/// stopping.
#[derive(Clone, Debug)]
pub(crate) struct Node<'v> {
    value: &'v Value,
    path: String,
    file: &'v str,
}

/// The fields of a mapping whose keys are all known.
#[derive(Debug)]
pub(crate) struct Fields<'v> {
    parent: Node<'v>,
    fields: BTreeMap<&'v str, Node<'v>>,
}

impl<'v> Node<'v> {
    pub(super) fn root(value: &'v Value, file: &'v str) -> Self {
        Self {
            value,
            path: String::new(),
            file,
        }
    }

    /// A node of another tree: a setting that is a structure of its own.
    pub(super) fn at(path: &str, value: &'v Value, file: &'v str) -> Self {
        Self {
            value,
            path: path.to_owned(),
            file,
        }
    }

    /// A fault at this place.
    pub(crate) fn fault(&self, problem: impl Into<String>, remedy: impl Into<String>) -> Fault {
        let place = match self.path.as_str() {
            "" => self.file.to_owned(),
            path => format!("{path} in {}", self.file),
        };
        Fault::new(place, problem, remedy)
    }

    /// Reads a mapping; keys outside `known` are faults, and so is `null`.
    pub(crate) fn fields(&self, known: &[&str], faults: &mut Faults) -> Option<Fields<'v>> {
        let Some(object) = self.value.as_object() else {
            faults.push(self.wrong_kind(&format!("a mapping with {}", list(known))));
            return None;
        };
        let mut fields = BTreeMap::new();
        for (key, value) in object {
            let node = Self {
                value,
                path: self.child_path(key),
                file: self.file,
            };
            if known.contains(&key.as_str()) {
                fields.insert(key.as_str(), node);
            } else {
                let remedy = format!("remove it; known here: {}", list(known));
                faults.push(node.fault("is an unknown key", remedy));
            }
        }
        Some(Fields {
            parent: self.clone(),
            fields,
        })
    }

    /// Reads a list.
    pub(crate) fn items(&self, faults: &mut Faults) -> Option<Vec<Self>> {
        let Some(items) = self.value.as_array() else {
            faults.push(self.wrong_kind("a list"));
            return None;
        };
        let items = items.iter().enumerate().map(|(index, value)| Self {
            value,
            path: format!("{}[{index}]", self.path),
            file: self.file,
        });
        Some(items.collect())
    }

    /// Reads a text.
    pub(crate) fn text(&self, faults: &mut Faults) -> Option<&'v str> {
        let text = self.value.as_str();
        if text.is_none() {
            let expected = if self.value.is_number() || self.value.is_boolean() {
                // YAML has already changed the value, for example cut leading zeros.
                "a text; put it in quotes"
            } else {
                "a text"
            };
            faults.push(self.wrong_kind(expected));
        }
        text
    }

    /// Reads a whole number of at least `minimum`.
    pub(crate) fn whole(&self, minimum: u64, faults: &mut Faults) -> Option<u64> {
        let number = self.value.as_u64();
        let expected = format!("a whole number of at least {minimum}");
        match number {
            None => faults.push(self.wrong_kind(&expected)),
            Some(number) if number < minimum => {
                faults.push(self.fault("is too small", format!("give {expected}")));
            }
            Some(_) => return number,
        }
        None
    }

    /// Reads a number, whole or not.
    pub(crate) fn number(&self, faults: &mut Faults) -> Option<f64> {
        let number = self.value.as_f64();
        if number.is_none() {
            faults.push(self.wrong_kind("a number"));
        }
        number
    }

    /// Whether a mapping stands here, where a text may stand, too.
    pub(crate) fn is_mapping(&self) -> bool {
        self.value.is_object()
    }

    /// `true` or `false`.
    pub(crate) fn flag(&self, faults: &mut Faults) -> Option<bool> {
        let flag = self.value.as_bool();
        if flag.is_none() {
            faults.push(self.wrong_kind("true or false"));
        }
        flag
    }

    fn wrong_kind(&self, expected: &str) -> Fault {
        self.fault(
            format!("is {}", kind(self.value)),
            format!("give {expected}"),
        )
    }

    fn child_path(&self, key: &str) -> String {
        let key = if is_quotable(key) {
            key
        } else {
            "(unprintable key)"
        };
        match self.path.as_str() {
            "" => key.to_owned(),
            path => format!("{path}.{key}"),
        }
    }
}

impl<'v> Fields<'v> {
    /// The field, or a fault if it is missing.
    pub(crate) fn required(&self, key: &str, faults: &mut Faults) -> Option<Node<'v>> {
        let field = self.optional(key);
        if field.is_none() {
            faults.push(self.parent.fault(format!("has no `{key}`"), "add it"));
        }
        field
    }

    /// The field, if it is there.
    pub(crate) fn optional(&self, key: &str) -> Option<Node<'v>> {
        self.fields.get(key).cloned()
    }

    /// The only field among `keys`, or a fault if there is none or more than one.
    pub(crate) fn exactly_one(
        &self,
        keys: &[&'static str],
        faults: &mut Faults,
    ) -> Option<(&'static str, Node<'v>)> {
        let mut given = keys
            .iter()
            .filter_map(|key| Some((*key, self.optional(key)?)));
        match (given.next(), given.next()) {
            (Some(one), None) => Some(one),
            (first, _) => {
                let count = if first.is_none() {
                    "none"
                } else {
                    "more than one"
                };
                let problem = format!("has {count} of {}", list(keys));
                faults.push(self.parent.fault(problem, "give exactly one of them"));
                None
            }
        }
    }
}

/// The kind of a value in the words of a fault; never the value.
pub(super) fn kind(value: &Value) -> &'static str {
    match value {
        Value::Null => "empty",
        Value::Bool(_) => "a boolean",
        Value::Number(number) if number.is_u64() => "a whole number",
        Value::Number(_) => "a number",
        Value::String(_) => "a text",
        Value::Array(_) => "a list",
        Value::Object(_) => "a mapping",
    }
}

fn list(keys: &[&str]) -> String {
    keys.iter()
        .map(|key| format!("`{key}`"))
        .collect::<Vec<_>>()
        .join(", ")
}

//! A value in a YAML tree, with its path.

use std::collections::BTreeMap;

use serde_json::Value;

use super::error::{SettingError, SettingErrors};
use super::key::{nested, shown};

/// A value in a file, with its path. Reading it with the wrong type adds an error.
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

    /// The value of a setting that is a structure.
    pub(super) fn at(path: &str, value: &'v Value, file: &'v str) -> Self {
        Self {
            value,
            path: path.to_owned(),
            file,
        }
    }

    /// An error at this place.
    pub(crate) fn error(
        &self,
        problem: impl Into<String>,
        remedy: impl Into<String>,
    ) -> SettingError {
        let place = match self.path.as_str() {
            "" => self.file.to_owned(),
            path => format!("{path} in {}", self.file),
        };
        SettingError::new(place, problem, remedy)
    }

    /// Reads a mapping; keys outside `known` are errors, and so is `null`.
    pub(crate) fn fields(&self, known: &[&str], errors: &mut SettingErrors) -> Option<Fields<'v>> {
        let Some(object) = self.value.as_object() else {
            errors.push(self.wrong_kind(&format!("a mapping with {}", list(known))));
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
                let remedy = match key.split_once('.') {
                    Some((parent, _)) if known.contains(&parent) => {
                        format!("nest the keys: {}", nested(shown(key)))
                    }
                    _ => format!("remove it; known here: {}", list(known)),
                };
                errors.push(node.error("is an unknown key", remedy));
            }
        }
        Some(Fields {
            parent: self.clone(),
            fields,
        })
    }

    /// Reads a list.
    pub(crate) fn items(&self, errors: &mut SettingErrors) -> Option<Vec<Self>> {
        let Some(items) = self.value.as_array() else {
            errors.push(self.wrong_kind("a list"));
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
    pub(crate) fn text(&self, errors: &mut SettingErrors) -> Option<&'v str> {
        let text = self.value.as_str();
        if text.is_none() {
            let expected = if self.value.is_number() || self.value.is_boolean() {
                // YAML has already changed the value, for example cut leading zeros.
                "a text; put it in quotes"
            } else {
                "a text"
            };
            errors.push(self.wrong_kind(expected));
        }
        text
    }

    /// Reads a whole number of at least `minimum`.
    pub(crate) fn whole(&self, minimum: u64, errors: &mut SettingErrors) -> Option<u64> {
        let number = self.value.as_u64();
        let expected = format!("a whole number of at least {minimum}");
        match number {
            None => errors.push(self.wrong_kind(&expected)),
            Some(number) if number < minimum => {
                errors.push(self.error("is too small", format!("give {expected}")));
            }
            Some(_) => return number,
        }
        None
    }

    /// Reads a number, whole or not.
    pub(crate) fn number(&self, errors: &mut SettingErrors) -> Option<f64> {
        let number = self.value.as_f64();
        if number.is_none() {
            errors.push(self.wrong_kind("a number"));
        }
        number
    }

    /// Whether this is a mapping, where a text is allowed, too.
    pub(crate) fn is_mapping(&self) -> bool {
        self.value.is_object()
    }

    /// `true` or `false`.
    pub(crate) fn flag(&self, errors: &mut SettingErrors) -> Option<bool> {
        let flag = self.value.as_bool();
        if flag.is_none() {
            errors.push(self.wrong_kind("true or false"));
        }
        flag
    }

    fn wrong_kind(&self, expected: &str) -> SettingError {
        self.error(
            format!("is {}", kind(self.value)),
            format!("give {expected}"),
        )
    }

    fn child_path(&self, key: &str) -> String {
        let key = shown(key);
        match self.path.as_str() {
            "" => key.to_owned(),
            path => format!("{path}.{key}"),
        }
    }
}

impl<'v> Fields<'v> {
    /// The field, or an error if it is missing.
    pub(crate) fn required(&self, key: &str, errors: &mut SettingErrors) -> Option<Node<'v>> {
        let field = self.optional(key);
        if field.is_none() {
            errors.push(self.parent.error(format!("has no `{key}`"), "add it"));
        }
        field
    }

    /// The field, if it is there.
    pub(crate) fn optional(&self, key: &str) -> Option<Node<'v>> {
        self.fields.get(key).cloned()
    }

    /// The only field among `keys`, or an error if there is none or more than one.
    pub(crate) fn exactly_one(
        &self,
        keys: &[&'static str],
        errors: &mut SettingErrors,
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
                errors.push(self.parent.error(problem, "give exactly one of them"));
                None
            }
        }
    }
}

/// The kind of a value as errors name it; never the value.
pub(super) fn kind(value: &Value) -> &'static str {
    match value {
        Value::Null => "empty",
        Value::Bool(_) => "a boolean",
        Value::Number(number) if number.is_u64() => "a whole number",
        Value::Number(number) if number.is_i64() => "a negative number",
        Value::Number(_) => "a number that is not whole",
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

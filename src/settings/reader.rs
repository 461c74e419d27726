//! Takes settings one by one from environment, file and defaults, and collects the errors.

use std::collections::BTreeSet;

use serde_json::Value;

use super::document::Document;
use super::environment::{Environment, NotUnicode};
use super::error::{SettingError, SettingErrors};
use super::form::{Form, Given, Invalid};
use super::node::Node;
use super::setting::{Effective, Origin, Setting, variable};
use super::unknown;

/// One pass over all settings. Reading a setting makes it known.
#[derive(Debug)]
pub(crate) struct Reader<'a> {
    document: &'a Document,
    environment: &'a Environment,
    /// Variables with our prefix that are not settings, and are not misspelt ones either.
    pub(crate) other_variables: BTreeSet<String>,
    pub(crate) errors: SettingErrors,
    known: Vec<Setting>,
    effective: Vec<Effective>,
}

/// The results of a pass.
#[derive(Debug)]
pub(crate) struct Pass {
    pub(crate) errors: SettingErrors,
    /// The settings that were read, in this order.
    pub(crate) known: Vec<Setting>,
    pub(crate) effective: Vec<Effective>,
}

impl<'a> Reader<'a> {
    pub(crate) fn new(document: &'a Document, environment: &'a Environment) -> Self {
        Self {
            document,
            environment,
            other_variables: BTreeSet::new(),
            errors: SettingErrors::default(),
            known: Vec::new(),
            effective: Vec::new(),
        }
    }

    /// Adds the errors of keys and variables that no setting has.
    pub(crate) fn finish(mut self) -> Pass {
        self.errors
            .extend(unknown::keys(self.document, &self.known));
        self.errors.extend(unknown::variables(
            self.environment,
            &self.known,
            &self.other_variables,
        ));
        Pass {
            errors: self.errors,
            known: self.known,
            effective: self.effective,
        }
    }

    /// Adds an error about a setting that was read. `problem` follows its name.
    pub(crate) fn refuse(&mut self, path: &str, problem: &str, remedy: &str) {
        let setting = self.known.iter().find(|setting| setting.path == path);
        let place = setting.map_or_else(|| path.to_owned(), Setting::place);
        self.errors.push(SettingError::new(place, problem, remedy));
    }

    /// Adds an error about the value of a setting that was read, with the allowed values.
    pub(crate) fn refuse_value(&mut self, path: &str, problem: &str) {
        let origin = self
            .in_force(path)
            .map_or(Origin::Default, |(_, origin)| origin);
        let setting = self.known.iter().find(|setting| setting.path == path);
        let remedy = setting.map(|setting| format!("give {}", setting.allowed));
        let problem = format!("the value from {origin} {problem}");
        self.refuse(path, &problem, &remedy.unwrap_or_default());
    }

    /// The value in force of a setting that was read and is valid.
    pub(crate) fn in_force(&self, path: &str) -> Option<(&str, Origin)> {
        let found = self.effective.iter().find(|found| found.path == path)?;
        Some((&found.value, found.origin))
    }

    /// Reads a setting with a default; `None` after an error.
    pub(crate) fn required<T: 'static>(
        &mut self,
        path: &'static str,
        meaning: &'static str,
        form: &Form<T>,
        default: &'static str,
    ) -> Option<T> {
        self.take(path, meaning, form, Some(default)).flatten()
    }

    /// Reads a setting without a default; `None` after an error.
    pub(crate) fn optional<T: 'static>(
        &mut self,
        path: &'static str,
        meaning: &'static str,
        form: &Form<T>,
    ) -> Option<Option<T>> {
        self.take(path, meaning, form, None)
    }

    /// Takes a structure from the file, if it is there. No variable can hold one.
    pub(crate) fn structure(
        &mut self,
        path: &'static str,
        meaning: &'static str,
        allowed: &str,
        schema: Value,
    ) -> Option<Node<'a>> {
        self.known.push(Setting {
            path,
            variable: None,
            default: None,
            allowed: allowed.to_owned(),
            schema,
            list: false,
            meaning,
        });
        let value = lookup(self.document.value(), path)?;
        Some(Node::at(path, value, self.document.name()))
    }

    /// Records the value in force of a setting.
    pub(crate) fn record(&mut self, path: &'static str, value: String, origin: Origin) {
        self.effective.push(Effective {
            path,
            value,
            origin,
        });
    }

    fn take<T: 'static>(
        &mut self,
        path: &'static str,
        meaning: &'static str,
        form: &Form<T>,
        default: Option<&'static str>,
    ) -> Option<Option<T>> {
        let setting = Setting {
            path,
            variable: Some(variable(path)),
            default,
            allowed: form.allowed.clone(),
            schema: form.schema.clone(),
            list: form.list,
            meaning,
        };
        let remedy = format!("give {}", setting.allowed);
        let given = self.given(&setting);
        self.known.push(setting);
        let (given, origin) = match given {
            Ok(Some(given)) => given,
            Ok(None) => {
                self.record(path, String::new(), Origin::Default);
                return Some(None);
            }
            Err(NotUnicode) => {
                let problem = "the value from the environment is not Unicode text";
                self.refuse(path, problem, &remedy);
                return None;
            }
        };
        match form.parse(given) {
            Ok(parsed) => {
                let value = if form.secret {
                    "(secret)".to_owned()
                } else {
                    given.to_string()
                };
                self.record(path, value, origin);
                return Some(Some(parsed));
            }
            Err(Invalid::Value(problem)) => {
                let problem = format!("the value from {origin} {problem}");
                self.refuse(path, &problem, &remedy);
            }
            Err(Invalid::Parts(problems)) => {
                for problem in problems {
                    self.refuse(path, &problem, "");
                }
            }
        }
        None
    }

    fn given(&self, setting: &Setting) -> Result<Option<(Given<'a>, Origin)>, NotUnicode> {
        let name = setting.variable.as_deref();
        if let Some(text) = name.and_then(|name| self.environment.get(name)) {
            return Ok(Some((Given::Text(text?), Origin::Environment)));
        }
        if let Some(value) = lookup(self.document.value(), setting.path) {
            return Ok(Some((Given::Tree(value), Origin::File)));
        }
        let default = setting.default;
        Ok(default.map(|text| (Given::Text(text), Origin::Default)))
    }
}

fn lookup<'v>(tree: &'v Value, path: &str) -> Option<&'v Value> {
    path.split('.').try_fold(tree, |value, key| value.get(key))
}

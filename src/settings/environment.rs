//! The environment variables of the process, captured once.

use std::collections::BTreeMap;
use std::fmt;

/// A copy of environment variables. Its `Debug` shows no value: some of them are secrets.
#[derive(Clone, Default)]
pub struct Environment {
    variables: BTreeMap<String, Result<String, NotUnicode>>,
    /// Whether files with secrets may be readable by everybody.
    allows_world_readable: bool,
}

/// The value of a variable is not Unicode text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NotUnicode;

impl Environment {
    /// Copies the variables of this process, except those whose name is not Unicode: no setting has
    /// such a name.
    pub fn of_process() -> Self {
        let variables = std::env::vars_os()
            .filter_map(|(name, value)| {
                Some((
                    name.into_string().ok()?,
                    value.into_string().map_err(|_| NotUnicode),
                ))
            })
            .collect();
        Self {
            variables,
            allows_world_readable: false,
        }
    }

    /// The same environment, by `files.dangerous_world_readable`.
    pub(crate) fn with_world_readable_files(&self, allowed: bool) -> Self {
        Self {
            allows_world_readable: allowed,
            ..self.clone()
        }
    }

    /// Whether files with secrets may be readable by every user of the machine.
    pub(crate) fn allows_world_readable(&self) -> bool {
        self.allows_world_readable
    }

    /// The value of a variable, if it is set.
    pub fn get(&self, name: &str) -> Option<Result<&str, NotUnicode>> {
        let value = self.variables.get(name)?;
        Some(value.as_ref().map(String::as_str).map_err(|error| *error))
    }

    /// The names of all variables that start with `prefix`, in alphabetical order.
    pub(crate) fn names_with<'a>(&'a self, prefix: &'a str) -> impl Iterator<Item = &'a str> {
        self.variables
            .keys()
            .map(String::as_str)
            .filter(move |name| name.starts_with(prefix))
    }
}

/// An environment made by hand, for tests and the demo.
impl FromIterator<(String, String)> for Environment {
    fn from_iter<Variables: IntoIterator<Item = (String, String)>>(variables: Variables) -> Self {
        let variables = variables
            .into_iter()
            .map(|(name, value)| (name, Ok(value)))
            .collect();
        Self {
            variables,
            allows_world_readable: false,
        }
    }
}

impl fmt::Debug for Environment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Environment")
            .field("variables", &self.variables.len())
            .finish()
    }
}

#[cfg(test)]
mod tests {
    use serde_json::Value;

    use super::{Environment, NotUnicode};
    use crate::settings::{Document, Reader, form};

    #[test]
    fn debug_output_shows_no_value() {
        let environment = Environment::from_iter([("A".to_owned(), "s3cr3tcanary".to_owned())]);
        assert_eq!(environment.get("A"), Some(Ok("s3cr3tcanary")));
        assert!(!format!("{environment:?}").contains("s3cr3tcanary"));
    }

    #[test]
    fn a_setting_that_is_not_unicode_is_an_error_and_not_absent() {
        let variables = [("OPENLINES_A_B".to_owned(), Err(NotUnicode))].into();
        let environment = Environment {
            variables,
            ..Environment::default()
        };
        let document = Document::without_file(Value::Null);
        let mut reader = Reader::new(&document, &environment);
        let read = reader.required("a.b", "", &form::flag(), "false");
        assert_eq!(read, None);
        let errors = reader.finish().errors.to_string();
        assert!(errors.contains("a.b (OPENLINES_A_B)"), "{errors}");
        assert!(errors.contains("not Unicode"), "{errors}");
    }

    #[test]
    fn the_process_has_an_environment() {
        assert!(Environment::of_process().names_with("").count() > 0);
    }
}

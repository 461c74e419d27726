//! The JSON body of a control request, taken apart field by field so that a fault names its field.

use serde::de::DeserializeOwned;
use serde_json::{Map, Value};

/// A field of a control request that is missing, unknown or wrong.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct BadField {
    pub(super) field: String,
    pub(super) problem: String,
}

impl BadField {
    pub(super) fn new(field: &str, problem: impl ToString) -> Self {
        Self {
            field: field.to_owned(),
            problem: problem.to_string(),
        }
    }
}

/// The fields that have not been taken yet.
#[derive(Debug)]
pub(super) struct Fields(Map<String, Value>);

impl From<Map<String, Value>> for Fields {
    fn from(fields: Map<String, Value>) -> Self {
        Self(fields)
    }
}

impl Fields {
    /// No fields, as of a request without a body.
    pub(super) fn none() -> Self {
        Self(Map::new())
    }

    /// Reads a body, which must be a JSON object.
    pub(super) fn read(body: &[u8]) -> Result<Self, BadField> {
        serde_json::from_slice(body)
            .map(Self)
            .map_err(|error| BadField::new("", error))
    }

    /// Takes a field out; `null` counts as not given.
    pub(super) fn take<T: DeserializeOwned>(&mut self, name: &str) -> Result<Option<T>, BadField> {
        let value = self.0.remove(name).filter(|value| !value.is_null());
        let value = value.map(serde_json::from_value).transpose();
        value.map_err(|error| BadField::new(name, error))
    }

    /// The text of a field that has not been taken yet.
    pub(super) fn peek(&self, name: &str) -> Option<&str> {
        self.0.get(name)?.as_str()
    }

    /// Takes out a field that must be given.
    pub(super) fn require<T: DeserializeOwned>(&mut self, name: &str) -> Result<T, BadField> {
        self.take(name)?
            .ok_or_else(|| BadField::new(name, "is required"))
    }

    /// The names of what nobody took.
    pub(super) fn left(&self) -> impl Iterator<Item = &str> {
        self.0.keys().map(String::as_str)
    }

    /// Refuses what nobody took.
    pub(super) fn finish(self) -> Result<(), BadField> {
        self.left()
            .next()
            .map_or(Ok(()), |name| Err(BadField::new(name, "is unknown here")))
    }

    /// The fields one by one, for a body whose fields are known elsewhere.
    pub(super) fn into_map(self) -> Map<String, Value> {
        self.0
    }
}

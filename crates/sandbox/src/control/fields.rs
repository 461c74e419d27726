//! The JSON body of a control request, taken apart field by field so that an error names its field.

use std::sync::Arc;

use http::Method;
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value};

use crate::request::HttpRequest;
use crate::simulator::{RunningPortal, Simulator};

/// Why a control request was refused.
pub(crate) enum ControlError {
    Field(FieldError),
    NotFound,
    MethodNotAllowed,
    /// A page of another site sent it.
    OtherSite,
    TooManyViewers,
}

impl From<FieldError> for ControlError {
    fn from(error: FieldError) -> Self {
        Self::Field(error)
    }
}

/// A missing, unknown or invalid field.
#[derive(Debug)]
pub(crate) struct FieldError {
    pub(crate) field: String,
    pub(crate) problem: String,
}

impl FieldError {
    pub(crate) fn new(field: &str, problem: impl ToString) -> Self {
        Self {
            field: field.to_owned(),
            problem: problem.to_string(),
        }
    }

    /// The same as one text.
    pub(crate) fn into_text(self) -> String {
        let Self { field, problem } = self;
        if field.is_empty() {
            problem
        } else {
            format!("{field} {problem}")
        }
    }

    pub(crate) fn unknown(field: &str) -> Self {
        Self::new(field, "is unknown")
    }
}

/// The fields that have not been taken yet.
#[derive(Debug, Default)]
pub(crate) struct Fields(Map<String, Value>);

impl Fields {
    /// Reads the body, which must be a JSON object.
    pub(crate) fn read(http: &HttpRequest) -> Result<Self, FieldError> {
        Self::of(&http.body)
    }

    /// Reads the body if there is one.
    pub(crate) fn given(http: &HttpRequest) -> Result<Self, FieldError> {
        if http.body.is_empty() {
            Ok(Self::default())
        } else {
            Self::read(http)
        }
    }

    /// Reads a JSON object.
    pub(crate) fn of(body: &[u8]) -> Result<Self, FieldError> {
        let fields = serde_json::from_slice(body);
        fields.map(Self).map_err(|error| FieldError::new("", error))
    }

    /// Reads the body of a POST; other methods are not allowed.
    pub(crate) fn posted(http: &HttpRequest) -> Result<Self, ControlError> {
        if http.method == Method::POST {
            Ok(Self::read(http)?)
        } else {
            Err(ControlError::MethodNotAllowed)
        }
    }

    /// Takes a field out; `null` counts as missing.
    pub(crate) fn take<T: DeserializeOwned>(
        &mut self,
        name: &str,
    ) -> Result<Option<T>, FieldError> {
        let value = self.0.remove(name).filter(|value| !value.is_null());
        let value = value.map(serde_json::from_value).transpose();
        value.map_err(|error| FieldError::new(name, error))
    }

    pub(crate) fn require<T: DeserializeOwned>(&mut self, name: &str) -> Result<T, FieldError> {
        self.take(name)?
            .ok_or_else(|| FieldError::new(name, "is required"))
    }

    /// The portal that the field `portal` names. `None` if it is missing.
    pub(crate) fn named_portal<'a>(
        &mut self,
        simulator: &'a Simulator,
    ) -> Result<Option<&'a Arc<RunningPortal>>, FieldError> {
        let Some(host) = self.take::<String>("portal")? else {
            return Ok(None);
        };
        let portal = simulator.portal(&host);
        portal
            .map(Some)
            .ok_or_else(|| FieldError::unknown("portal"))
    }

    /// The portal that the field `portal` names, or the first one.
    pub(crate) fn portal<'a>(
        &mut self,
        simulator: &'a Simulator,
    ) -> Result<&'a Arc<RunningPortal>, FieldError> {
        let portal = self.named_portal(simulator)?;
        portal
            .or_else(|| simulator.portals().first())
            .ok_or_else(|| FieldError::unknown("portal"))
    }

    /// Refuses fields that were not taken.
    pub(crate) fn finish(&self) -> Result<(), FieldError> {
        let mut left = self.0.keys();
        left.next()
            .map_or(Ok(()), |name| Err(FieldError::unknown(name)))
    }

    /// Changes the given fields of a value, one after the other so that an invalid one has a name.
    pub(crate) fn change<T>(&self, current: &T) -> Result<T, FieldError>
    where
        T: Clone + Serialize + DeserializeOwned,
    {
        let mut value = current.clone();
        for (name, field) in &self.0 {
            let mut all = document(&value);
            if let Some(all) = all.as_object_mut() {
                all.insert(name.clone(), field.clone());
            }
            value = serde_json::from_value(all).map_err(|error| FieldError::new(name, error))?;
        }
        Ok(value)
    }
}

/// A value as JSON. It cannot fail, because the types written here have no map keys but strings.
pub(crate) fn document(value: &impl Serialize) -> Value {
    serde_json::to_value(value).unwrap_or_default()
}

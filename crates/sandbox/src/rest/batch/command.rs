//! One command of a batch.

use serde_json::{Map, Value};

use super::reference;
use crate::error::{Refusal, SystemError};
use crate::request::{BATCH, decode};
use crate::switches::BatchReferences;

/// Methods that no batch may call.
const FORBIDDEN: [&str; 3] = [BATCH, "download", "upload"];

#[derive(Debug)]
pub(crate) struct Command {
    pub(crate) method: String,
    /// With references resolved.
    pub(crate) parameters: Map<String, Value>,
}

impl Command {
    /// Reads `method?query`. References are resolved from the results so far.
    pub(crate) fn read(
        text: &str,
        results: &[(String, Value)],
        references: BatchReferences,
    ) -> Self {
        let (method, query) = text.split_once('?').unwrap_or((text, ""));
        let parameters = match references {
            BatchReferences::AfterDecoding => {
                let mut parameters = decode(query);
                for value in parameters.values_mut() {
                    reference::fill_value(value, results);
                }
                parameters
            }
            BatchReferences::BeforeDecoding => decode(&reference::fill_query(query, results)),
        };
        Self {
            method: method.trim().trim_start_matches('/').to_ascii_lowercase(),
            parameters,
        }
    }

    /// Refuses methods that are not allowed in a batch, here or on any portal.
    pub(crate) fn require_allowed(&self, not_in_batch: &[String]) -> Result<(), Refusal> {
        if FORBIDDEN.contains(&self.method.as_str()) || not_in_batch.contains(&self.method) {
            Err(SystemError::BATCH_METHOD_NOT_ALLOWED.into())
        } else {
            Ok(())
        }
    }
}

//! The result of a batch.

use serde_json::{Value, json};

use crate::error::{SystemError, WireError};
use crate::php;

/// Results, errors and times by key, in the order of the commands.
#[derive(Debug, Default)]
pub(crate) struct BatchResult {
    pub(crate) results: Vec<(String, Value)>,
    errors: Vec<(String, Value)>,
    pub(crate) times: Vec<(String, Value)>,
}

impl BatchResult {
    pub(crate) fn refuse(&mut self, key: &str, error: &WireError) {
        // Observed: a missing scope has no text here.
        let description = if error.code == SystemError::WEBHOOK_SCOPE.code {
            ""
        } else {
            error.description.as_str()
        };
        let error = json!({"error": error.code, "error_description": description});
        self.errors.push((key.to_owned(), error));
    }

    pub(crate) fn into_value(self) -> Value {
        json!({
            "result": php::array(self.results),
            "result_error": php::array(self.errors),
            "result_total": [],
            "result_next": [],
            "result_time": php::array(self.times),
        })
    }
}

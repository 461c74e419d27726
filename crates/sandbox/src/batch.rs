//! `batch`: up to 50 commands in one request. Source: pages "batch" and "data encoding".
//!
//! What a batch consists of is here; [`super::execution`] runs its commands like any other call.

mod commands;
mod reference;

pub(super) use commands::read as read_commands;

use serde_json::{Map, Value, json};

use super::brackets;
use super::php;
use super::refusal::{Face, Refusal};
use super::switches::BatchReferences;
use super::system_error::SystemError;

/// The method's name.
pub(super) const NAME: &str = "batch";
/// How many commands are executed; those after them are refused one by one.
pub(super) const LARGEST: usize = 50;
/// Methods that no command may call.
const FORBIDDEN: [&str; 3] = [NAME, "download", "upload"];

/// A command taken apart: the method, and its parameters with references filled in.
#[derive(Debug)]
pub(super) struct Command {
    pub(super) method: String,
    pub(super) parameters: Map<String, Value>,
}

impl Command {
    /// Reads `method?query`. References are filled from the results so far.
    pub(super) fn read(
        text: &str,
        results: &[(String, Value)],
        references: BatchReferences,
    ) -> Self {
        let (method, query) = text.split_once('?').unwrap_or((text, ""));
        let parameters = match references {
            BatchReferences::AfterDecoding => {
                let mut parameters = brackets::decode(query);
                for value in parameters.values_mut() {
                    reference::fill_value(value, results);
                }
                parameters
            }
            BatchReferences::BeforeDecoding => {
                brackets::decode(&reference::fill_query(query, results))
            }
        };
        Self {
            method: method.trim().trim_start_matches('/').to_ascii_lowercase(),
            parameters,
        }
    }

    /// Refuses the methods that are not allowed in a batch, these and those of every portal.
    pub(super) fn allowed(&self, not_in_batch: &[String]) -> Result<(), Refusal> {
        if FORBIDDEN.contains(&self.method.as_str()) || not_in_batch.contains(&self.method) {
            Err(Refusal::System(SystemError::BATCH_METHOD_NOT_ALLOWED))
        } else {
            Ok(())
        }
    }
}

/// The five maps of the answer, in the order of the commands.
#[derive(Debug, Default)]
pub(super) struct Maps {
    pub(super) results: Vec<(String, Value)>,
    pub(super) errors: Vec<(String, Value)>,
    pub(super) times: Vec<(String, Value)>,
    pub(super) totals: Vec<(String, Value)>,
}

impl Maps {
    /// Notes the refusal of a command: only in `result_error`.
    pub(super) fn refuse(&mut self, key: &str, face: &Face) {
        // Seen with a missing scope: the code without a text.
        let description = if face.code == SystemError::WEBHOOK_SCOPE.code {
            ""
        } else {
            face.description.as_str()
        };
        let error = json!({"error": face.code, "error_description": description});
        self.errors.push((key.to_owned(), error));
    }

    /// The maps as PHP writes them: an empty one is `[]`, one with the keys 0, 1, 2… a list.
    pub(super) fn into_result(self) -> Value {
        json!({
            "result": php::array(self.results),
            "result_error": php::array(self.errors),
            "result_total": php::array(self.totals),
            "result_next": [],
            "result_time": php::array(self.times),
        })
    }
}

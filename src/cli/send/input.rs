//! The messages, line by line.

use std::io::BufRead;

use prost::Message;
use sha2::{Digest, Sha256};
use tokio::sync::mpsc;
use uuid::{Builder, Uuid};

use super::results::{Answered, Hash, Now};
use super::totals::State;
use crate::api::json::{Form, NotShown};
use crate::api::openlines::v1::StreamingSendMessagesRequest;
use crate::api::openlines::v1::streaming_send_messages_request::Operation;
use crate::cli::usage::Usage;

/// Lines that are read ahead.
const AHEAD: usize = 64;

/// The largest message that services take unless they are told otherwise, in bytes. A larger one
/// would end the stream of all.
const LARGEST: usize = 1024 * 1024;

/// A message to send.
#[derive(Clone, Debug)]
pub(super) struct Line {
    /// Counted from 1, empty ones included.
    pub(super) number: u64,
    pub(super) hash: Hash,
    /// The key that the file gives the item, or else `line-<number>`.
    pub(super) key: String,
    /// The item as it is sent: its key is the number of the line, so no two are alike.
    pub(super) item: StreamingSendMessagesRequest,
}

/// What a line has brought.
pub(super) enum Input {
    Line(Box<Line>),
    /// The line has had its final answer.
    Skipped(State),
    /// The line says something else than in an earlier run.
    Other(u64),
    /// The line is no item, and why.
    Wrong(u64, Hash, String),
    /// Reading has failed.
    Broken(std::io::Error),
}

/// The lines that have no final answer yet, in their order.
pub(super) struct Lines(mpsc::Receiver<Input>);

impl Lines {
    /// Reads in a thread of its own, no further ahead than is needed.
    pub(super) fn read(
        mut reader: Box<dyn BufRead + Send>,
        job: Uuid,
        answered: Answered,
        repeat_failed: bool,
    ) -> Result<Self, NotShown> {
        let form = Form::new()?;
        let (inputs, receiver) = mpsc::channel(AHEAD);
        tokio::task::spawn_blocking(move || {
            let mut text = Vec::new();
            for number in 1.. {
                text.clear();
                let input = match reader.read_until(b'\n', &mut text) {
                    Ok(0) => return,
                    Ok(_) if text.trim_ascii().is_empty() => continue,
                    Ok(_) => match answered.now(number, Hash::of(&text), repeat_failed) {
                        Now::Skip(state) => Input::Skipped(state),
                        Now::Other => Input::Other(number),
                        Now::Send => match line(&form, number, &text, job) {
                            Ok(line) => Input::Line(Box::new(line)),
                            Err(problem) => Input::Wrong(number, Hash::of(&text), problem),
                        },
                    },
                    Err(error) => Input::Broken(error),
                };
                let is_last = matches!(input, Input::Broken(_) | Input::Other(_));
                if inputs.blocking_send(input).is_err() || is_last {
                    return;
                }
            }
        });
        Ok(Self(receiver))
    }

    /// The next one; `None` after the last. Nothing is lost if it is dropped.
    pub(super) async fn next(&mut self) -> Option<Input> {
        self.0.recv().await
    }
}

fn line(
    form: &Form<StreamingSendMessagesRequest>,
    number: u64,
    text: &[u8],
    job: Uuid,
) -> Result<Line, String> {
    let hash = Hash::of(text);
    let text = std::str::from_utf8(text).map_err(|_| "is not UTF-8".to_owned())?;
    // The reader counts lines of its own, of which there is one.
    let in_line = |problem: String| problem.replace(" at line 1 column ", " at column ");
    let mut item = (form.read(text)).map_err(|error| in_line(error.to_string()))?;
    if item.operation.as_ref().is_some_and(only_validates) {
        return Err("has validateOnly: nothing would be sent; remove it".to_owned());
    }
    let id = item.operation.as_mut().map(request_id);
    if let Some(id) = id.filter(|id| id.is_empty()) {
        *id = id_of(job, number).to_string();
    }
    let key = std::mem::replace(&mut item.item_key, number.to_string());
    let key = if key.is_empty() {
        format!("line-{number}")
    } else {
        key
    };
    if item.encoded_len() > LARGEST {
        return Err(format!("is larger than {LARGEST} bytes; split it"));
    }
    Ok(Line {
        number,
        hash,
        key,
        item,
    })
}

/// A line says something else than in the earlier run that has sent it.
pub(super) fn other(line: u64) -> Usage {
    Usage(format!(
        "line {line} is not the line {line} that an earlier run has sent; restore it, or give other messages another \
         results file with --results"
    ))
}

/// The idempotency key of an item.
pub(super) fn request_id(operation: &mut Operation) -> &mut String {
    match operation {
        Operation::ConnectorMessages(request) => &mut request.request_id,
        Operation::CrmMessage(request) => &mut request.request_id,
        Operation::NetworkMessage(request) => &mut request.request_id,
    }
}

fn only_validates(operation: &Operation) -> bool {
    match operation {
        Operation::ConnectorMessages(request) => request.validate_only,
        Operation::CrmMessage(request) => request.validate_only,
        Operation::NetworkMessage(request) => request.validate_only,
    }
}

/// The idempotency key of a line that has none: the same whenever the job is run.
fn id_of(job: Uuid, number: u64) -> Uuid {
    let hash = Sha256::new()
        .chain_update(job.as_bytes())
        .chain_update(number.to_be_bytes())
        .finalize();
    let mut bytes = [0; 16];
    bytes
        .iter_mut()
        .zip(hash)
        .for_each(|(byte, hashed)| *byte = hashed);
    Builder::from_custom_bytes(bytes).into_uuid()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(number: u64, text: &str, job: Uuid) -> Result<Line, String> {
        line(&Form::new().unwrap(), number, text.as_bytes(), job)
    }

    fn id(line: Line) -> String {
        let mut operation = line.item.operation.unwrap();
        request_id(&mut operation).clone()
    }

    #[test]
    fn a_line_has_the_same_idempotency_key_whenever_its_job_is_run() {
        let (job, other) = (Uuid::from_u128(1), Uuid::from_u128(2));
        let text = r#"{"itemKey": "a", "crmMessage": {"text": "x"}}"#;
        let first = read(7, text, job).unwrap();
        assert_eq!((&*first.key, &*first.item.item_key), ("a", "7"));
        let first = id(first);
        assert_eq!(first.len(), 36);
        assert_eq!(id(read(7, text, job).unwrap()), first);
        assert_ne!(id(read(8, text, job).unwrap()), first);
        assert_ne!(id(read(7, text, other).unwrap()), first);
    }

    #[test]
    fn a_key_of_the_file_is_kept_and_a_missing_one_names_the_line() {
        let given = "00000000-0000-4000-8000-000000000001";
        let text = format!(r#"{{"network_message": {{"request_id": "{given}"}}}}"#);
        let line = read(3, &text, Uuid::nil()).unwrap();
        assert_eq!(line.key, "line-3");
        assert_eq!(id(line), given);
    }

    #[test]
    fn what_is_no_item_is_said_in_words() {
        for (text, expected) in [
            ("{", "EOF"),
            (r#"{"crmMessage": {"txt": ""}}"#, "txt"),
            (r#"{"crmMessage": 7}"#, "7"),
            (r#"{"crmMessage": 7}"#, " at column "),
            (
                r#"{"crmMessage": {"validateOnly": true}}"#,
                "nothing would be sent",
            ),
        ] {
            let problem = read(1, text, Uuid::nil()).unwrap_err();
            assert!(problem.contains(expected), "{text}: {problem}");
        }
        let large = format!(r#"{{"crmMessage": {{"text": "{}"}}}}"#, "x".repeat(LARGEST));
        assert!(read(1, &large, Uuid::nil()).unwrap_err().contains("larger"));
    }
}

//! The results file: the id of the job, and a row for each line that has an answer.

use std::collections::HashMap;
use std::fs::{File, OpenOptions, TryLockError};
use std::io::{self, BufRead, BufReader, Seek, SeekFrom, Write};
use std::num::ParseIntError;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use sha2::{Digest, Sha256};
use uuid::Uuid;

use super::totals::State;
use crate::cli::usage::Usage;

/// The first line.
#[derive(Debug, Serialize, Deserialize)]
struct Head {
    /// A UUID.
    job: String,
}

/// The result of one line.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Row<'a> {
    /// The number of the line.
    pub(super) line: u64,
    /// Of what the line says.
    pub(super) hash: Hash,
    pub(super) item_key: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) request_id: Option<&'a str>,
    pub(super) state: State,
    /// The service's answer, in Protobuf's JSON form.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) answer: Option<&'a RawValue>,
    /// Why there is none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) problem: Option<&'a str>,
}

/// What a later run reads of a row.
#[derive(Debug, Deserialize)]
struct Read {
    line: u64,
    hash: Hash,
    state: State,
}

/// Tells one line from another. Written as 16 hexadecimal digits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub(super) struct Hash(u64);

/// What earlier runs know of the lines.
#[derive(Clone, Debug, Default)]
pub(super) struct Answered(HashMap<u64, (Hash, State)>);

/// What to do with a line, after what earlier runs know of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Now {
    Send,
    /// It has its final answer.
    Skip(State),
    /// What stood there before is or may be delivered, and it said something else.
    Other,
}

/// Why a file is not the results file of this command.
enum NotRead {
    Other,
    /// The number of the row.
    Damaged(u64),
    Io(io::Error),
}

/// An open results file.
#[derive(Debug)]
pub(super) struct Results {
    file: File,
    path: PathBuf,
    job: Uuid,
    answered: Answered,
}

impl Results {
    /// Opens the file of an earlier run, or begins one. Nobody else has it then.
    pub(super) fn open(path: &Path) -> Result<Self, Usage> {
        let refused = |problem: &str| Usage(format!("{}: {problem}", path.display()));
        let failed = |error: io::Error| refused(&format!("cannot be used ({})", error.kind()));
        let mut options = OpenOptions::new();
        let options = options.read(true).write(true).create(true).truncate(false);
        let mut file = options.open(path).map_err(failed)?;
        // Held until all handles of it are closed.
        file.try_lock().map_err(|error| match error {
            TryLockError::WouldBlock => {
                refused("is used by another run of this command; wait for its end")
            }
            TryLockError::Error(error) => failed(error),
        })?;
        let mut results = Self {
            job: Uuid::new_v4(),
            answered: Answered::default(),
            path: path.to_owned(),
            file: file.try_clone().map_err(failed)?,
        };
        let whole = results.read(&file).map_err(|error| match error {
            NotRead::Other => {
                refused("is no results file of this command; give another one with --results")
            }
            NotRead::Damaged(row) => refused(&format!(
                "row {row} is damaged; remove it, and its line is asked for again with the same key"
            )),
            NotRead::Io(error) => failed(error),
        })?;
        // The last row of a run that was killed may be cut off.
        file.set_len(whole).map_err(failed)?;
        file.seek(SeekFrom::Start(whole)).map_err(failed)?;
        if whole == 0 {
            let job = results.job.to_string();
            let head = Head { job };
            results.write_line(&head).map_err(failed)?;
        }
        Ok(results)
    }

    /// Reads what there is, and gives the length of its whole lines.
    fn read(&mut self, file: &File) -> Result<u64, NotRead> {
        let mut reader = BufReader::new(file);
        let (mut line, mut whole) = (Vec::new(), 0);
        for number in 1.. {
            line.clear();
            if reader.read_until(b'\n', &mut line).map_err(NotRead::Io)? == 0 {
                break;
            }
            if line.last() != Some(&b'\n') {
                // Nothing but a head that was cut off: begin again.
                let is_ours = whole > 0 || line.starts_with(b"{\"job");
                return if is_ours {
                    Ok(whole)
                } else {
                    Err(NotRead::Other)
                };
            }
            if whole == 0 {
                let head = serde_json::from_slice::<Head>(&line).ok();
                let job = head.and_then(|head| Uuid::try_parse(&head.job).ok());
                self.job = job.ok_or(NotRead::Other)?;
            } else {
                let row = serde_json::from_slice::<Read>(&line);
                let Read { line, hash, state } = row.map_err(|_| NotRead::Damaged(number))?;
                self.answered.0.insert(line, (hash, state));
            }
            whole += u64::try_from(line.len()).unwrap_or_default();
        }
        Ok(whole)
    }

    /// The id of the job.
    pub(super) fn job(&self) -> Uuid {
        self.job
    }

    /// What earlier runs know of the lines.
    pub(super) fn answered(&self) -> &Answered {
        &self.answered
    }

    /// Writes a row, so that it is there if this process is killed.
    pub(super) fn write(&mut self, row: &Row<'_>) -> Result<(), String> {
        self.write_line(row).map_err(|error| {
            format!(
                "{}: cannot be written ({})",
                self.path.display(),
                error.kind()
            )
        })
    }

    fn write_line(&mut self, value: &impl Serialize) -> io::Result<()> {
        let mut line = serde_json::to_vec(value)?;
        line.push(b'\n');
        self.file.write_all(&line)
    }
}

impl Hash {
    /// The hash of a line, whatever blanks are around it.
    pub(super) fn of(text: &[u8]) -> Self {
        let hash = Sha256::digest(text.trim_ascii());
        let first = hash.first_chunk().copied().unwrap_or_default();
        Self(u64::from_be_bytes(first))
    }
}

impl From<Hash> for String {
    fn from(Hash(hash): Hash) -> Self {
        format!("{hash:016x}")
    }
}

impl TryFrom<String> for Hash {
    type Error = ParseIntError;

    fn try_from(text: String) -> Result<Self, ParseIntError> {
        u64::from_str_radix(&text, 16).map(Self)
    }
}

impl Answered {
    /// What to do with a line. With `repeat_failed` what has failed before is sent once more.
    pub(super) fn now(&self, line: u64, hash: Hash, repeat_failed: bool) -> Now {
        let Some((before, state)) = self.0.get(&line) else {
            return Now::Send;
        };
        match state {
            State::Sent | State::Unknown if *before != hash => Now::Other,
            State::Sent => Now::Skip(*state),
            // A line that was corrected is worth another attempt.
            State::Failed if !repeat_failed && *before == hash => Now::Skip(*state),
            State::Failed | State::Unknown | State::NotSent => Now::Send,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(line: u64, state: State) -> Row<'static> {
        Row {
            line,
            hash: Hash(line),
            item_key: "a",
            request_id: None,
            state,
            answer: None,
            problem: None,
        }
    }

    fn now(results: &Results, line: u64, repeat_failed: bool) -> Now {
        results.answered().now(line, Hash(line), repeat_failed)
    }

    fn refused(path: &Path) -> String {
        Results::open(path).unwrap_err().to_string()
    }

    #[test]
    fn a_later_run_has_the_same_job_and_skips_what_has_a_final_answer() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("results");
        let mut first = Results::open(&path).unwrap();
        for (line, state) in [
            (1, State::Sent),
            (2, State::Failed),
            (3, State::Unknown),
            (700, State::NotSent),
            (3, State::Sent),
        ] {
            first.write(&row(line, state)).unwrap();
        }
        let job = first.job();
        // Killed while it wrote a row.
        first.file.write_all(b"{\"line\":4,\"sta").unwrap();
        drop(first);
        let mut second = Results::open(&path).unwrap();
        assert_eq!(second.job(), job);
        let (sent, failed) = (Now::Skip(State::Sent), Now::Skip(State::Failed));
        let lines = [1, 2, 3, 4, 700].map(|line| now(&second, line, false));
        assert_eq!(lines, [sent, failed, sent, Now::Send, Now::Send]);
        second.write(&row(4, State::Sent)).unwrap();
        drop(second);
        let third = Results::open(&path).unwrap();
        let lines = [1, 2, 3, 4, 700].map(|line| now(&third, line, true));
        assert_eq!(lines, [sent, Now::Send, sent, sent, Now::Send]);
    }

    #[test]
    fn a_line_that_says_something_else_is_told_apart_unless_nothing_of_it_was_delivered() {
        let folder = tempfile::tempdir().unwrap();
        let mut results = Results::open(&folder.path().join("results")).unwrap();
        let states = [
            (State::Sent, Now::Other),
            (State::Unknown, Now::Other),
            (State::Failed, Now::Send),
            (State::NotSent, Now::Send),
        ];
        for (state, expected) in states {
            results.answered.0.insert(1, (Hash::of(b"one"), state));
            let now = results.answered().now(1, Hash::of(b"another"), false);
            assert_eq!(now, expected, "{state:?}");
        }
        assert_eq!(Hash::of(b" one\n"), Hash::of(b"one"));
    }

    #[test]
    fn a_file_has_one_run_at_a_time() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("results");
        let first = Results::open(&path).unwrap();
        assert!(refused(&path).contains("is used by another run"));
        drop(first);
        Results::open(&path).unwrap();
    }

    #[test]
    fn a_damaged_row_is_named() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("results");
        let mut results = Results::open(&path).unwrap();
        results.write(&row(1, State::Sent)).unwrap();
        results.file.write_all(b"{\"line\":2,{\"line\"\n").unwrap();
        drop(results);
        assert!(refused(&path).contains("row 3 is damaged"));
    }

    #[test]
    fn another_file_is_left_as_it_is() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("messages");
        for other in ["{\"crmMessage\": {}}\n", "text without an end"] {
            std::fs::write(&path, other).unwrap();
            assert!(refused(&path).contains("is no results file"));
            assert_eq!(std::fs::read_to_string(&path).unwrap(), other);
        }
    }
}

//! The results file: the id of the job, and a row for each line that has an answer.

use std::fs::{File, OpenOptions};
use std::io::{self, BufRead, BufReader, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use uuid::Uuid;

use super::totals::{State, Totals};
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
    state: State,
}

/// The lines that have a final answer: one bit for each.
#[derive(Clone, Debug, Default)]
pub(super) struct Answered(Vec<u64>);

/// An open results file.
#[derive(Debug)]
pub(super) struct Results {
    file: File,
    path: PathBuf,
    job: Uuid,
    answered: Answered,
    /// Of earlier runs.
    before: Totals,
}

impl Results {
    /// Opens the file of an earlier run, or begins one. With `repeat_failed` what has failed before
    /// has no final answer.
    pub(super) fn open(path: &Path, repeat_failed: bool) -> Result<Self, Usage> {
        let failed = |error: io::Error| {
            let problem = format!("{}: cannot be used ({})", path.display(), error.kind());
            Usage(problem)
        };
        let mut options = OpenOptions::new();
        let options = options.read(true).write(true).create(true).truncate(false);
        let mut file = options.open(path).map_err(failed)?;
        let mut results = Self {
            job: Uuid::new_v4(),
            answered: Answered::default(),
            before: Totals::default(),
            path: path.to_owned(),
            file: file.try_clone().map_err(failed)?,
        };
        let whole = results.read(&file, repeat_failed).map_err(failed)?;
        let Some(whole) = whole else {
            let problem = "is no results file of this command; give another one with --results";
            return Err(Usage(format!("{}: {problem}", path.display())));
        };
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

    /// Reads what there is, and gives the length of its whole lines; `None` if it is something
    /// else.
    fn read(&mut self, file: &File, repeat_failed: bool) -> io::Result<Option<u64>> {
        let mut reader = BufReader::new(file);
        let (mut line, mut whole) = (Vec::new(), 0);
        while reader.read_until(b'\n', &mut line)? > 0 {
            if line.last() != Some(&b'\n') {
                // Nothing but a head that was cut off: begin again.
                let is_ours = whole > 0 || line.starts_with(b"{\"job");
                return Ok(is_ours.then_some(whole));
            }
            if whole == 0 {
                let head = serde_json::from_slice::<Head>(&line).ok();
                let job = head.and_then(|head| Uuid::try_parse(&head.job).ok());
                let Some(job) = job else {
                    return Ok(None);
                };
                self.job = job;
            } else {
                let Ok(row) = serde_json::from_slice::<Read>(&line) else {
                    return Ok(None);
                };
                let is_final = match row.state {
                    State::Sent => true,
                    State::Failed => !repeat_failed,
                    State::Unknown | State::NotSent => false,
                };
                if is_final && !self.answered.has(row.line) {
                    self.answered.add(row.line);
                    self.before.count(row.state);
                }
            }
            whole += u64::try_from(line.len()).unwrap_or_default();
            line.clear();
        }
        Ok(Some(whole))
    }

    /// The id of the job.
    pub(super) fn job(&self) -> Uuid {
        self.job
    }

    /// The lines that have a final answer from earlier runs.
    pub(super) fn answered(&self) -> Answered {
        self.answered.clone()
    }

    /// How many they are.
    pub(super) fn before(&self) -> Totals {
        self.before
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

impl Answered {
    /// Whether this line has one.
    pub(super) fn has(&self, line: u64) -> bool {
        let (word, bit) = place(line);
        self.0.get(word).is_some_and(|word| word & bit != 0)
    }

    fn add(&mut self, line: u64) {
        let (word, bit) = place(line);
        if self.0.len() <= word {
            self.0.resize(word + 1, 0);
        }
        if let Some(word) = self.0.get_mut(word) {
            *word |= bit;
        }
    }
}

fn place(line: u64) -> (usize, u64) {
    let word = usize::try_from(line / 64).unwrap_or(usize::MAX - 1);
    (word, 1 << (line % 64))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(line: u64, state: State) -> Row<'static> {
        Row {
            line,
            item_key: "a",
            request_id: None,
            state,
            answer: None,
            problem: None,
        }
    }

    #[test]
    fn a_later_run_has_the_same_job_and_skips_what_has_a_final_answer() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("results");
        let mut first = Results::open(&path, false).unwrap();
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
        let mut second = Results::open(&path, false).unwrap();
        assert_eq!(second.job(), job);
        let answered = [1, 2, 3, 4, 700].map(|line| second.answered().has(line));
        assert_eq!(answered, [true, true, true, false, false]);
        second.write(&row(4, State::Sent)).unwrap();
        let third = Results::open(&path, true).unwrap();
        let answered = [1, 2, 3, 4, 700].map(|line| third.answered().has(line));
        assert_eq!(answered, [true, false, true, true, false]);
    }

    #[test]
    fn another_file_is_left_as_it_is() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("messages");
        for other in ["{\"crmMessage\": {}}\n", "text without an end"] {
            std::fs::write(&path, other).unwrap();
            let refused = Results::open(&path, false).unwrap_err();
            assert!(refused.to_string().contains("is no results file"));
            assert_eq!(std::fs::read_to_string(&path).unwrap(), other);
        }
    }
}

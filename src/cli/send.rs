//! `openlines send`: sends the messages of a file through a stream of a running service.
//!
//! What it needs to resume is in the results file: the id of the job, from which the idempotency
//! keys of all lines follow, and a row for each line that has an answer.

mod input;
mod job;
mod pace;
mod patience;
mod results;
mod totals;
mod verdict;

use std::fs::File;
use std::io::{self, BufRead, BufReader, Seek, Write};
use std::path::{Path, PathBuf};
use std::time::Duration;

use clap::Args;

use self::input::{Lines, other};
use self::job::Job;
use self::patience::Patience;
use self::results::{Answered, Hash, Now, Results};
use super::Failure;
use super::service::Service;
use super::tenants::key;
use super::usage::Usage;
use crate::stop::Stop;

/// The whole of a result, beside the name of the file with the messages.
const RESULTS: &str = ".results.jsonl";

#[derive(Debug, Args)]
pub(super) struct Arguments {
    #[command(flatten)]
    to: Service,
    /// A file with your API key. Default: the environment variable OPENLINES_API_KEY.
    #[arg(long, value_name = "FILE")]
    api_key_file: Option<PathBuf>,
    /// The messages as JSON Lines, or `-` for standard input: each line is a
    /// StreamingSendMessagesRequest in Protobuf's JSON form. See docs/bulk.md.
    #[arg(value_name = "FILE")]
    file: PathBuf,
    /// Where the results are written, and read when you run the command again. Default: the name of
    /// the file with .results.jsonl behind it.
    #[arg(long, value_name = "FILE")]
    results: Option<PathBuf>,
    /// Most messages that wait for their answer at once.
    #[arg(long, value_name = "NUMBER", default_value_t = 500, value_parser = clap::value_parser!(u32).range(1..=100_000))]
    at_once: u32,
    /// How long to go on trying while the service does not answer, in seconds.
    #[arg(long, value_name = "SECONDS", default_value_t = 300)]
    patience: u64,
    /// Sends what the portal or the service has refused before once more, too.
    #[arg(long)]
    repeat_failed: bool,
}

/// A signal has ended the run. Another one goes on where it was.
#[derive(Debug, thiserror::Error)]
#[error("stopped by a signal{}; run the command again to go on", unanswered(*.0))]
pub(super) struct Stopped(usize);

/// What is said of so many messages.
fn unanswered(messages: usize) -> String {
    match messages {
        0 => String::new(),
        1 => ", and 1 message has no answer yet".to_owned(),
        more => format!(", and {more} messages have no answer yet"),
    }
}

pub(super) async fn run(arguments: Arguments, stop: Stop) -> Result<(), Failure> {
    let Arguments {
        to,
        api_key_file,
        file,
        results,
        at_once,
        patience,
        repeat_failed,
    } = arguments;
    let key = key(api_key_file)?;
    let path = results_file(&file, results)?;
    let messages = Messages::open(&file)?;
    let results = Results::open(&path)?;
    let answered = results.answered().clone();
    let (address, endpoint) = to.endpoint()?;
    let (reader, all) = messages.read(&answered, repeat_failed)?;
    let lines = Lines::read(reader, results.job(), answered, repeat_failed)?;
    let patience = Patience::new(Duration::from_secs(patience));
    let at_once = usize::try_from(at_once)?;
    let mut job = Job::new(lines, results, at_once, all, stop);
    let ended = Box::pin(job.run(&address, &endpoint, key, patience)).await;
    let (totals, sums) = (job.totals(), job.sums());
    // Its progress must not stand before them.
    drop(job);
    writeln!(io::stdout(), "{sums}")?;
    ended?;
    if totals.is_complete() {
        Ok(())
    } else {
        let (path, remedy) = (path.display(), totals.remedy());
        Err(format!("not all messages are sent: {path} says why; {remedy}").into())
    }
}

fn results_file(file: &Path, given: Option<PathBuf>) -> Result<PathBuf, Usage> {
    match given {
        Some(given) => Ok(given),
        None if file == Path::new("-") => {
            let problem = "--results is required when the messages come from standard input";
            Err(Usage(problem.to_owned()))
        }
        None => {
            let mut name = file.as_os_str().to_owned();
            name.push(RESULTS);
            Ok(name.into())
        }
    }
}

/// The file with the messages.
enum Messages<'a> {
    Input,
    File(&'a Path, File),
}

impl<'a> Messages<'a> {
    fn open(file: &'a Path) -> Result<Self, Usage> {
        if file == Path::new("-") {
            return Ok(Self::Input);
        }
        let opened = File::open(file).map_err(|error| unreadable(file, &error))?;
        Ok(Self::File(file, opened))
    }

    /// The messages, and how many lines there are if that can be known. All lines of a file are
    /// compared with what earlier runs have sent, before the first one is.
    fn read(
        self,
        answered: &Answered,
        repeat_failed: bool,
    ) -> Result<(Box<dyn BufRead + Send>, Option<u64>), Usage> {
        let Self::File(path, mut file) = self else {
            return Ok((Box::new(BufReader::new(io::stdin())), None));
        };
        let failed = |error: io::Error| unreadable(path, &error);
        let (mut reader, mut text, mut all) = (BufReader::new(&file), Vec::new(), 0);
        for number in 1.. {
            text.clear();
            if reader.read_until(b'\n', &mut text).map_err(failed)? == 0 {
                break;
            }
            if text.trim_ascii().is_empty() {
                continue;
            }
            all += 1;
            if answered.now(number, Hash::of(&text), repeat_failed) == Now::Other {
                return Err(other(number));
            }
        }
        drop(reader);
        file.rewind().map_err(failed)?;
        Ok((Box::new(BufReader::new(file)), Some(all)))
    }
}

fn unreadable(file: &Path, error: &io::Error) -> Usage {
    Usage(format!("{}: cannot be read ({error})", file.display()))
}

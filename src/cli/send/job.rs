//! One run: streams, one after the other, until every line has its end.

use std::collections::BTreeMap;
use std::future::pending;
use std::time::Duration;

use futures_util::stream::poll_fn;
use serde_json::value::RawValue;
use tokio::sync::mpsc;
use tokio::time::{Instant, interval, sleep, sleep_until};
use tonic::Status;
use tonic::service::interceptor::InterceptedService;
use tonic::transport::{Channel, Endpoint};

use super::input::{Input, Line, Lines, request_id};
use super::results::{Results, Row};
use super::totals::{State, Totals};
use super::verdict::{self, Verdict};
use crate::api::json::Form;
use crate::api::openlines::v1::StreamingSendMessagesResponse;
use crate::api::openlines::v1::open_lines_service_client::OpenLinesServiceClient;
use crate::cli::Failure;
use crate::cli::progress::Progress;
use crate::cli::tenants::Key;
use crate::cli::usage::Usage;
use crate::error::rpc_status;

/// How long reaching the service may take.
const CONNECT: Duration = Duration::from_secs(5);

/// A peer that is gone without a word is found after this and once more.
const KEEPALIVE: Duration = Duration::from_secs(20);

/// Items that are written ahead of the connection.
const AHEAD: usize = 64;

/// Pauses before a new stream: the first, doubled each time, and the longest.
const PAUSE: Duration = Duration::from_millis(200);
const LONGEST_PAUSE: Duration = Duration::from_secs(10);

/// How often a line is sent that is not executed, and asked for whose outcome is unknown.
const ATTEMPTS: u32 = 30;
const QUESTIONS: u32 = 3;

/// How often progress is looked at.
const LOOK: Duration = Duration::from_millis(100);

/// How long to go on while the service does not answer.
pub(super) struct Patience {
    longest: Duration,
    answered: Instant,
    pause: Duration,
}

/// A line that has no end yet.
struct Open {
    line: Line,
    attempts: u32,
}

/// A run.
pub(super) struct Job {
    lines: Lines,
    has_lines: bool,
    results: Results,
    form: Option<Form<StreamingSendMessagesResponse>>,
    at_once: usize,
    all: Option<u64>,
    /// To be sent, in the order of the lines.
    waiting: BTreeMap<u64, Open>,
    /// To be sent later.
    paused: BTreeMap<(Instant, u64), Open>,
    /// Sent on the present stream, by the key of the item.
    in_flight: BTreeMap<u64, Open>,
    before: Totals,
    totals: Totals,
    progress: Progress,
}

/// A line says something else than in the earlier run that has sent it.
pub(super) fn other(line: u64) -> Usage {
    Usage(format!(
        "line {line} is not the line {line} that an earlier run has sent; restore it, or give other messages another \
         results file with --results"
    ))
}

/// Why a stream is over.
enum Over {
    /// Every line has its end.
    Done,
    /// It broke, or the service ended it: the next one goes on.
    Broken(Status),
}

impl Patience {
    pub(super) fn new(longest: Duration) -> Self {
        Self {
            longest,
            answered: Instant::now(),
            pause: PAUSE,
        }
    }

    fn note_answer(&mut self) {
        self.answered = Instant::now();
        self.pause = PAUSE;
    }

    /// Waits before the next stream. `false`: there is none.
    async fn wait(&mut self) -> bool {
        if self.answered.elapsed() + self.pause > self.longest {
            return false;
        }
        sleep(self.pause).await;
        self.pause = (self.pause * 2).min(LONGEST_PAUSE);
        true
    }
}

impl Job {
    pub(super) fn new(lines: Lines, results: Results, at_once: usize, all: Option<u64>) -> Self {
        Self {
            lines,
            has_lines: true,
            results,
            form: None,
            at_once,
            all,
            waiting: BTreeMap::new(),
            paused: BTreeMap::new(),
            in_flight: BTreeMap::new(),
            before: Totals::default(),
            totals: Totals::default(),
            progress: Progress::of("messages sent"),
        }
    }

    /// Sends everything. Returns the sums, and those of what earlier runs have settled.
    pub(super) async fn run(
        mut self,
        address: &str,
        endpoint: &Endpoint,
        key: Key,
        mut patience: Patience,
    ) -> Result<(Totals, Totals), Failure> {
        self.form = Some(Form::new()?);
        let endpoint = (endpoint.clone())
            .connect_timeout(CONNECT)
            .http2_keep_alive_interval(KEEPALIVE)
            .keep_alive_timeout(KEEPALIVE);
        loop {
            let over = match endpoint.connect().await {
                Ok(channel) => {
                    let client = OpenLinesServiceClient::with_interceptor(channel, key.clone());
                    let begun = Instant::now();
                    let over = self.stream(client, &mut patience).await?;
                    if begun.elapsed() > LONGEST_PAUSE {
                        // The service was there, although there may have been nothing to send.
                        patience.note_answer();
                    }
                    over
                }
                Err(error) => Over::Broken(Status::from_error(error.into())),
            };
            let status = match over {
                Over::Done => return Ok((self.totals, self.before)),
                Over::Broken(status) => status,
            };
            // Nothing is sent twice: the idempotency keys are the same.
            self.waiting.append(&mut self.in_flight);
            if matches!(verdict::of_error(&rpc_status(&status)), Verdict::End(_)) {
                return Err(
                    format!("{address} does not take the messages: {}", status.message()).into(),
                );
            }
            if !patience.wait().await {
                let cause = crate::cli::chain(&status);
                return Err(format!(
                    "{address} does not answer: {cause}; run the command again to go on"
                )
                .into());
            }
        }
    }

    /// Sends what there is over one stream.
    async fn stream(
        &mut self,
        mut client: OpenLinesServiceClient<InterceptedService<Channel, Key>>,
        patience: &mut Patience,
    ) -> Result<Over, Failure> {
        let (items, mut written) = mpsc::channel(AHEAD);
        let written = poll_fn(move |task| written.poll_recv(task));
        let mut answers = match client.streaming_send_messages(written).await {
            Ok(answers) => answers.into_inner(),
            Err(status) => return Ok(Over::Broken(status)),
        };
        let mut look = interval(LOOK);
        loop {
            let open = self.waiting.len() + self.paused.len() + self.in_flight.len();
            if open == 0 && !self.has_lines {
                return Ok(Over::Done);
            }
            let next = self.paused.first_key_value().map(|((at, _), _)| *at);
            let resumed = async {
                match next {
                    Some(at) => sleep_until(at).await,
                    None => pending().await,
                }
            };
            tokio::select! {
                answer = answers.message() => match answer {
                    Ok(Some(answer)) => {
                        patience.note_answer();
                        self.note(&answer)?;
                    }
                    Ok(None) => return Ok(Over::Broken(Status::unavailable("the stream has ended"))),
                    Err(status) => return Ok(Over::Broken(status)),
                },
                // Without room the stream is over, and its end is on its way.
                Ok(room) = items.reserve(), if !self.waiting.is_empty() => {
                    if let Some((number, open)) = self.waiting.pop_first() {
                        room.send(open.line.item.clone());
                        self.in_flight.insert(number, open);
                    }
                }
                line = self.lines.next(), if self.has_lines && open < self.at_once => {
                    self.take(line)?;
                }
                () = resumed => {
                    if let Some(((_, number), open)) = self.paused.pop_first() {
                        self.waiting.insert(number, open);
                    }
                }
                _ = look.tick() => {
                    let Self { totals, before, all, .. } = &*self;
                    let (totals, before, all) = (*totals, *before, *all);
                    self.progress.tell_line(|passed| totals.progress(&before, all, passed));
                }
            }
        }
    }

    /// Takes a line of the file.
    fn take(&mut self, input: Option<Input>) -> Result<(), Failure> {
        match input {
            None => self.has_lines = false,
            Some(Input::Line(line)) => {
                let open = Open {
                    line: *line,
                    attempts: 0,
                };
                self.waiting.insert(open.line.number, open);
            }
            Some(Input::Skipped(state)) => {
                self.before.count(state);
                self.totals.count(state);
            }
            Some(Input::Other(line)) => return Err(other(line).into()),
            Some(Input::Wrong(line, hash, problem)) => {
                self.totals.count(State::NotSent);
                self.results.write(&Row {
                    line,
                    hash,
                    item_key: &format!("line-{line}"),
                    request_id: None,
                    state: State::NotSent,
                    answer: None,
                    problem: Some(&problem),
                })?;
            }
            Some(Input::Broken(error)) => return Err(error.into()),
        }
        Ok(())
    }

    /// Takes an answer.
    fn note(&mut self, answer: &StreamingSendMessagesResponse) -> Result<(), Failure> {
        let number = answer.item_key.parse().unwrap_or_default();
        let (Some(mut open), Some(result)) = (self.in_flight.remove(&number), &answer.result)
        else {
            return Ok(());
        };
        open.attempts += 1;
        let state = match verdict::of_answer(result) {
            Verdict::End(state) => state,
            Verdict::Again(pause, state) => {
                let most = if state == State::Unknown {
                    QUESTIONS
                } else {
                    ATTEMPTS
                };
                if open.attempts < most {
                    self.paused.insert((Instant::now() + pause, number), open);
                    return Ok(());
                }
                state
            }
        };
        self.totals.count(state);
        let mut line = open.line;
        let shown = StreamingSendMessagesResponse {
            item_key: line.key.clone(),
            ..answer.clone()
        };
        let shown = self
            .form
            .as_ref()
            .map(|form| form.line(&shown))
            .transpose()?;
        let shown = shown.map(RawValue::from_string).transpose()?;
        let id = line.item.operation.as_mut().map(request_id);
        self.results.write(&Row {
            line: number,
            hash: line.hash,
            item_key: &line.key,
            request_id: id.map(|id| id.as_str()),
            state,
            answer: shown.as_deref(),
            problem: None,
        })?;
        Ok(())
    }
}

//! One run: streams, one after the other, until every line has its end.

use std::collections::BTreeMap;
use std::future::pending;
use std::time::Duration;

use futures_util::stream::poll_fn;
use serde_json::value::RawValue;
use tokio::sync::mpsc;
use tokio::time::{Instant, interval, sleep_until};
use tonic::Status;
use tonic::service::interceptor::InterceptedService;
use tonic::transport::{Channel, Endpoint};

use super::Stopped;
use super::input::{Input, Line, Lines, other, request_id};
use super::pace::Pace;
use super::patience::{LONGEST_PAUSE, Patience};
use super::results::{Results, Row};
use super::totals::{self, State, Totals};
use super::verdict::{self, Verdict};
use crate::api::json::Form;
use crate::api::openlines::v1::StreamingSendMessagesResponse;
use crate::api::openlines::v1::open_lines_service_client::OpenLinesServiceClient;
use crate::cli::Failure;
use crate::cli::progress::Progress;
use crate::cli::tenants::Key;
use crate::error::rpc_status;
use crate::stop::Stop;

/// How long reaching the service may take.
const CONNECT: Duration = Duration::from_secs(5);

/// A peer that is gone without a word is found after this and once more.
const KEEPALIVE: Duration = Duration::from_secs(20);

/// Items that are written ahead of the connection.
const AHEAD: usize = 64;

/// How often a line is sent that is not executed, and asked for whose outcome is unknown.
const ATTEMPTS: u32 = 30;
const QUESTIONS: u32 = 3;

/// How often progress is looked at.
const LOOK: Duration = Duration::from_millis(100);

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
    pace: Pace,
    stop: Stop,
}

/// Why a stream is over.
enum Over {
    /// Every line has its end.
    Done,
    /// It broke, or the service ended it: the next one goes on.
    Broken(Status),
    /// A signal has ended the run, and what was sent has its answer if it got one.
    Stopped,
}

impl Job {
    /// `all` is the number of lines, if it is known.
    pub(super) fn new(
        lines: Lines,
        results: Results,
        at_once: usize,
        all: Option<u64>,
        stop: Stop,
    ) -> Self {
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
            pace: Pace::default(),
            stop,
        }
    }

    /// The lines by what has become of them.
    pub(super) fn totals(&self) -> Totals {
        self.totals
    }

    /// The same in words, with what earlier runs have settled and what is left.
    pub(super) fn sums(&self) -> String {
        let Self { totals, before, .. } = self;
        let earlier = totals::of_earlier_runs(before);
        format!("{totals}{earlier}{}", totals.not_done(self.all))
    }

    /// Sends everything, until a signal ends it.
    ///
    /// # Errors
    ///
    /// The service does not answer or does not take the messages, a file cannot be read or written,
    /// or the run is [`Stopped`].
    pub(super) async fn run(
        &mut self,
        address: &str,
        endpoint: &Endpoint,
        key: Key,
        mut patience: Patience,
    ) -> Result<(), Failure> {
        self.form = Some(Form::new()?);
        let endpoint = (endpoint.clone())
            .connect_timeout(CONNECT)
            .http2_keep_alive_interval(KEEPALIVE)
            .keep_alive_timeout(KEEPALIVE);
        let stop = self.stop.clone();
        loop {
            let connected = async {
                self.wait_for_lines().await?;
                Ok::<_, Failure>(if self.is_done() {
                    None
                } else {
                    Some(endpoint.connect().await)
                })
            };
            let connected = tokio::select! {
                connected = connected => connected?,
                () = stop.requested() => return Err(Stopped(0).into()),
            };
            let over = match connected {
                None => Over::Done,
                Some(Ok(channel)) => {
                    let client = OpenLinesServiceClient::with_interceptor(channel, key.clone());
                    let begun = Instant::now();
                    let over = self.stream(client, &mut patience).await?;
                    if begun.elapsed() > LONGEST_PAUSE {
                        // The service was there, although there may have been nothing to send.
                        patience.note_answer();
                    }
                    over
                }
                Some(Err(error)) => Over::Broken(Status::from_error(error.into())),
            };
            let status = match over {
                Over::Done => return Ok(()),
                Over::Stopped => return Err(Stopped(self.in_flight.len()).into()),
                Over::Broken(status) => status,
            };
            let unanswered = self.in_flight.len();
            // Nothing is sent twice: the idempotency keys are the same.
            self.waiting.append(&mut self.in_flight);
            if verdict::is_idle(&status) {
                patience.note_answer();
                continue;
            }
            if matches!(verdict::of_error(&rpc_status(&status)), Verdict::End(_)) {
                return Err(
                    format!("{address} does not take the messages: {}", status.message()).into(),
                );
            }
            let is_patient = tokio::select! {
                is_patient = patience.wait() => is_patient,
                () = stop.requested() => return Err(Stopped(unanswered).into()),
            };
            if !is_patient {
                let cause = crate::cli::chain(&status);
                return Err(format!(
                    "{address} does not answer: {cause}; run the command again to go on"
                )
                .into());
            }
        }
    }

    /// Whether every line has its end.
    fn is_done(&self) -> bool {
        self.open() == 0 && !self.has_lines
    }

    /// How many lines are read and have no end.
    fn open(&self) -> usize {
        self.waiting.len() + self.paused.len() + self.in_flight.len()
    }

    /// Waits until there is something to send, or nothing more: an idle stream would be ended.
    async fn wait_for_lines(&mut self) -> Result<(), Failure> {
        while self.open() == 0 && self.has_lines {
            let line = self.lines.next().await;
            self.take(line)?;
        }
        Ok(())
    }

    /// Sends what there is over one stream.
    async fn stream(
        &mut self,
        mut client: OpenLinesServiceClient<InterceptedService<Channel, Key>>,
        patience: &mut Patience,
    ) -> Result<Over, Failure> {
        let (items, mut written) = mpsc::channel(AHEAD);
        let written = poll_fn(move |task| written.poll_recv(task));
        let stop = self.stop.clone();
        let opened = tokio::select! {
            opened = client.streaming_send_messages(written) => opened,
            () = stop.requested() => return Ok(Over::Stopped),
        };
        let mut answers = match opened {
            Ok(answers) => answers.into_inner(),
            Err(status) => return Ok(Over::Broken(status)),
        };
        let mut items = Some(items);
        // No more is sent then, and what was sent is answered.
        let mut is_stopping = false;
        let mut look = interval(LOOK);
        loop {
            if is_stopping {
                items = None;
            }
            if self.is_done() {
                return Ok(Over::Done);
            }
            if is_stopping && self.in_flight.is_empty() {
                return Ok(Over::Stopped);
            }
            let open = self.open();
            let next = self.paused.first_key_value().map(|((at, _), _)| *at);
            let resumed = async {
                match next {
                    Some(at) => sleep_until(at).await,
                    None => pending().await,
                }
            };
            let room = async {
                match &items {
                    Some(items) => items.reserve().await,
                    None => pending().await,
                }
            };
            tokio::select! {
                () = stop.at_once() => return Ok(Over::Stopped),
                () = stop.requested(), if !is_stopping => {
                    is_stopping = true;
                    self.tell_stop();
                }
                answer = answers.message() => match answer {
                    Ok(Some(answer)) => {
                        patience.note_answer();
                        self.note(&answer)?;
                    }
                    Ok(None) | Err(_) if is_stopping => return Ok(Over::Stopped),
                    Ok(None) => return Ok(Over::Broken(Status::unavailable("the stream has ended"))),
                    Err(status) => return Ok(Over::Broken(status)),
                },
                // Without room the stream is over, and its end is on its way.
                Ok(room) = room, if !self.waiting.is_empty() => {
                    if let Some((number, open)) = self.waiting.pop_first() {
                        room.send(open.line.item.clone());
                        self.in_flight.insert(number, open);
                    }
                }
                line = self.lines.next(), if self.has_lines && !is_stopping && open < self.at_once => {
                    self.take(line)?;
                }
                () = resumed, if !is_stopping => {
                    if let Some(((_, number), open)) = self.paused.pop_first() {
                        self.waiting.insert(number, open);
                    }
                }
                _ = look.tick() => self.tell_progress(),
            }
        }
    }

    fn tell_progress(&mut self) {
        let (totals, all) = (self.totals, self.all);
        let now = totals.done() - self.before.done();
        self.pace.note(self.progress.passed(), now);
        let pace = &self.pace;
        self.progress.tell_line(|_| totals.progress(all, pace));
    }

    fn tell_stop(&mut self) {
        let open = self.in_flight.len();
        self.progress.say(&format!(
            "stopping: {open} messages wait for their answer; another signal ends at once"
        ));
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

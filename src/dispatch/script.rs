//! A sender whose requests a test answers.

use tokio::sync::{mpsc, oneshot};

use super::cargo::Cargo;
use super::response::Response;
use bitrix24::{Answer, CallError, Deadlines, NotSent, SendGuard, Time, Unanswered};

/// Hands the requests to a test in place of a portal.
#[derive(Debug)]
pub(super) struct Script {
    requests: mpsc::UnboundedSender<ScriptedRequest>,
}

/// A request with a permit, which waits for its connection until the test has it sent.
#[derive(Debug)]
pub(super) struct ScriptedRequest {
    /// The parameters of its calls as JSON, in order.
    pub(super) calls: Vec<String>,
    pub(super) is_batch: bool,
    /// The span below which it is sent.
    pub(super) span: Option<tracing::Id>,
    guard: SendGuard,
    end: oneshot::Sender<Result<Response, CallError>>,
}

impl Script {
    pub(super) fn new() -> (Self, mpsc::UnboundedReceiver<ScriptedRequest>) {
        let (requests, received) = mpsc::unbounded_channel();
        (Self { requests }, received)
    }

    /// Like the transport: the request is cancelled at its first deadline unless it was sent.
    ///
    /// # Panics
    ///
    /// If the test drops the request.
    pub(super) async fn send(
        &self,
        cargo: &Cargo,
        deadlines: Deadlines,
        guard: &SendGuard,
    ) -> Result<Response, CallError> {
        let (end, mut ended) = oneshot::channel();
        let calls = cargo.calls();
        let request = ScriptedRequest {
            calls: calls
                .map(|(_, job)| String::from_utf8_lossy(job.parameters.as_json()).into_owned())
                .collect(),
            is_batch: cargo.is_batch(),
            span: tracing::Span::current().id(),
            guard: guard.clone(),
            end,
        };
        self.requests.send(request).unwrap();
        if let Ok(ended) = tokio::time::timeout_at(deadlines.send_by, &mut ended).await {
            return ended.unwrap();
        }
        if guard.cancel() {
            return Err(NotSent::DeadlinePassed.into());
        }
        match tokio::time::timeout_at(deadlines.answer_by, ended).await {
            Ok(ended) => ended.unwrap(),
            Err(_elapsed) => Err(Unanswered::DeadlinePassed.into()),
        }
    }
}

impl ScriptedRequest {
    /// There is a connection: the portal gets the request. False if it was cancelled.
    pub(super) fn depart(&self) -> bool {
        self.guard.send()
    }

    /// The portal gets the request and executes every call.
    pub(super) fn go_through(self) {
        assert!(self.depart(), "it was cancelled");
        self.answer();
    }

    /// The portal executes every call.
    pub(super) fn answer(self) {
        self.answer_with(&Time::default());
    }

    /// The same, and says this of the time.
    pub(super) fn answer_with(self, time: &Time) {
        let results = self.calls.iter();
        let results = results.map(|_| {
            Ok(Answer {
                http_status: 200,
                result: serde_json::Value::Bool(true),
                time: time.clone(),
            })
        });
        let response = Response {
            http_status: 200,
            results: results.collect(),
        };
        self.end(Ok(response));
    }

    /// The request as a whole fails.
    pub(super) fn fail(self, error: impl Into<CallError>) {
        self.end(Err(error.into()));
    }

    fn end(self, ended: Result<Response, CallError>) {
        // The service may have stopped waiting.
        let _ = self.end.send(ended);
    }
}

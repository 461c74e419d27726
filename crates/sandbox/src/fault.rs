//! Faults that tests inject: what goes wrong, when, and whether the method is executed all the same.

use std::sync::Arc;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use tokio::sync::Semaphore;

use super::oauth::{self, OAuthError};
use super::system_error::SystemError;

/// A fault, and which requests it hits.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fault {
    /// What goes wrong.
    pub kind: FaultKind,
    /// Which of the requests in question it hits.
    pub schedule: Schedule,
    /// Only requests, or commands, of this method, in lower case; `oauth.token` and `app.info` are the authorization server's.
    /// `None`: of every other method.
    pub method: Option<String>,
    /// Only requests to the portal of this host. `None`: to every portal.
    pub portal: Option<String>,
}

impl Fault {
    /// Hits the next request.
    pub fn once(kind: FaultKind) -> Self {
        Self::next(1, kind)
    }

    /// Hits the next `count` requests.
    pub fn next(count: u32, kind: FaultKind) -> Self {
        Self {
            kind,
            schedule: Schedule::Next(count),
            method: None,
            portal: None,
        }
    }

    /// Hits every `nth` request: the `nth`, twice the `nth`…. 0 never hits.
    pub fn every(nth: u32, kind: FaultKind) -> Self {
        Self {
            kind,
            schedule: Schedule::Every(nth),
            method: None,
            portal: None,
        }
    }

    /// Hits all requests until the faults are cleared.
    pub fn always(kind: FaultKind) -> Self {
        Self {
            kind,
            schedule: Schedule::Always,
            method: None,
            portal: None,
        }
    }

    /// The same fault for requests of one method only.
    pub fn for_method(self, method: &str) -> Self {
        Self {
            method: Some(method.to_ascii_lowercase()),
            ..self
        }
    }

    /// The same fault for token requests to the authorization server, which others do not hit.
    pub fn for_oauth(self) -> Self {
        self.for_method(oauth::METHOD)
    }

    /// The same fault for requests to one portal only.
    pub fn for_portal(self, host: &str) -> Self {
        Self {
            portal: Some(host.to_ascii_lowercase()),
            ..self
        }
    }
}

/// Which of the requests in question a fault hits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Schedule {
    /// The next n.
    Next(u32),
    /// Every n-th.
    Every(u32),
    /// All.
    Always,
}

/// On which side of the method's execution a fault strikes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Moment {
    /// The method is not executed.
    Before,
    /// The method is executed, the answer is lost.
    After,
}

/// What goes wrong. "Executed" supposes that the call itself is one that the portal accepts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum FaultKind {
    /// The connection is reset (TCP RST) without an answer.
    Reset(Moment),
    /// The connection is closed cleanly without an answer.
    Close(Moment),
    /// No answer ever comes; the connection stays open until the client leaves.
    Silence(Moment),
    /// The answer comes late: the delay lies before or after the execution, which happens either way.
    Slow(Moment, Duration),
    /// As [`Self::Slow`], but the response comes when the gate opens.
    Held(Moment, Gate),
    /// A page of the web server in front, `text/html`, with this status.
    Html(Moment, u16),
    /// `500` with the plain text `Internal Server Error`.
    PlainText(Moment),
    /// `200` without a body.
    Empty(Moment),
    /// `302` to the same path below this origin, for example `https://new.bitrix24.test`. Not executed.
    Redirect {
        /// Scheme and host, without a slash at the end.
        origin: String,
    },
    /// A system error, with the status of the table or with another one. Not executed.
    Refuse {
        /// The error.
        error: SystemError,
        /// Status in place of the table's: 200 gives an error envelope that looks like a success.
        status: Option<u16>,
    },
    /// The answer arrives, but not as it should be. Executed.
    Damage(Damage),
    /// A command of a batch goes wrong; the batch is answered all the same. It hits commands and never requests.
    Command(CommandFault),
    /// Exactly this answer.
    Scripted {
        /// HTTP status, 200 to 599.
        status: u16,
        /// Value of `Content-Type`.
        content_type: String,
        /// The body.
        body: String,
        /// Whether the method is executed first.
        executed: bool,
    },
}

/// Holds responses back until it is opened. Clones are the same gate.
#[derive(Clone, Debug)]
pub struct Gate(Arc<Semaphore>);

impl Gate {
    /// A closed gate.
    pub fn closed() -> Self {
        Self(Arc::new(Semaphore::new(0)))
    }

    /// Lets through what waits, and everything after.
    pub fn open(&self) {
        self.0.close();
    }

    /// Waits until the gate is open.
    pub(super) async fn opened(&self) {
        // The semaphore has no permits: this ends only when it is closed, as an error.
        let _ = self.0.acquire().await;
    }
}

impl PartialEq for Gate {
    fn eq(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }
}

impl Eq for Gate {}

/// What goes wrong with one command of a batch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CommandFault {
    /// It is refused with this error. Not executed.
    Refuse(SystemError),
    /// It is executed, and then answered with this error.
    Fail(SystemError),
    /// Nothing of the answer tells of it.
    Omit(Moment),
}

/// How an answer is damaged.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Damage {
    /// `Content-Length` promises the whole, half of it is sent, then the connection closes.
    CutOff,
    /// Well framed, but the document itself ends in the middle.
    Truncated,
    /// So many bytes of padding stand in the document.
    Oversized {
        /// Bytes of padding.
        bytes: usize,
    },
    /// The right document under `text/html`.
    WrongContentType,
    /// Something that looks like JSON and is none.
    InvalidJson,
    /// The document `null`.
    Null,
    /// The document `[]`.
    Array,
    /// An object with neither `result` nor `error`.
    NoResult,
    /// An object with `result` and without `time`.
    NoTime,
}

impl FaultKind {
    /// An expired token, whatever the state of the token.
    pub fn expired_token() -> Self {
        Self::Refuse {
            error: SystemError::EXPIRED_TOKEN,
            status: None,
        }
    }

    /// An error of the authorization server, which grants nothing.
    pub fn oauth_error(error: OAuthError) -> Self {
        let answer = oauth::refusal(error);
        Self::Scripted {
            status: answer.status,
            content_type: "application/json".to_owned(),
            body: answer.document.to_string(),
            executed: false,
        }
    }

    /// Whether a call that the portal accepts is executed under this fault.
    pub fn executes(&self) -> bool {
        match self {
            Self::Reset(moment)
            | Self::Close(moment)
            | Self::Silence(moment)
            | Self::Html(moment, _)
            | Self::PlainText(moment)
            | Self::Empty(moment) => *moment == Moment::After,
            Self::Slow(..) | Self::Held(..) | Self::Damage(_) => true,
            Self::Redirect { .. } | Self::Refuse { .. } => false,
            Self::Command(fault) => fault.executes(),
            Self::Scripted { executed, .. } => *executed,
        }
    }

    /// The fault, if it is one of commands.
    pub(super) fn of_command(&self) -> Option<CommandFault> {
        if let Self::Command(fault) = self {
            Some(*fault)
        } else {
            None
        }
    }

    /// Name of the fault, as in the record and the control interface.
    pub fn name(&self) -> &'static str {
        let either = |moment: &Moment, before, after| match moment {
            Moment::Before => before,
            Moment::After => after,
        };
        match self {
            Self::Reset(moment) => either(moment, "reset_before", "reset_after"),
            Self::Close(moment) => either(moment, "close_before", "close_after"),
            Self::Silence(moment) => either(moment, "silence_before", "silence_after"),
            Self::Slow(moment, _) => either(moment, "slow_before", "slow_after"),
            Self::Held(moment, _) => either(moment, "held_before", "held_after"),
            Self::Html(moment, _) => either(moment, "html_before", "html_after"),
            Self::PlainText(moment) => either(moment, "plain_text_before", "plain_text_after"),
            Self::Empty(moment) => either(moment, "empty_before", "empty_after"),
            Self::Redirect { .. } => "redirect",
            Self::Refuse { error, .. } if *error == SystemError::EXPIRED_TOKEN => "expired_token",
            Self::Refuse { .. } => "refuse",
            Self::Damage(damage) => match damage {
                Damage::CutOff => "cut_off",
                Damage::Truncated => "truncated",
                Damage::Oversized { .. } => "oversized",
                Damage::WrongContentType => "wrong_content_type",
                Damage::InvalidJson => "invalid_json",
                Damage::Null => "null",
                Damage::Array => "array",
                Damage::NoResult => "no_result",
                Damage::NoTime => "no_time",
            },
            Self::Scripted { .. } => "scripted",
            Self::Command(fault) => match fault {
                CommandFault::Refuse(_) => "command_refuse",
                CommandFault::Fail(_) => "command_fail",
                CommandFault::Omit(moment) => {
                    either(moment, "command_omit_before", "command_omit_after")
                }
            },
        }
    }
}

impl CommandFault {
    /// Whether a command that the portal accepts is executed under this fault.
    pub(super) fn executes(self) -> bool {
        match self {
            Self::Refuse(_) => false,
            Self::Fail(_) => true,
            Self::Omit(moment) => moment == Moment::After,
        }
    }
}

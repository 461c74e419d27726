//! Faults that tests inject: what goes wrong, when, and whether the method is still executed.

use std::time::Duration;

use http::{HeaderName, HeaderValue};
use serde::{Deserialize, Serialize};

use super::gate::Gate;
use crate::error::{OAuthError, SystemError};
use crate::request::TOKEN_METHOD;
use crate::response::JsonResponse;

/// A fault, and which requests it hits.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fault {
    /// What goes wrong.
    pub kind: FaultKind,
    /// Which of the matching requests it hits.
    pub schedule: Schedule,
    /// Only requests, or commands, of this method, in lower case. `None`: of every method except
    /// `oauth.token` and `app.info`, which are the authorization server's.
    pub method: Option<String>,
    /// Only requests to the portal of this host. `None`: to every portal.
    pub portal: Option<String>,
    /// Only requests with an access token of the application with this client id. `None`: of every
    /// application, and others.
    pub application: Option<String>,
    /// Headers of the response, if there is one.
    pub headers: Vec<(HeaderName, HeaderValue)>,
}

impl Fault {
    /// Hits the next request.
    pub fn once(kind: FaultKind) -> Self {
        Self::next(1, kind)
    }

    /// Hits the next `count` requests.
    pub fn next(count: u32, kind: FaultKind) -> Self {
        Self::new(Schedule::Next(count), kind)
    }

    /// Hits every `nth` request: the `nth`, twice the `nth` and so on. 0 never hits.
    pub fn every(nth: u32, kind: FaultKind) -> Self {
        Self::new(Schedule::Every(nth), kind)
    }

    /// Hits all requests until the faults are cleared.
    pub fn always(kind: FaultKind) -> Self {
        Self::new(Schedule::Always, kind)
    }

    pub(crate) fn new(schedule: Schedule, kind: FaultKind) -> Self {
        Self {
            kind,
            schedule,
            method: None,
            portal: None,
            application: None,
            headers: Vec::new(),
        }
    }

    /// The same fault for requests of one method only.
    pub fn for_method(self, method: &str) -> Self {
        Self {
            method: Some(method.to_ascii_lowercase()),
            ..self
        }
    }

    /// The same fault for token requests, which faults without a method never hit.
    pub fn for_oauth(self) -> Self {
        self.for_method(TOKEN_METHOD)
    }

    /// The same fault for requests to one portal only.
    pub fn for_portal(self, host: &str) -> Self {
        Self {
            portal: Some(host.to_ascii_lowercase()),
            ..self
        }
    }

    /// The same fault for requests of one application only.
    pub fn for_application(self, client_id: &str) -> Self {
        Self {
            application: Some(client_id.to_owned()),
            ..self
        }
    }

    /// The same fault with one more header in the response.
    pub fn with_header(self, name: HeaderName, value: HeaderValue) -> Self {
        let mut headers = self.headers;
        headers.push((name, value));
        Self { headers, ..self }
    }
}

/// Which of the matching requests a fault hits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Schedule {
    /// The next `n`.
    Next(u32),
    /// Every `n`-th.
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
    /// The method is executed, the response is lost.
    After,
}

/// What goes wrong. "Executed" assumes that the portal accepts the call.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum FaultKind {
    /// The connection is reset (TCP RST) without a response.
    Reset(Moment),
    /// The connection is closed cleanly without a response.
    Close(Moment),
    /// No response is sent; the connection stays open until the client disconnects.
    Silence(Moment),
    /// The response is late: the delay comes before or after the execution. Executed.
    Slow(Moment, Duration),
    /// As [`Self::Slow`], but the response is sent when the gate opens.
    Held(Moment, Gate),
    /// A page of the web server in front, `text/html`, with this status.
    Html(Moment, u16),
    /// `500` with the plain text `Internal Server Error`.
    PlainText(Moment),
    /// `200` without a body.
    Empty(Moment),
    /// `302` to the same path below this origin, for example `https://new.bitrix24.test`. Not
    /// executed.
    Redirect {
        /// Scheme and host, without a slash at the end.
        origin: String,
    },
    /// The secrets of the request come back: with status 200 as the result, otherwise in code and
    /// description. Not executed.
    Echo {
        /// HTTP status, 200 to 599.
        status: u16,
    },
    /// A system error. Not executed.
    Refuse {
        /// The error.
        error: SystemError,
        /// Overrides the status of the table: 200 makes the error look like a success.
        status: Option<u16>,
    },
    /// The response arrives damaged. Executed.
    Damage(Damage),
    /// A command of a batch fails; the batch itself succeeds. Never hits a request.
    Command(CommandFault),
    /// Exactly this response.
    Scripted {
        /// HTTP status, 200 to 599.
        status: u16,
        /// Value of `Content-Type`. With the charset `windows-1251` the body is sent in it.
        content_type: String,
        /// The body.
        body: String,
        /// Whether the method is executed first.
        executed: bool,
    },
}

/// What goes wrong with one command of a batch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CommandFault {
    /// It is refused with this error. Not executed.
    Refuse(SystemError),
    /// It is executed and returns this error.
    Fail(SystemError),
    /// The response does not mention it.
    Omit(Moment),
}

/// How a response is damaged.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Damage {
    /// Half of the body that `Content-Length` announces is sent, then the connection closes.
    CutOff,
    /// The document ends in the middle although the body is complete.
    Truncated,
    /// The document has this much padding.
    Oversized {
        /// Bytes of padding.
        bytes: usize,
    },
    /// The right document under `text/html`.
    WrongContentType,
    /// The right document among other text, as PHP and the modules of a portal write it.
    Junk {
        /// Before the document. [`PHP_NOTICE`](super::PHP_NOTICE) is usual.
        before: String,
        /// After it.
        after: String,
    },
    /// The right document in windows-1251, with a text in Russian.
    WrongEncoding,
    /// Looks like JSON but is not.
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
    /// Refuses with `expired_token` regardless of the token.
    pub fn expired_token() -> Self {
        Self::Refuse {
            error: SystemError::EXPIRED_TOKEN,
            status: None,
        }
    }

    /// An error of the authorization server, which grants nothing.
    pub fn oauth_error(error: OAuthError) -> Self {
        let response = JsonResponse::oauth_error(error);
        Self::Scripted {
            status: response.status,
            content_type: "application/json".to_owned(),
            body: response.document.to_string(),
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
            Self::Redirect { .. } | Self::Echo { .. } | Self::Refuse { .. } => false,
            Self::Command(fault) => fault.executes(),
            Self::Scripted { executed, .. } => *executed,
        }
    }

    /// The fault of a command, if it is one.
    pub(crate) fn of_command(&self) -> Option<CommandFault> {
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
            Self::Echo { .. } => "echo",
            Self::Refuse { error, .. } if *error == SystemError::EXPIRED_TOKEN => "expired_token",
            Self::Refuse { .. } => "refuse",
            Self::Damage(damage) => match damage {
                Damage::CutOff => "cut_off",
                Damage::Truncated => "truncated",
                Damage::Oversized { .. } => "oversized",
                Damage::WrongContentType => "wrong_content_type",
                Damage::Junk { .. } => "junk",
                Damage::WrongEncoding => "wrong_encoding",
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
    pub(crate) fn executes(self) -> bool {
        match self {
            Self::Refuse(_) => false,
            Self::Fail(_) => true,
            Self::Omit(moment) => moment == Moment::After,
        }
    }
}

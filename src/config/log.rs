//! `log.*`: what the process says of itself.

use tracing_subscriber::EnvFilter;

use super::reader::Reader;
use super::setting::{Form, Setting};

/// What the process says of itself.
#[derive(Clone, Debug)]
pub struct Log {
    /// How events are written. Default JSON.
    pub format: LogFormat,
    /// Which events are written, as directives of tracing's `EnvFilter`; they are known to parse.
    /// Default `info`.
    pub filter: String,
}

/// How log events are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LogFormat {
    /// One JSON object per line.
    Json,
    /// Lines for humans.
    Text,
}

pub(super) const SETTINGS: &[&Setting] = &[&FORMAT, &FILTER];

static FORMAT: Setting = Setting {
    path: "log.format",
    form: Form::Word(&["json", "text"]),
    default: Some("json"),
    meaning: "`json` writes one object per line, `text` writes lines for humans.",
};
static FILTER: Setting = Setting {
    path: "log.filter",
    form: Form::LogFilter,
    default: Some("info"),
    meaning: "Which events are written: a level, or levels by module, separated by commas.",
};

impl Log {
    pub(super) fn read(reader: &mut Reader<'_>) -> Option<Self> {
        let format = reader.word(
            &FORMAT,
            &[("json", LogFormat::Json), ("text", LogFormat::Text)],
        );
        let filter = reader.parsed(&FILTER, |text| match text.parse::<EnvFilter>() {
            Ok(_) => Ok(text.to_owned()),
            Err(_) => Err("is no filter of log events".to_owned()),
        });
        Some(Self {
            format: format?,
            filter: filter?,
        })
    }
}

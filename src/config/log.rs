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
    /// Whether the trail of changes to tenants is written, whatever the filter says. Default yes.
    pub audit: bool,
}

/// How log events are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LogFormat {
    /// One JSON object per line.
    Json,
    /// Lines for humans.
    Text,
}

pub(super) const SETTINGS: &[&Setting] = &[&FORMAT, &FILTER, &AUDIT];

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

static AUDIT: Setting = Setting {
    path: "log.audit",
    form: Form::Flag,
    default: Some("true"),
    meaning: "Whether each change to a tenant is a log line with the target `openlines::audit`, whatever `log.filter` says.",
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
        let audit = reader.flag(&AUDIT);
        Some(Self {
            format: format?,
            filter: filter?,
            audit: audit?,
        })
    }
}

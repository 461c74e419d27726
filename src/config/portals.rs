//! `portals.*`: which portals may be called, and how patiently.

use std::time::Duration;

use super::authorization;
use super::reader::Reader;
use super::setting::{Form, Setting};
use bitrix24::HostName;
use bitrix24::Policy;
use bitrix24::Suffix;

/// Which portals may be called, and how patiently.
#[derive(Clone, Debug)]
pub struct Portals {
    /// Which addresses may be called: `portals.allowed_suffixes`, `portals.self_hosted` and
    /// `portals.dangerous_allow_insecure`. Default the domains of the Bitrix24 cloud.
    pub addresses: Policy,
    /// Time to reach a portal: name resolution, TCP and TLS. Default 5 s; 1–30 s.
    pub connect_timeout: Duration,
    /// Largest answer of a portal, in bytes after decompression. Default 8 MiB; 64 KiB to 256 MiB.
    pub maximum_answer_bytes: usize,
    /// Time after which an unused connection to a portal is closed. Default 30 s; 1–600 s.
    pub idle_connection: Duration,
}

pub(super) const SETTINGS: &[&Setting] = &[
    &ALLOWED_SUFFIXES,
    &SELF_HOSTED,
    &DANGEROUS_ALLOW_INSECURE,
    &CONNECT_TIMEOUT,
    &MAXIMUM_ANSWER_BYTES,
    &IDLE_CONNECTION,
];

static ALLOWED_SUFFIXES: Setting = Setting {
    path: "portals.allowed_suffixes",
    form: Form::Suffixes,
    default: Some(
        "bitrix24.com,bitrix24.com.br,bitrix24.com.tr,bitrix24.de,bitrix24.es,bitrix24.eu,bitrix24.fr,\
         bitrix24.in,bitrix24.it,bitrix24.jp,bitrix24.kz,bitrix24.by,bitrix24.pl,bitrix24.ru,bitrix24.uk,\
         bitrix24.ua,bitrix24.cn,bitrix24.mx,bitrix24.co,bitrix24.vn,bitrix24.id",
    ),
    meaning: "Portals may lie below these names, compared by whole labels. A list given here replaces the default. \
              A tenant cannot add to it.",
};
static SELF_HOSTED: Setting = Setting {
    path: "portals.self_hosted",
    form: Form::HostNames,
    default: Some(""),
    meaning: "Portals on servers of your own, by their exact names. Only these may resolve to private addresses.",
};
static DANGEROUS_ALLOW_INSECURE: Setting = Setting {
    path: "portals.dangerous_allow_insecure",
    form: Form::Flag,
    default: Some("false"),
    meaning: "Whether a portal may be given as `http://127.0.0.1:PORT` or `http://[::1]:PORT`, called in clear \
              text. For the sandbox; no other plain HTTP is possible.",
};
static CONNECT_TIMEOUT: Setting = Setting {
    path: "portals.connect_timeout_seconds",
    form: Form::Whole {
        minimum: 1,
        maximum: 30,
        unit: "seconds",
    },
    default: Some("5"),
    meaning: "Time to reach a portal: name resolution, TCP and TLS.",
};
static MAXIMUM_ANSWER_BYTES: Setting = Setting {
    path: "portals.maximum_answer_bytes",
    form: Form::Whole {
        minimum: 65_536,
        maximum: 268_435_456,
        unit: "bytes",
    },
    default: Some("8388608"),
    meaning: "Largest answer of a portal, after decompression. Of a larger one the outcome counts as unknown.",
};
static IDLE_CONNECTION: Setting = Setting {
    path: "portals.idle_connection_seconds",
    form: Form::Whole {
        minimum: 1,
        maximum: 600,
        unit: "seconds",
    },
    default: Some("30"),
    meaning: "Time after which an unused connection to a portal is closed.",
};

/// Reads the settings that say which portals may be called, for the rules of the tenants file.
pub(super) fn policy(reader: &mut Reader<'_>) -> Option<Policy> {
    let allowed_suffixes = reader.list(&ALLOWED_SUFFIXES, |text| {
        Suffix::parse(text).map_err(|error| error.to_string())
    });
    let self_hosted = reader.list(&SELF_HOSTED, |text| {
        HostName::parse(text).map_err(|error| error.to_string())
    });
    let authorization_servers = authorization::servers(reader);
    let dangerous_allow_insecure = reader.flag(&DANGEROUS_ALLOW_INSECURE);
    Some(Policy {
        allowed_suffixes: allowed_suffixes?,
        self_hosted: self_hosted?,
        authorization_servers: authorization_servers?,
        dangerous_allow_insecure: dangerous_allow_insecure?,
    })
}

impl Portals {
    pub(super) fn read(reader: &mut Reader<'_>, policy: Option<Policy>) -> Option<Self> {
        let connect_timeout = reader.whole(&CONNECT_TIMEOUT).map(Duration::from_secs);
        let maximum_answer_bytes = reader.whole(&MAXIMUM_ANSWER_BYTES);
        let idle_connection = reader.whole(&IDLE_CONNECTION).map(Duration::from_secs);
        Some(Self {
            addresses: policy?,
            connect_timeout: connect_timeout?,
            maximum_answer_bytes: maximum_answer_bytes?,
            idle_connection: idle_connection?,
        })
    }
}

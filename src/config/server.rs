//! `server.*`: the gRPC listener and the limits of a call.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use super::reader::Reader;
use super::setting::{Form, Setting};

/// The gRPC listener and the limits of a call.
#[derive(Clone, Debug)]
pub struct Server {
    /// Where gRPC is served. Default 127.0.0.1:50051.
    pub listen: SocketAddr,
    /// Certificate and key; without them gRPC is served in clear text. Default none.
    pub tls: Option<Tls>,
    /// Whether gRPC reflection is served. Default false.
    pub reflection: bool,
    /// Time for a call whose caller sets no deadline. Default 30 s; 1 s to `maximum_deadline`.
    pub default_deadline: Duration,
    /// Longest time for a call, whatever its caller asks for. Default 55 s; 1–59 s.
    pub maximum_deadline: Duration,
    /// Calls that may be under way at once; more are refused. Default 20,000; 1–100,000.
    pub maximum_concurrent_calls: usize,
    /// Largest request message, in bytes after decompression. Default 1 MiB; 16 KiB to 64 MiB.
    pub maximum_request_bytes: usize,
    /// Size of all requests of calls under way together, in bytes. Default 256 MiB; 16 KiB to 64 GiB.
    pub maximum_bytes_in_hand: usize,
    /// Time for calls under way to end after a signal to stop. Default 30 s; 1–600 s.
    pub drain: Duration,
    /// Time between reporting NOT_SERVING and refusing new connections. Default 0 s; 0–300 s.
    pub shutdown_delay: Duration,
}

/// Where certificate and private key are.
#[derive(Clone, Debug)]
pub struct Tls {
    /// Certificate chain in PEM, the server's own certificate first.
    pub certificate_file: PathBuf,
    /// Private key in PEM.
    pub private_key_file: PathBuf,
}

pub(super) const SETTINGS: &[&Setting] = &[
    &LISTEN,
    &CERTIFICATE_FILE,
    &PRIVATE_KEY_FILE,
    &REFLECTION,
    &DEFAULT_DEADLINE,
    &MAXIMUM_DEADLINE,
    &MAXIMUM_CONCURRENT_CALLS,
    &MAXIMUM_REQUEST_BYTES,
    &MAXIMUM_BYTES_IN_HAND,
    &DRAIN,
    &SHUTDOWN_DELAY,
];

pub(super) static LISTEN: Setting = Setting {
    path: "server.listen",
    form: Form::SocketAddress,
    default: Some("127.0.0.1:50051"),
    meaning: "Where gRPC is served. `0.0.0.0:50051` serves all IPv4 interfaces.",
};
static CERTIFICATE_FILE: Setting = Setting {
    path: "server.tls.certificate_file",
    form: Form::File,
    default: None,
    meaning: "Certificate chain in PEM, the server's own certificate first. Without it gRPC is served in clear \
              text.",
};
static PRIVATE_KEY_FILE: Setting = Setting {
    path: "server.tls.private_key_file",
    form: Form::File,
    default: None,
    meaning: "Private key in PEM, of the certificate in `server.tls.certificate_file`; both or none.",
};
static REFLECTION: Setting = Setting {
    path: "server.reflection",
    form: Form::Flag,
    default: Some("false"),
    meaning: "Whether gRPC reflection describes the API to anybody who can connect.",
};
static DEFAULT_DEADLINE: Setting = Setting {
    path: "server.default_deadline_seconds",
    form: Form::Whole {
        minimum: 1,
        maximum: 59,
        unit: "seconds",
    },
    default: Some("30"),
    meaning: "Time for a call whose caller sets no deadline. At most `server.maximum_deadline_seconds`.",
};
static MAXIMUM_DEADLINE: Setting = Setting {
    path: "server.maximum_deadline_seconds",
    form: Form::Whole {
        minimum: 1,
        maximum: 59,
        unit: "seconds",
    },
    default: Some("55"),
    meaning: "Longest time for a call, whatever its caller asks for. Below the 60 seconds after which Bitrix24 \
              cuts a request, so that we know of the end before it comes.",
};
static MAXIMUM_CONCURRENT_CALLS: Setting = Setting {
    path: "server.maximum_concurrent_calls",
    form: Form::Whole {
        minimum: 1,
        maximum: 100_000,
        unit: "calls",
    },
    default: Some("20000"),
    meaning: "Calls that may be under way at once, those that wait for a portal included; more are refused at once with \
              `UNAVAILABLE`. One connection may carry as many, and 256 at least.",
};
static MAXIMUM_REQUEST_BYTES: Setting = Setting {
    path: "server.maximum_request_bytes",
    form: Form::Whole {
        minimum: 16_384,
        maximum: 67_108_864,
        unit: "bytes",
    },
    default: Some("1048576"),
    meaning: "Largest request message, after decompression.",
};
static MAXIMUM_BYTES_IN_HAND: Setting = Setting {
    path: "server.maximum_bytes_in_hand",
    form: Form::Whole {
        minimum: 16_384,
        maximum: 68_719_476_736,
        unit: "bytes",
    },
    default: Some("268435456"),
    meaning: "Size of all requests of calls under way together; what goes beyond is refused with `UNAVAILABLE`. At least \
              `server.maximum_request_bytes`.",
};
static DRAIN: Setting = Setting {
    path: "server.drain_seconds",
    form: Form::Whole {
        minimum: 1,
        maximum: 600,
        unit: "seconds",
    },
    default: Some("30"),
    meaning: "Time for calls under way to end after a signal to stop. In Kubernetes \
              `terminationGracePeriodSeconds` must be longer than this and `server.shutdown_delay_seconds` \
              together.",
};
static SHUTDOWN_DELAY: Setting = Setting {
    path: "server.shutdown_delay_seconds",
    form: Form::Whole {
        minimum: 0,
        maximum: 300,
        unit: "seconds",
    },
    default: Some("0"),
    meaning: "Time between reporting `NOT_SERVING` and refusing new connections, for load balancers to notice.",
};

/// Reads `server.listen` alone, for the rules of other sections.
pub(super) fn listen(reader: &mut Reader<'_>) -> Option<SocketAddr> {
    reader.socket_address(&LISTEN)
}

impl Server {
    pub(super) fn read(reader: &mut Reader<'_>, listen: Option<SocketAddr>) -> Option<Self> {
        let tls = Tls::read(reader);
        let reflection = reader.flag(&REFLECTION);
        let default_deadline = reader.whole(&DEFAULT_DEADLINE).map(Duration::from_secs);
        let maximum_deadline = reader.whole(&MAXIMUM_DEADLINE).map(Duration::from_secs);
        let maximum_concurrent_calls = reader.whole(&MAXIMUM_CONCURRENT_CALLS);
        let maximum_request_bytes = reader.whole(&MAXIMUM_REQUEST_BYTES);
        let maximum_bytes_in_hand = reader.whole(&MAXIMUM_BYTES_IN_HAND);
        let drain = reader.whole(&DRAIN).map(Duration::from_secs);
        let shutdown_delay = reader.whole(&SHUTDOWN_DELAY).map(Duration::from_secs);

        if default_deadline? > maximum_deadline? {
            let problem = "is longer than server.maximum_deadline_seconds";
            reader.refuse(&DEFAULT_DEADLINE, problem, "lower it or raise the maximum");
        }
        if maximum_bytes_in_hand? < maximum_request_bytes? {
            let problem = "is less than server.maximum_request_bytes";
            reader.refuse(&MAXIMUM_BYTES_IN_HAND, problem, "raise it");
        }
        Some(Self {
            listen: listen?,
            tls: tls?,
            reflection: reflection?,
            default_deadline: default_deadline?,
            maximum_deadline: maximum_deadline?,
            maximum_concurrent_calls: maximum_concurrent_calls?,
            maximum_request_bytes: maximum_request_bytes?,
            maximum_bytes_in_hand: maximum_bytes_in_hand?,
            drain: drain?,
            shutdown_delay: shutdown_delay?,
        })
    }
}

impl Tls {
    /// `None` after a fault, `Some(None)` if clear text is wanted.
    fn read(reader: &mut Reader<'_>) -> Option<Option<Self>> {
        let certificate_file = reader.file(&CERTIFICATE_FILE);
        let private_key_file = reader.file(&PRIVATE_KEY_FILE);
        match (certificate_file?, private_key_file?) {
            (Some(certificate_file), Some(private_key_file)) => Some(Some(Self {
                certificate_file,
                private_key_file,
            })),
            (None, None) => Some(None),
            (Some(_), None) => {
                let problem = "is missing, though a certificate is given";
                reader.refuse(&PRIVATE_KEY_FILE, problem, "give both files or none");
                None
            }
            (None, Some(_)) => {
                let problem = "is missing, though a private key is given";
                reader.refuse(&CERTIFICATE_FILE, problem, "give both files or none");
                None
            }
        }
    }
}

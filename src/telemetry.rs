//! Structured logs, and traces for an OpenTelemetry collector.

mod collector;
mod filter;
mod given;
mod headers;
mod json_line;
mod lines;
mod metrics_export;
mod resource;
mod settings;
mod spans;
mod trace;
mod variables;

use std::any::Any;
use std::error::Error;
use std::io::{self, IsTerminal};
use std::panic::{self, PanicHookInfo};
use std::sync::{Arc, OnceLock};
use std::thread;
use std::time::Duration;

use opentelemetry::trace::TracerProvider;
use opentelemetry_sdk::trace::{SdkTracerProvider, SpanLimits};
use tracing_subscriber::Registry;
use tracing_subscriber::filter::{LevelFilter, Targets};
use tracing_subscriber::layer::{Layer, SubscriberExt};
use tracing_subscriber::registry::LookupSpan;
use tracing_subscriber::util::{SubscriberInitExt, TryInitError};

use self::collector::Collector;
pub(crate) use self::collector::{CollectorError, CollectorState};
pub(crate) use self::filter::LogFilter;
use self::filter::Switched;
use self::json_line::JsonLine;
pub(crate) use self::lines::{Lines, lost_lines};
pub(crate) use self::metrics_export::{MetricsExport, lost_transmissions};
use self::resource::Attributes;
pub(crate) use self::settings::{CollectorSettings, LogFormat, LogSettings};
use self::spans::Batches;
pub(crate) use self::spans::lost_spans;
pub(crate) use self::trace::{CallTrace, Linked, Sampling};
pub(crate) use self::variables::OtelVariables;

/// The target of audit lines. No log filter silences it.
pub(crate) const AUDIT: &str = "openlines::audit";

/// The target of the audit of sends. No log filter silences it either.
pub(crate) const AUDIT_SENDS: &str = "openlines::audit::sends";

/// The target of the spans that traces are made of.
pub(crate) const SPANS: &str = "openlines::span";

/// Crates that print request lines or bodies at fine levels. A webhook's request line is a secret,
/// so they log warnings and errors only, whatever the filter says.
const QUIET: [&str; 8] = [
    "h2",
    "hyper",
    "hyper_util",
    "moka",
    "reqwest",
    "rustls",
    "sqlx",
    "tower",
];

/// Time to export the last traces when the process ends.
const FLUSH: Duration = Duration::from_secs(5);

/// Time to write the last log lines when the process ends: a log that nobody reads must not hold
/// the end.
const LAST_LINES: Duration = Duration::from_millis(500);

/// Logs or traces could not be started.
#[derive(Debug, thiserror::Error)]
pub(crate) enum TelemetryError {
    /// The thread that writes the log cannot be started.
    #[error("cannot write to standard error")]
    Log(#[from] io::Error),
    /// The way to the collector cannot be set up.
    #[error(transparent)]
    Collector(#[from] CollectorError),
    /// There is a logger already.
    #[error("logging was started twice")]
    Twice(#[from] TryInitError),
}

/// Running telemetry. Without [`Telemetry::stop`] the last traces are lost.
#[derive(Debug)]
pub(crate) struct Telemetry {
    tracer: Option<SdkTracerProvider>,
    lines: Lines,
}

impl Telemetry {
    /// Starts logging to standard error, panics included, and exporting traces if there is a
    /// collector.
    ///
    /// # Errors
    ///
    /// [`TelemetryError`].
    pub(crate) fn start(
        log: &LogSettings,
        settings: &CollectorSettings,
        variables: &OtelVariables,
    ) -> Result<Self, TelemetryError> {
        let collector = Collector::of(settings, variables)?.map(Arc::new);
        let tracer = collector
            .as_ref()
            .map(|collector| tracer_provider(Arc::clone(collector), settings, variables));
        let lines = Lines::to_stderr(log.buffer_bytes)?;
        let filter = LogFilter::of(log);
        tracing_subscriber::registry()
            .with(log_lines(log, filter.filter(), lines.clone()))
            .with(tracer.as_ref().map(spans))
            .try_init()?;
        filter.publish();
        if let Some(collector) = collector {
            collector.publish();
        }
        // The usual hook waits for standard error.
        let last = lines.clone();
        panic::set_hook(Box::new(move |panic| {
            log_panic(panic);
            // The process ends with its first thread, whether the line was written or not.
            if thread::current().name() == Some("main") {
                last.flush(LAST_LINES);
            }
        }));
        variables.tell();
        Ok(Self { tracer, lines })
    }

    /// Where the log lines go.
    pub(crate) fn lines(&self) -> Lines {
        self.lines.clone()
    }

    /// Exports the last traces, and writes the last log lines.
    pub(crate) fn stop(self) {
        if let Some(tracer) = self.tracer
            && let Err(error) = tracer.shutdown_with_timeout(FLUSH)
        {
            tracing::warn!(error = %error, "could not export the last traces");
        }
        self.lines.flush(LAST_LINES);
    }
}

/// The format of the log, as soon as the settings have been read so far.
static FORMAT: OnceLock<LogFormat> = OnceLock::new();

/// Remembers the format for the last line of a start that fails. The first one counts.
pub(crate) fn remember_format(format: LogFormat) {
    let _ = FORMAT.set(format);
}

/// The last line of a process that fails, in the format of its log.
pub(crate) fn last_line(failure: &str) -> String {
    match FORMAT.get() {
        // Without readable settings it is the usual format.
        None | Some(LogFormat::Json) => json_line::of_error(failure, "openlines"),
        Some(LogFormat::Text) => format!("openlines: {failure}\n"),
    }
}

/// Checks what otherwise only a start does: the way to the collector.
///
/// # Errors
///
/// [`CollectorError`], as a start would give it.
pub(crate) fn check(
    settings: &CollectorSettings,
    variables: &OtelVariables,
) -> Result<(), CollectorError> {
    Collector::of(settings, variables).map(|_| ())
}

fn log_panic(panic: &PanicHookInfo<'_>) {
    tracing::error!(
        thread = thread::current().name(),
        location = panic.location().map(tracing::field::display),
        panic = literal(panic.payload()),
        "a thread has panicked"
    );
}

/// What a panic says, if it is a text of the program's source. Others quote what the program works
/// on, which may be a secret: a cut in the middle of a character shows the whole text.
fn literal(payload: &dyn Any) -> Option<&'static str> {
    payload.downcast_ref().copied()
}

/// An error with its causes, in one line. Some libraries say the cause in the error, too; then it
/// is not said twice.
pub(crate) fn chain(error: &(dyn Error + 'static)) -> String {
    let mut line = error.to_string();
    let mut source = error.source();
    while let Some(error) = source {
        let cause = error.to_string();
        if !line.ends_with(&cause) {
            line.push_str(": ");
            line.push_str(&cause);
        }
        source = error.source();
    }
    line
}

fn log_lines(
    settings: &LogSettings,
    wanted: Switched,
    output: Lines,
) -> Box<dyn Layer<Registry> + Send + Sync> {
    let pinned = Targets::new()
        .with_default(LevelFilter::TRACE)
        .with_targets(QUIET.map(|target| (target, LevelFilter::WARN)))
        // Spans are for traces: formatting them costs more than a call's line, which has its ids.
        .with_target(SPANS, LevelFilter::OFF)
        .with_target(bitrix24::SPAN_TARGET, LevelFilter::OFF);
    let lines = tracing_subscriber::fmt::layer()
        .with_writer(output)
        .with_ansi(io::stderr().is_terminal());
    match settings.format {
        LogFormat::Json => lines
            .json()
            .flatten_event(true)
            .map_event_format(|others| JsonLine { others })
            .with_filter(pinned)
            .with_filter(wanted)
            .boxed(),
        LogFormat::Text => lines.with_filter(pinned).with_filter(wanted).boxed(),
    }
}

fn spans<S>(tracer: &SdkTracerProvider) -> impl Layer<S> + use<S>
where
    S: tracing::Subscriber + for<'lookup> LookupSpan<'lookup>,
{
    tracing_opentelemetry::layer()
        .with_tracer(tracer.tracer("bitrix24-openlines"))
        .with_location(false)
        .with_threads(false)
        .with_target(false)
        .with_level(false)
        .with_tracked_inactivity(false)
        .with_filter(
            Targets::new()
                .with_target(SPANS, LevelFilter::INFO)
                .with_target(bitrix24::SPAN_TARGET, LevelFilter::INFO),
        )
}

fn tracer_provider(
    collector: Arc<Collector>,
    settings: &CollectorSettings,
    variables: &OtelVariables,
) -> SdkTracerProvider {
    SdkTracerProvider::builder()
        .with_span_processor(Batches::to(collector))
        .with_sampler(trace::sampler(settings.sample_percent))
        // The library would read the environment.
        .with_span_limits(SpanLimits::default())
        .with_resource(Attributes::of(settings, variables).of_sdk())
        .build()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cause_that_the_error_says_itself_is_not_said_twice() {
        #[derive(Debug, thiserror::Error)]
        #[error("{0}")]
        struct Said(&'static str, #[source] Option<Box<Said>>);
        let cause = Box::new(Said("invalid certificate: UnknownIssuer", None));
        let wrapped = Box::new(Said("invalid certificate: UnknownIssuer", Some(cause)));
        let error = Said("cannot connect", Some(wrapped));
        let expected = "cannot connect: invalid certificate: UnknownIssuer";
        assert_eq!(chain(&error), expected);
    }

    #[test]
    fn a_panic_that_quotes_what_the_program_works_on_is_not_told() {
        let secret = "kánary-secret";
        let said = |panics: fn(&str)| {
            let panicked = panic::catch_unwind(|| panics(secret)).unwrap_err();
            literal(&*panicked)
        };
        assert_eq!(said(|_| panic!("a text of ours")), Some("a text of ours"));
        assert_eq!(said(|secret| panic!("{secret}")), None);
        assert_eq!(
            said(|secret| assert!(secret.split_at(2).0.is_empty())),
            None
        );
        assert_eq!(
            said(|secret| assert_eq!(secret.parse::<u8>().unwrap(), 0)),
            None
        );
    }
}

//! Which events the log has. It can be changed while the process runs, and falls back by itself.

use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::Duration;

use arc_swap::ArcSwap;
use tokio::sync::Notify;
use tokio::time::Instant;
use tracing::level_filters::LevelFilter;
use tracing::span::{Attributes, Id, Record};
use tracing::subscriber::Interest;
use tracing::{Metadata, Subscriber};
use tracing_subscriber::EnvFilter;
use tracing_subscriber::layer::{Context, Filter};

use super::{AUDIT, AUDIT_SENDS, LogSettings};

/// The longest filter, in bytes.
const LONGEST: usize = 1024;

/// The filter of the process, once it logs.
static FILTER: OnceLock<LogFilter> = OnceLock::new();

/// The filter of the log. Cheap to clone.
#[derive(Clone, Debug)]
pub(crate) struct LogFilter(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    /// Read for each event, without a lock.
    in_force: Arc<ArcSwap<EnvFilter>>,
    settings: LogSettings,
    change: Mutex<Change>,
    changed: Notify,
}

/// What was chosen while the process runs.
#[derive(Debug, Default)]
struct Change {
    filter: Option<String>,
    /// When the filter of the settings counts again.
    until: Option<Instant>,
}

/// The filter that counts, and why.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct FilterInForce {
    pub(crate) filter: String,
    /// That of the settings.
    pub(crate) usual: String,
    /// How long until that one counts again.
    pub(crate) falls_back_in: Option<Duration>,
}

/// Not a filter of log events.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not a filter: give a level, or levels by module, like `info,bitrix24_openlines=debug`")]
pub(crate) struct NotAFilter;

impl LogFilter {
    /// The filter of the settings.
    pub(super) fn of(settings: &LogSettings) -> Self {
        let in_force = in_force(&settings.filter, settings);
        let in_force = in_force.unwrap_or_else(|_| EnvFilter::new("info"));
        Self(Arc::new(Shared {
            in_force: Arc::new(ArcSwap::from_pointee(in_force)),
            settings: settings.clone(),
            change: Mutex::default(),
            changed: Notify::new(),
        }))
    }

    /// Makes it the filter of the process. The first one stays.
    pub(super) fn publish(&self) {
        let _ = FILTER.set(self.clone());
    }

    /// That of the process, if it logs.
    pub(crate) fn of_process() -> Option<Self> {
        FILTER.get().cloned()
    }

    pub(super) fn filter(&self) -> Switched {
        Switched(Arc::clone(&self.0.in_force))
    }

    /// Puts another filter in force, for so long or until the process ends.
    ///
    /// # Errors
    ///
    /// [`NotAFilter`].
    pub(crate) fn set(&self, filter: &str, lasts: Option<Duration>) -> Result<(), NotAFilter> {
        let filter = filter.trim();
        if filter.is_empty() || filter.len() > LONGEST {
            return Err(NotAFilter);
        }
        let next = in_force(filter, &self.0.settings)?;
        let mut change = self.change();
        let seconds = lasts.map(|lasts| lasts.as_secs());
        // The filters of before and of after: one of them may be without warnings.
        tracing::warn!(filter, seconds, "the filter of the log is changed");
        self.put(next);
        *change = Change {
            filter: Some(filter.to_owned()),
            until: lasts.map(|lasts| Instant::now() + lasts),
        };
        self.0.changed.notify_one();
        Ok(())
    }

    /// Puts that of the settings in force again.
    pub(crate) fn reset(&self) {
        let mut change = self.change();
        if change.filter.is_none() {
            return;
        }
        *change = Change::default();
        if let Ok(usual) = in_force(&self.0.settings.filter, &self.0.settings) {
            self.put(usual);
        }
        let filter = &self.0.settings.filter;
        tracing::warn!(
            filter,
            "the filter of the log is that of the settings again"
        );
        self.0.changed.notify_one();
    }

    pub(crate) fn in_force(&self) -> FilterInForce {
        let usual = &self.0.settings.filter;
        let change = self.change();
        FilterInForce {
            filter: change.filter.as_ref().unwrap_or(usual).clone(),
            usual: usual.clone(),
            falls_back_in: change
                .until
                .map(|until| until.saturating_duration_since(Instant::now())),
        }
    }

    /// Lets changes fall back when their time is over, without end.
    pub(crate) async fn fall_back(&self) {
        loop {
            let until = self.change().until;
            let over = async {
                match until {
                    Some(until) => tokio::time::sleep_until(until).await,
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                () = self.0.changed.notified() => {}
                () = over => {
                    // Another change may have come meanwhile.
                    if self.change().until == until {
                        self.reset();
                    }
                }
            }
        }
    }

    fn put(&self, filter: EnvFilter) {
        self.0.in_force.store(Arc::new(filter));
        // Events remember whether somebody wants them.
        tracing::callsite::rebuild_interest_cache();
    }

    fn change(&self) -> MutexGuard<'_, Change> {
        self.0.change.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The filter with what no filter silences.
fn in_force(filter: &str, settings: &LogSettings) -> Result<EnvFilter, NotAFilter> {
    let filter = EnvFilter::try_new(filter).map_err(|_| NotAFilter)?;
    let targets = [(AUDIT, settings.audit), (AUDIT_SENDS, settings.audit_sends)];
    Ok(targets.into_iter().fold(filter, |filter, (target, is_on)| {
        let level = if is_on {
            LevelFilter::INFO
        } else {
            LevelFilter::OFF
        };
        match format!("{target}={level}").parse() {
            Ok(directive) => filter.add_directive(directive),
            Err(_) => filter,
        }
    }))
}

/// The filter in force. Without the lock of the library's own way to change one.
pub(super) struct Switched(Arc<ArcSwap<EnvFilter>>);

impl<S: Subscriber> Filter<S> for Switched {
    fn enabled(&self, metadata: &Metadata<'_>, context: &Context<'_, S>) -> bool {
        Filter::<S>::enabled(&**self.0.load(), metadata, context)
    }

    fn callsite_enabled(&self, metadata: &'static Metadata<'static>) -> Interest {
        Filter::<S>::callsite_enabled(&**self.0.load(), metadata)
    }

    fn max_level_hint(&self) -> Option<LevelFilter> {
        Filter::<S>::max_level_hint(&**self.0.load())
    }

    fn on_new_span(&self, attributes: &Attributes<'_>, id: &Id, context: Context<'_, S>) {
        Filter::<S>::on_new_span(&**self.0.load(), attributes, id, context);
    }

    fn on_record(&self, id: &Id, values: &Record<'_>, context: Context<'_, S>) {
        Filter::<S>::on_record(&**self.0.load(), id, values, context);
    }

    fn on_enter(&self, id: &Id, context: Context<'_, S>) {
        Filter::<S>::on_enter(&**self.0.load(), id, context);
    }

    fn on_exit(&self, id: &Id, context: Context<'_, S>) {
        Filter::<S>::on_exit(&**self.0.load(), id, context);
    }

    fn on_close(&self, id: Id, context: Context<'_, S>) {
        Filter::<S>::on_close(&**self.0.load(), id, context);
    }
}

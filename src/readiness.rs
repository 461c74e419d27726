//! Whether calls should come here, and what the service says of what it depends on
//! (docs/adr/0033).

mod report;
mod table;

use std::fmt::Display;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::watch;
use tokio::time::Instant;

use self::table::{Entry, Phase, Table};
use crate::metrics::Metrics;

/// How long a dependency has to fail until calls are kept away: longer than a hiccup.
const FAILS_AFTER: Duration = Duration::from_secs(3);

/// How long it has to work until they come again: a dependency that comes and goes would move all
/// callers each time.
const WORKS_AFTER: Duration = Duration::from_secs(5);

/// Whether a dependency that fails keeps calls away.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Need {
    /// It does.
    Required,
    /// It is only told: other replicas would do no better, or most calls do without it.
    Told,
}

/// The readiness of the service. Cheap to clone.
#[derive(Clone, Debug)]
pub(crate) struct Readiness(Arc<Shared>);

/// Where a dependency reports its state. Cheap to clone.
#[derive(Clone, Debug)]
pub(crate) struct Dependency {
    shared: Arc<Shared>,
    index: usize,
}

#[derive(Debug)]
struct Shared {
    metrics: Metrics,
    table: Mutex<Table>,
    ready: watch::Sender<bool>,
}

impl Readiness {
    /// Not ready yet.
    pub(crate) fn new(metrics: Metrics) -> Self {
        Self(Arc::new(Shared {
            metrics,
            table: Mutex::default(),
            ready: watch::Sender::new(false),
        }))
    }

    /// One more dependency. Until its first report it counts as working.
    pub(crate) fn dependency(&self, name: &'static str, need: Need) -> Dependency {
        let Self(shared) = self;
        let mut table = shared.lock();
        let index = table.entries.len();
        table.entries.push(Entry::new(name, need, Instant::now()));
        shared.metrics.dependency(name, true);
        Dependency {
            shared: Arc::clone(shared),
            index,
        }
    }

    /// Calls are taken from now on.
    pub(crate) fn begin(&self) {
        self.0.change(|table| table.phase = Phase::Serving);
    }

    /// Calls should not come any more.
    pub(crate) fn stop(&self) {
        self.0.change(|table| table.phase = Phase::Stopping);
    }

    /// Whether calls should come, to be watched.
    pub(crate) fn changes(&self) -> watch::Receiver<bool> {
        self.0.ready.subscribe()
    }

    /// Whether calls should come, and the state of each dependency, for people.
    pub(crate) fn text(&self) -> (bool, String) {
        let now = Instant::now();
        let table = self.0.lock();
        (table.is_ready(), report::text(&table, now))
    }

    /// The same as JSON.
    pub(crate) fn json(&self) -> (bool, serde_json::Value) {
        let now = Instant::now();
        let table = self.0.lock();
        (table.is_ready(), report::json(&table, now))
    }
}

impl Dependency {
    /// It works.
    pub(crate) fn works(&self) {
        self.report(None, WORKS_AFTER);
    }

    /// It fails, and may work again any moment.
    pub(crate) fn fails(&self, problem: impl Display) {
        self.report(Some(problem.to_string()), FAILS_AFTER);
    }

    /// It works, or fails for a reason.
    pub(crate) fn works_unless(&self, problem: Option<impl Display>) {
        match problem {
            None => self.works(),
            Some(problem) => self.fails(problem),
        }
    }

    /// It will not work again by itself.
    pub(crate) fn is_lost(&self, problem: impl Display) {
        self.report(Some(problem.to_string()), Duration::ZERO);
    }

    fn report(&self, problem: Option<String>, after: Duration) {
        let works = problem.is_none();
        let mut changed = None;
        self.shared.change(|table| {
            if let Some(entry) = table.entries.get_mut(self.index)
                && entry.report(problem, after, Instant::now())
            {
                changed = Some((entry.name, entry.problem.clone()));
            }
        });
        if let Some((name, problem)) = changed {
            self.shared.metrics.dependency(name, works);
            if works {
                tracing::info!(dependency = name, "a dependency works again");
            } else {
                tracing::warn!(dependency = name, problem, "a dependency fails");
            }
        }
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, Table> {
        self.table.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn change(&self, change: impl FnOnce(&mut Table)) {
        let mut table = self.lock();
        change(&mut table);
        let is_ready = table.is_ready();
        // Under the lock, so that the last state wins.
        self.ready.send_if_modified(|ready| {
            let changes = *ready != is_ready;
            *ready = is_ready;
            changes
        });
        self.metrics.ready(is_ready);
    }
}

//! Keeps the callers up to date while the service runs.
//!
//! Polls files: a mounted ConfigMap or Secret changes by a swapped link, which file watchers miss.
//! What cannot be applied is logged once for as long as the problem stays the same, and what was
//! there before stays.

use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

use super::Callers;
use super::fetch::fetch;
use super::issuer::Issuer;
use super::key_set::KeySet;
use super::settings::{
    AuthSettings, CallersFile, KeySets, KeySource, MAXIMUM_SET_BYTES, UrlSource,
};
use crate::metrics::Metrics;
use crate::settings::Stamp;
use crate::tasks::Tasks;
use crate::telemetry::chain;

/// What is followed, and why it fails. Cheap to clone.
#[derive(Clone, Debug, Default)]
pub(crate) struct Followed {
    callers_file: Option<Problem>,
    key_sets: Vec<(Arc<str>, Problem)>,
}

impl Followed {
    /// Why the callers file was not applied, if there is such a file.
    pub(crate) fn callers_file(&self) -> Option<Option<String>> {
        self.callers_file.as_ref().map(Problem::current)
    }

    /// Why sets of keys could not be loaded, if there are any.
    pub(crate) fn key_sets(&self) -> Option<Option<String>> {
        let problems = self.key_sets.iter().filter_map(|(issuer, problem)| {
            let problem = problem.current()?;
            Some(format!("{issuer}: {problem}"))
        });
        let problems: Vec<String> = problems.collect();
        let any = (!problems.is_empty()).then(|| problems.join("; "));
        (!self.key_sets.is_empty()).then_some(any)
    }
}

/// Starts the tasks that the settings need.
pub(super) fn start(
    callers: &Callers,
    issuers: &[Arc<Issuer>],
    settings: AuthSettings,
    metrics: &Metrics,
    tasks: &Tasks,
) -> Followed {
    let stopped = tasks.stopped();
    let mut followed = Followed::default();
    let mut files = Files {
        callers: None,
        sets: Vec::new(),
        metrics: metrics.clone(),
    };
    files.callers = settings.file.map(|file| FollowedCallers {
        stamp: file.stamp(),
        callers: callers.clone(),
        problem: (followed.callers_file.insert(Problem::default())).clone(),
        file,
    });
    for (issuer, configured) in issuers.iter().zip(settings.issuers) {
        let issuer = Arc::clone(issuer);
        metrics.key_set_followed(issuer.name());
        let problem = Problem::default();
        let listed = (Arc::clone(&configured.issuer), problem.clone());
        followed.key_sets.push(listed);
        match configured.source {
            KeySource::File(path) => {
                metrics.key_set_loaded(issuer.name());
                files.sets.push(FollowedSet {
                    // Read again at the first look: it may have changed since the start.
                    stamp: None,
                    issuer,
                    path,
                    problem,
                });
            }
            KeySource::Url(source) => {
                let times = settings.key_sets.clone();
                let fresh = keep_fresh(issuer, source, times, problem, metrics.clone());
                let fresh = stopped.clone().run_until_cancelled_owned(fresh);
                tasks.spawn_lasting("keys of an issuer", async {
                    fresh.await;
                });
            }
        }
    }
    if files.callers.is_some() || !files.sets.is_empty() {
        let following = files.follow(settings.follow);
        let following = stopped.run_until_cancelled_owned(following);
        tasks.spawn_lasting("callers", async {
            following.await;
        });
    }
    followed
}

/// A problem that is logged once for as long as it stays the same. Cheap to clone.
#[derive(Clone, Debug, Default)]
struct Problem(Arc<Mutex<Option<String>>>);

impl Problem {
    fn is_new(&self, problem: &str) -> bool {
        let mut current = self.lock();
        let is_new = current.as_deref() != Some(problem);
        *current = Some(problem.to_owned());
        is_new
    }

    /// Returns whether there was one.
    fn clear(&self) -> bool {
        self.lock().take().is_some()
    }

    fn current(&self) -> Option<String> {
        self.lock().clone()
    }

    fn lock(&self) -> MutexGuard<'_, Option<String>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The files that are followed.
struct Files {
    callers: Option<FollowedCallers>,
    sets: Vec<FollowedSet>,
    metrics: Metrics,
}

struct FollowedCallers {
    file: CallersFile,
    callers: Callers,
    stamp: Option<Stamp>,
    problem: Problem,
}

struct FollowedSet {
    issuer: Arc<Issuer>,
    path: PathBuf,
    stamp: Option<Stamp>,
    problem: Problem,
}

impl Files {
    async fn follow(mut self, interval: Duration) {
        loop {
            tokio::time::sleep(interval).await;
            if let Some(callers) = &mut self.callers {
                callers.poll(&self.metrics).await;
            }
            for set in &mut self.sets {
                set.poll(&self.metrics).await;
            }
        }
    }
}

impl FollowedCallers {
    async fn poll(&mut self, metrics: &Metrics) {
        // Before the file is read: a change meanwhile is found at the next look.
        let stamp = Stamp::of(self.file.path());
        if stamp.is_some() && stamp == self.stamp {
            return;
        }
        let file = self.file.clone();
        let Ok(read) = tokio::task::spawn_blocking(move || file.read()).await else {
            return;
        };
        match read {
            Ok(list) => {
                self.callers.replace(&list);
                self.stamp = stamp;
                self.problem.clear();
                metrics.callers_file_rejected(false);
                tracing::info!(callers = list.len(), "applied the changed callers file");
            }
            Err(errors) => {
                // Not read again until it changes once more.
                self.stamp = stamp;
                metrics.callers_file_rejected(true);
                let problem = errors.to_string();
                if self.problem.is_new(&problem) {
                    tracing::error!(
                        problem,
                        "callers file changed but was not applied; the callers from before stay"
                    );
                }
            }
        }
    }
}

impl FollowedSet {
    async fn poll(&mut self, metrics: &Metrics) {
        let stamp = Stamp::of(&self.path);
        if stamp.is_some() && stamp == self.stamp {
            return;
        }
        let path = self.path.clone();
        let Ok(read) = tokio::task::spawn_blocking(move || read_set(&path)).await else {
            return;
        };
        self.stamp = stamp;
        match read {
            Ok(keys) => loaded(&self.issuer, keys, &self.problem, metrics),
            Err(problem) => failed(&self.issuer, &problem, &self.problem, metrics),
        }
    }
}

fn read_set(path: &std::path::Path) -> Result<KeySet, String> {
    let text =
        std::fs::read(path).map_err(|error| format!("it cannot be read ({})", error.kind()))?;
    if text.len() > MAXIMUM_SET_BYTES {
        return Err(format!("it is larger than {MAXIMUM_SET_BYTES} bytes"));
    }
    KeySet::parse(&text).map_err(|error| format!("it {error}"))
}

/// Fetches an issuer's set at once, then regularly, and when a token asks for it; never more often
/// than allowed.
async fn keep_fresh(
    issuer: Arc<Issuer>,
    source: UrlSource,
    times: KeySets,
    problem: Problem,
    metrics: Metrics,
) {
    loop {
        let fetched = fetch(&source, times.timeout).await;
        let ended = Instant::now();
        let next = match fetched {
            Ok(keys) => {
                loaded(&issuer, keys, &problem, &metrics);
                times.refresh.max(times.minimum_interval)
            }
            Err(error) => {
                failed(&issuer, &chain(&error), &problem, &metrics);
                times.minimum_interval
            }
        };
        issuer.note_attempt();
        tokio::select! {
            () = tokio::time::sleep_until(ended + next) => {}
            () = issuer.demanded() => {}
        }
        tokio::time::sleep_until(ended + times.minimum_interval).await;
    }
}

fn loaded(issuer: &Issuer, keys: KeySet, problem: &Problem, metrics: &Metrics) {
    let count = keys.len();
    let has_changed = issuer.replace(keys);
    metrics.key_set_loaded(issuer.name());
    if problem.clear() || has_changed {
        tracing::info!(
            issuer = %issuer.name(),
            keys = count,
            "loaded an issuer's set of keys"
        );
    }
}

fn failed(issuer: &Issuer, why: &str, problem: &Problem, metrics: &Metrics) {
    issuer.note_failure();
    metrics.key_set_failed(issuer.name());
    if problem.is_new(why) {
        tracing::error!(
            issuer = %issuer.name(),
            problem = why,
            "an issuer's set of keys cannot be loaded; the set from before stays"
        );
    }
}

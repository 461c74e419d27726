//! This process among the replicas that serve from the same store.
//!
//! Each replica sends heartbeats to the store. A replica without heartbeats is considered dead: its
//! unfinished work is abandoned, and its share of the rate limits goes to the others. On SQLite
//! there is one process; its heartbeats are rare, and only tell `openlines keys` its sealing keys.

use std::time::Duration;

use tokio::sync::watch;
use tokio::time::Instant;
use tokio_util::task::TaskTracker;
use uuid::Uuid;

use crate::tasks::Tasks;
use store::Store;

/// How long a shutdown waits for the store to deregister the replica. Without it the replica
/// expires.
const DEREGISTRATION_TIMEOUT: Duration = Duration::from_secs(1);

/// The longest time between two heartbeats on SQLite: well below the time for which
/// `openlines keys` takes the process for a running one. A changed keyring is told at once.
const HEARTBEATS_OF_ONE: Duration = Duration::from_secs(20);

/// Where Linux has the name of the machine, or of the pod.
const HOST_NAME: &str = "/proc/sys/kernel/hostname";

/// How often a replica sends heartbeats, and when it expires.
#[derive(Clone, Copy, Debug)]
pub struct HeartbeatConfig {
    /// The time between two heartbeats.
    pub interval: Duration,
    /// The time without a heartbeat after which a replica is considered dead.
    pub timeout: Duration,
}

/// A replica expires after four lost heartbeats: longer than a neighbour's pause for garbage
/// collection or a restart of the database's proxy, and shorter than callers wait for a response.
impl Default for HeartbeatConfig {
    fn default() -> Self {
        Self {
            interval: Duration::from_secs(2),
            timeout: Duration::from_secs(10),
        }
    }
}

/// This process among its replicas. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Replica {
    id: Uuid,
    /// `None` if there can be no other.
    others: Option<Others>,
    /// The heartbeats go on until this work has ended.
    lasting: TaskTracker,
}

#[derive(Clone, Debug)]
struct Others {
    timeout: Duration,
    seen: watch::Receiver<Seen>,
    living: watch::Receiver<u32>,
}

/// What the last heartbeats showed.
#[derive(Clone, Copy, Debug, Default)]
struct Seen {
    /// How many replicas live, including this one.
    living: u32,
    /// When the store took the last heartbeat of this replica.
    last: Option<Instant>,
    /// Since when no gap between its heartbeats was long enough for this replica to expire.
    without_gap_since: Option<Instant>,
}

impl Replica {
    /// Sends heartbeats until the tasks are stopped, and until all work that it must
    /// [outlive](Self::outlive) has ended.
    pub fn new(store: &Store, config: HeartbeatConfig, tasks: &Tasks) -> Self {
        let id = Uuid::new_v4();
        let lasting = TaskTracker::new();
        let ending = {
            let (lasting, stopped) = (lasting.clone(), tasks.stopped());
            async move {
                stopped.cancelled().await;
                lasting.close();
                lasting.wait().await;
            }
        };
        if !store.is_shared() {
            let beating = tell_keys(store.clone(), id, config.interval, ending);
            tasks.spawn_lasting("heartbeats", beating);
            return Self {
                id,
                others: None,
                lasting,
            };
        }
        let (seen_sender, seen) = watch::channel(Seen::default());
        let (living_sender, living) = watch::channel(1);
        let observers = Observers {
            seen: seen_sender,
            living: living_sender,
        };
        let beating = send_heartbeats(store.clone(), id, config, observers, ending);
        tasks.spawn_lasting("heartbeats", beating);
        let timeout = config.timeout;
        Self {
            id,
            others: Some(Others {
                timeout,
                seen,
                living,
            }),
            lasting,
        }
    }

    /// Its id, unique among all processes.
    pub fn id(&self) -> Uuid {
        self.id
    }

    /// When the store took the last heartbeat.
    pub fn last_heartbeat(&self) -> Option<Instant> {
        self.others
            .as_ref()
            .and_then(|others| others.seen.borrow().last)
    }

    /// How many replicas live, including this one, as the store last said.
    pub fn living(&self) -> u32 {
        match &self.others {
            None => 1,
            Some(others) => others.seen.borrow().living.max(1),
        }
    }

    /// The same, to be watched. After an outage of the database the number falls only when this
    /// replica can tell which others are dead. `None` if there can be no other.
    pub fn living_changes(&self) -> Option<watch::Receiver<u32>> {
        self.others.as_ref().map(|others| others.living.clone())
    }

    /// After how long without a heartbeat another replica is considered dead. `None` while this
    /// replica's own heartbeats had a gap: after an outage of the database all replicas look dead.
    pub fn death_timeout(&self) -> Option<Duration> {
        let Some(Others { timeout, seen, .. }) = &self.others else {
            return Some(Duration::ZERO);
        };
        let may_judge = seen.borrow().may_judge(*timeout, Instant::now());
        may_judge.then_some(*timeout)
    }

    /// Sends heartbeats until `work` has ended, even if the service is stopped before.
    pub fn outlive<Work: Future>(
        &self,
        work: Work,
    ) -> impl Future<Output = Work::Output> + use<Work> {
        self.lasting.track_future(work)
    }
}

/// Sends heartbeats until `ending`, and deregisters.
async fn send_heartbeats(
    store: Store,
    id: Uuid,
    config: HeartbeatConfig,
    observers: Observers,
    ending: impl Future<Output = ()>,
) {
    let host = host_name();
    let beating = async {
        let mut is_logged = false;
        loop {
            let beat = async {
                store.beat(id, host.as_deref()).await?;
                store.living_replicas(config.timeout).await
            };
            match beat.await {
                Ok(living) => {
                    is_logged = false;
                    observers.notify(living, config.timeout, Instant::now());
                }
                // Logged once for each outage.
                Err(_) if is_logged => {}
                Err(error) => {
                    is_logged = true;
                    let cause = std::error::Error::source(&error).map(ToString::to_string);
                    tracing::warn!(%error, cause, "heartbeat failed");
                }
            }
            tokio::time::sleep(config.interval).await;
        }
    };
    tokio::select! {
        () = ending => {}
        () = beating => {}
    }
    deregister(&store, id).await;
}

/// Tells the store the keys of the only process, until `ending`, and deregisters.
async fn tell_keys(store: Store, id: Uuid, look: Duration, ending: impl Future<Output = ()>) {
    let host = host_name();
    let telling = async {
        let mut told = None;
        loop {
            let keys = store.sealing_keys();
            let is_told = told.as_ref().is_some_and(|(known, at): &(_, Instant)| {
                *known == keys && at.elapsed() < HEARTBEATS_OF_ONE
            });
            // If it fails, the next look tries again.
            if !is_told && store.beat(id, host.as_deref()).await.is_ok() {
                told = Some((keys, Instant::now()));
            }
            tokio::time::sleep(look).await;
        }
    };
    tokio::select! {
        () = ending => {}
        () = telling => {}
    }
    deregister(&store, id).await;
}

/// The name of the machine or pod, for people.
fn host_name() -> Option<String> {
    let name = std::fs::read_to_string(HOST_NAME).ok()?;
    let name = name.trim();
    (!name.is_empty()).then(|| name.to_owned())
}

async fn deregister(store: &Store, id: Uuid) {
    let deregistered = tokio::time::timeout(DEREGISTRATION_TIMEOUT, store.depart(id)).await;
    if !matches!(deregistered, Ok(Ok(()))) {
        tracing::debug!("replica was not deregistered; it will expire");
    }
}

/// Who is notified of heartbeats.
struct Observers {
    seen: watch::Sender<Seen>,
    living: watch::Sender<u32>,
}

impl Observers {
    fn notify(&self, living: u32, timeout: Duration, now: Instant) {
        let seen = self.seen.borrow().after(living, timeout, now);
        self.seen.send_replace(seen);
        let may_judge = seen.may_judge(timeout, now);
        self.living.send_if_modified(|known| {
            let counted = if may_judge {
                living
            } else {
                living.max(*known)
            };
            let counted = counted.max(1);
            let changes = *known != counted;
            *known = counted;
            changes
        });
    }
}

impl Seen {
    /// After one more heartbeat.
    fn after(self, living: u32, timeout: Duration, now: Instant) -> Self {
        let has_gap = self.last.is_none_or(|last| now - last >= timeout);
        let since = self.without_gap_since.filter(|_| !has_gap);
        Self {
            living,
            last: Some(now),
            without_gap_since: since.or(Some(now)),
        }
    }

    fn may_judge(&self, timeout: Duration, now: Instant) -> bool {
        let long_enough = self
            .without_gap_since
            .is_some_and(|since| now - since >= timeout);
        long_enough && self.last.is_some_and(|last| now - last < timeout)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TIMEOUT: Duration = Duration::from_secs(10);
    const SECOND: Duration = Duration::from_secs(1);

    #[test]
    fn after_an_outage_no_replica_expires_before_this_one_may_judge() {
        let (seen, _seen) = watch::channel(Seen::default());
        let (living, counted) = watch::channel(1);
        let observers = Observers { seen, living };
        let start = Instant::now();
        let count = |second: u32, living| {
            observers.notify(living, TIMEOUT, start + SECOND * second);
            *counted.borrow()
        };
        assert_eq!((0..=20).map(|second| count(second, 3)).max(), Some(3));
        assert_eq!(count(21, 2), 2);
        // The database was away, and this replica is the first to be back.
        assert_eq!(count(60, 1), 2);
        assert_eq!(count(69, 1), 2);
        assert_eq!(count(70, 1), 1);
    }

    #[test]
    fn a_replica_after_a_gap_of_its_own_does_not_judge_the_others_at_once() {
        let mut now = Instant::now();
        let mut seen = Seen::default();
        assert!(!seen.may_judge(TIMEOUT, now));
        let mut beat_for = |seconds: u32, pause: Duration| {
            now += pause;
            for _ in 0..seconds {
                seen = seen.after(3, TIMEOUT, now);
                now += SECOND;
            }
            seen.may_judge(TIMEOUT, now)
        };
        assert!(!beat_for(9, Duration::ZERO));
        assert!(beat_for(1, Duration::ZERO));
        // Some heartbeats are lost, but it does not expire.
        assert!(beat_for(0, SECOND * 8));
        assert!(beat_for(1, Duration::ZERO));
        // The database goes away for longer.
        assert!(!beat_for(0, TIMEOUT));
        assert!(!beat_for(9, Duration::ZERO));
        assert!(beat_for(1, Duration::ZERO));
    }
}

//! This process among the replicas that share a store.
//!
//! Each replica writes heartbeats to the store. A replica without heartbeats is considered dead: its
//! unfinished work is abandoned, and the other replicas get its share of the budgets. On SQLite there
//! is only one process, and no heartbeat.

use std::time::Duration;

use tokio::sync::watch;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use uuid::Uuid;

use store::Store;

/// How long a stop waits for the store to take the replica out. The others would notice by themselves.
const DEPARTURE: Duration = Duration::from_secs(1);

/// How often a replica gives a sign of life, and how long one is missed.
#[derive(Clone, Copy, Debug)]
pub struct Pace {
    /// The time between two signs of life.
    pub beat: Duration,
    /// The silence after which a replica is taken for dead.
    pub silence: Duration,
}

/// A replica is considered dead after four lost heartbeats: longer than a restart of the database's
/// proxy, and shorter than callers wait for a response.
impl Default for Pace {
    fn default() -> Self {
        Self {
            beat: Duration::from_secs(2),
            silence: Duration::from_secs(10),
        }
    }
}

/// This process among those that serve from the same store. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Replica {
    id: Uuid,
    /// None if there can be no other.
    others: Option<Others>,
    /// What has to end before the signs of life do.
    lasting: TaskTracker,
}

#[derive(Clone, Debug)]
struct Others {
    silence: Duration,
    seen: watch::Receiver<Seen>,
    living: watch::Receiver<u32>,
}

/// What the last signs of life told.
#[derive(Clone, Copy, Debug, Default)]
struct Seen {
    /// How many replicas live, this one too.
    living: u32,
    /// When the store took the last sign of life.
    last: Option<Instant>,
    /// Since when it has taken them without a gap in which others would have missed this replica.
    without_gap_since: Option<Instant>,
}

impl Replica {
    /// Joins the others, and gives signs of life from now on, until `stopped` and all that is [`Replica::outlived_by`] it.
    pub fn new(store: &Store, pace: Pace, tasks: &TaskTracker, stopped: CancellationToken) -> Self {
        let id = Uuid::new_v4();
        let lasting = TaskTracker::new();
        if !store.is_shared() {
            return Self {
                id,
                others: None,
                lasting,
            };
        }
        let (told, seen) = watch::channel(Seen::default());
        let (counted, living) = watch::channel(1);
        let ending = {
            let lasting = lasting.clone();
            async move {
                stopped.cancelled().await;
                lasting.close();
                lasting.wait().await;
            }
        };
        let told = Told {
            seen: told,
            living: counted,
        };
        tasks.spawn(live(store.clone(), id, pace, told, ending));
        let silence = pace.silence;
        Self {
            id,
            others: Some(Others {
                silence,
                seen,
                living,
            }),
            lasting,
        }
    }

    /// Its name, which no process before or after it has.
    pub fn id(&self) -> Uuid {
        self.id
    }

    /// How many replicas live, this one too: what the store said last.
    pub fn living(&self) -> u32 {
        match &self.others {
            None => 1,
            Some(others) => others.seen.borrow().living.max(1),
        }
    }

    /// The same to be followed, by those who must not take a replica for dead too soon: after an outage of the database the number
    /// falls when this one may judge. `None` if there can be no other.
    pub fn living_changes(&self) -> Option<watch::Receiver<u32>> {
        self.others.as_ref().map(|others| others.living.clone())
    }

    /// How long another replica must have been silent to be taken for dead, if it can be judged now. None while this one has
    /// not been seen by the store for as long without a gap itself: after an outage of the database everybody looks dead.
    pub fn deadly_silence(&self) -> Option<Duration> {
        let Some(Others { silence, seen, .. }) = &self.others else {
            return Some(Duration::ZERO);
        };
        let may_judge = seen.borrow().may_judge(*silence, Instant::now());
        may_judge.then_some(*silence)
    }

    /// Goes on with the signs of life until `work` has ended, even if the service is stopped before.
    pub fn outlived_by<Work: Future>(
        &self,
        work: Work,
    ) -> impl Future<Output = Work::Output> + use<Work> {
        self.lasting.track_future(work)
    }
}

/// Gives signs of life until `ending`.
async fn live(store: Store, id: Uuid, pace: Pace, told: Told, ending: impl Future<Output = ()>) {
    let beating = async {
        let mut is_told = false;
        loop {
            let beat = async {
                store.beat(id).await?;
                store.living_replicas(pace.silence).await
            };
            match beat.await {
                Ok(living) => {
                    is_told = false;
                    told.tell(living, pace.silence, Instant::now());
                }
                // Once for each outage.
                Err(_) if is_told => {}
                Err(error) => {
                    is_told = true;
                    let cause = std::error::Error::source(&error).map(ToString::to_string);
                    tracing::warn!(%error, cause, "this replica cannot give a sign of life");
                }
            }
            tokio::time::sleep(pace.beat).await;
        }
    };
    tokio::select! {
        () = ending => {}
        () = beating => {}
    }
    let departed = tokio::time::timeout(DEPARTURE, store.depart(id)).await;
    if !matches!(departed, Ok(Ok(()))) {
        tracing::debug!("the others will miss this replica");
    }
}

/// To whom a sign of life is told.
struct Told {
    seen: watch::Sender<Seen>,
    living: watch::Sender<u32>,
}

impl Told {
    fn tell(&self, living: u32, silence: Duration, now: Instant) {
        let seen = self.seen.borrow().after(living, silence, now);
        self.seen.send_replace(seen);
        let may_judge = seen.may_judge(silence, now);
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
    /// After the store has taken one more sign of life.
    fn after(self, living: u32, silence: Duration, now: Instant) -> Self {
        let has_gap = self.last.is_none_or(|last| now - last >= silence);
        let since = self.without_gap_since.filter(|_| !has_gap);
        Self {
            living,
            last: Some(now),
            without_gap_since: since.or(Some(now)),
        }
    }

    fn may_judge(&self, silence: Duration, now: Instant) -> bool {
        let long_enough = self
            .without_gap_since
            .is_some_and(|since| now - since >= silence);
        long_enough && self.last.is_some_and(|last| now - last < silence)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SILENCE: Duration = Duration::from_secs(10);
    const SECOND: Duration = Duration::from_secs(1);

    #[test]
    fn after_an_outage_nobody_is_missed_before_this_replica_may_judge() {
        let (seen, _seen) = watch::channel(Seen::default());
        let (living, counted) = watch::channel(1);
        let told = Told { seen, living };
        let start = Instant::now();
        let count = |second: u32, living| {
            told.tell(living, SILENCE, start + SECOND * second);
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
    fn a_replica_that_was_cut_off_itself_does_not_judge_the_others_at_once() {
        let mut now = Instant::now();
        let mut seen = Seen::default();
        assert!(!seen.may_judge(SILENCE, now));
        let mut beat_for = |seconds: u32, pause: Duration| {
            now += pause;
            for _ in 0..seconds {
                seen = seen.after(3, SILENCE, now);
                now += SECOND;
            }
            seen.may_judge(SILENCE, now)
        };
        assert!(!beat_for(9, Duration::ZERO));
        assert!(beat_for(1, Duration::ZERO));
        // Some are lost, but nobody misses it.
        assert!(beat_for(0, SECOND * 8));
        assert!(beat_for(1, Duration::ZERO));
        // The database goes away for longer.
        assert!(!beat_for(0, SILENCE));
        assert!(!beat_for(9, Duration::ZERO));
        assert!(beat_for(1, Duration::ZERO));
    }
}

//! What everything in a run shares: the seed's choices, the time, the journal, the troubles.

use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::watch;
use tokio::time::Instant;

use crate::authorization::Authorization;
use crate::books::Books;
use crate::chance::Chance;
use crate::plan::{Plan, Trouble, What};
use crate::portal::Portal;

/// Milliseconds from 1970 to the beginning of a run.
const BEGINNING: i64 = 1_767_225_600_000;

pub(crate) struct World {
    pub(crate) plan: Plan,
    begun: Instant,
    chance: Mutex<Chance>,
    journal: Mutex<Journal>,
    pub(crate) portal: Mutex<Portal>,
    pub(crate) authorization: Mutex<Authorization>,
    pub(crate) books: Mutex<Books>,
    steps: Mutex<u64>,
}

/// What happened, in order.
#[derive(Debug, Default)]
struct Journal {
    is_printed: bool,
    digest: u64,
    lines: u64,
}

/// One life of a replica: from its start until it is killed, or the end of the run.
#[derive(Clone, Debug)]
pub(crate) struct Life {
    /// Counts all lives.
    pub(crate) number: usize,
    /// Where its callers find it.
    pub(crate) slot: usize,
    killed: Arc<watch::Sender<bool>>,
}

impl World {
    pub(crate) fn new(seed: u64, plan: Plan, is_printed: bool) -> Arc<Self> {
        let (portal, authorization) = (Portal::new(&plan), Authorization::new(&plan));
        Arc::new(Self {
            begun: Instant::now(),
            chance: Mutex::new(Chance::of(!seed)),
            journal: Mutex::new(Journal {
                is_printed,
                ..Journal::default()
            }),
            portal: Mutex::new(portal),
            authorization: Mutex::new(authorization),
            books: Mutex::default(),
            steps: Mutex::new(0),
            plan,
        })
    }

    /// Since the beginning of the run.
    pub(crate) fn now(&self) -> Duration {
        self.begun.elapsed()
    }

    pub(crate) fn chance(&self) -> MutexGuard<'_, Chance> {
        lock(&self.chance)
    }

    /// Waits for `from..=to` milliseconds.
    pub(crate) async fn wait(&self, from: u64, to: u64) {
        let milliseconds = self.chance().between(from, to);
        tokio::time::sleep(Duration::from_millis(milliseconds)).await;
    }

    /// By the database's clock, in milliseconds since 1970.
    pub(crate) fn database_clock(&self) -> i64 {
        let now = self.now();
        let jumps = self.plan.jumps.iter();
        let jumps = jumps.filter(|jump| jump.is_of_the_database && jump.at <= now);
        let by: i64 = jumps.map(|jump| jump.milliseconds).sum();
        BEGINNING + i64::try_from(now.as_millis()).unwrap() + by
    }

    /// The trouble of this kind that a replica has now.
    pub(crate) fn trouble(&self, what: What, slot: Option<usize>) -> Option<Trouble> {
        let now = self.now();
        let troubles = self.plan.troubles.iter();
        let mut troubles = troubles.filter(|trouble| {
            let is_now = trouble.from <= now && now < trouble.until;
            is_now && trouble.what == what && (trouble.of.is_none() || trouble.of == slot)
        });
        troubles.next().copied()
    }

    /// The same for one request, if it is among those that have it.
    pub(crate) fn hits(&self, what: What) -> bool {
        self.trouble(what, None).is_some_and(|trouble| {
            let hits = self.chance().percent(trouble.share);
            if hits {
                lock(&self.books).note_trouble(what);
            }
            hits
        })
    }

    pub(crate) fn note(&self, line: &dyn fmt::Display) {
        let line = format!("{:>9.3} {line}", self.now().as_secs_f64());
        let mut journal = lock(&self.journal);
        if journal.is_printed {
            println!("{line}");
        }
        journal.lines += 1;
        for byte in line.bytes() {
            journal.digest = (journal.digest ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3);
        }
    }

    /// Two runs with the same digest did the same.
    pub(crate) fn digest(&self) -> (u64, u64) {
        let journal = lock(&self.journal);
        (journal.digest, journal.lines)
    }

    /// A moment at which a replica may be killed. Never returns to one that was.
    pub(crate) async fn step(&self, life: &Life, what: &str) {
        if !life.is_dead() {
            let step = {
                let mut steps = lock(&self.steps);
                *steps += 1;
                *steps
            };
            if self.plan.kills.contains(&step) && self.now() > Duration::from_secs(11) {
                self.note(&format_args!("{life} is killed: {what}"));
                lock(&self.books).note_kill(self.now());
                life.killed.send_replace(true);
            }
        }
        life.survives().await;
    }
}

impl Life {
    pub(crate) fn new(number: usize, slot: usize) -> Self {
        Self {
            number,
            slot,
            killed: Arc::new(watch::Sender::new(false)),
        }
    }

    pub(crate) fn is_dead(&self) -> bool {
        *self.killed.borrow()
    }

    /// Returns when it is killed.
    pub(crate) async fn ended(&self) {
        let mut killed = self.killed.subscribe();
        killed.wait_for(|killed| *killed).await.unwrap();
    }

    /// Never returns to a dead replica: what it still does reaches nobody.
    pub(crate) async fn survives(&self) {
        if self.is_dead() {
            std::future::pending::<()>().await;
        }
    }
}

impl fmt::Display for Life {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "replica {} of slot {}", self.number, self.slot)
    }
}

impl fmt::Debug for World {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("World").finish_non_exhaustive()
    }
}

pub(crate) fn lock<T>(of: &Mutex<T>) -> MutexGuard<'_, T> {
    of.lock().unwrap_or_else(PoisonError::into_inner)
}

//! What lies between a replica and the database in a simulation. Compiled only with the feature
//! `simulation`.

use std::collections::BTreeMap;
use std::fmt;
use std::future::Future;
use std::pin::{Pin, pin};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::task::{Context, Poll, Wake, Waker};
use std::thread::Thread;

use sqlx::SqlitePool;
use tokio::runtime::Runtime;

use crate::error::{StoreError, Unavailable};

/// What happens to a method on its way to the database and back.
pub trait Weather: fmt::Debug + Send + Sync {
    /// Before its statements: waits, or never returns. False: the connection is refused, or breaks
    /// before the database has the statements. `purpose` is `reading`, `writing`, `ledger` or
    /// `budgets`.
    fn before(&self, purpose: &'static str) -> Passing<'_>;

    /// After its statements, likewise. False: the connection breaks, and the database has executed
    /// them.
    fn after(&self, purpose: &'static str) -> Passing<'_>;

    /// Whether the machine of the database crashes soon after a write that it answered before it
    /// was on the disk, so that the write is lost.
    fn forgets(&self) -> bool;

    /// The time by the database's clock, in milliseconds since 1970.
    fn now(&self) -> i64;
}

/// A way that may end at the database.
pub type Passing<'a> = Pin<Box<dyn Future<Output = bool> + Send + 'a>>;

/// The line of one replica to the database.
#[derive(Clone, Debug)]
pub(crate) struct Line {
    pub(crate) database: SqlitePool,
    pub(crate) budgets: Budgets,
    pub(crate) weather: Arc<dyn Weather>,
}

/// The budgets of portals in JSON. They have tables in PostgreSQL only.
pub(crate) type Budgets = Arc<Mutex<BTreeMap<String, String>>>;

impl Line {
    /// Runs the statements of a method at the other end.
    pub(crate) async fn run<T>(
        &self,
        purpose: &'static str,
        statements: impl Future<Output = Result<T, StoreError>>,
    ) -> Result<T, StoreError> {
        let at_the_end = || {
            at_once(self.set_clock())?;
            at_once(statements)
        };
        self.pass(purpose, at_the_end).await
    }

    /// Changes budgets at the other end, which also gets the time by the database's clock.
    pub(crate) async fn change_budgets<T>(
        &self,
        change: impl FnOnce(&mut BTreeMap<String, String>, i64) -> T,
    ) -> Result<T, StoreError> {
        let at_the_end = || Ok(change(&mut self.budgets(), self.weather.now()));
        self.pass("budgets", at_the_end).await
    }

    async fn pass<T>(
        &self,
        purpose: &'static str,
        statements: impl FnOnce() -> Result<T, StoreError>,
    ) -> Result<T, StoreError> {
        let broken =
            || StoreError::Unavailable(Unavailable::Connection(std::io::ErrorKind::BrokenPipe));
        if !self.weather.before(purpose).await {
            return Err(broken());
        }
        let done = statements();
        if self.weather.after(purpose).await {
            done
        } else {
            Err(broken())
        }
    }

    async fn set_clock(&self) -> Result<(), StoreError> {
        let set = sqlx::query("UPDATE clock SET now_milliseconds = $1").bind(self.weather.now());
        set.execute(&self.database).await?;
        Ok(())
    }

    fn budgets(&self) -> MutexGuard<'_, BTreeMap<String, String>> {
        self.budgets.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Runs to the end while the simulation stands still: SQLite's connection is a thread of its own,
/// whose speed must not decide what happens next. What the pool does afterwards is not a task of
/// the simulation either.
pub(crate) fn at_once<Work: Future>(work: Work) -> Work::Output {
    struct Unpark(Thread);

    impl Wake for Unpark {
        fn wake(self: Arc<Self>) {
            self.0.unpark();
        }
    }

    static ASIDE: OnceLock<Runtime> = OnceLock::new();
    let aside = ASIDE.get_or_init(|| {
        let mut builder = tokio::runtime::Builder::new_multi_thread();
        let built = builder.worker_threads(1).enable_time().build();
        built.unwrap_or_else(|error| unreachable!("no thread can be started: {error}"))
    });
    let _entered = aside.enter();
    let waker = Waker::from(Arc::new(Unpark(std::thread::current())));
    let mut context = Context::from_waker(&waker);
    // Tokio's budget of a task would never be renewed here.
    let mut work = pin!(tokio::task::unconstrained(work));
    loop {
        if let Poll::Ready(done) = work.as_mut().poll(&mut context) {
            return done;
        }
        std::thread::park();
    }
}

//! The threads that serve callers, with a runtime each.
//!
//! A call stays where its connection is, from its first byte to its last: it wakes no other thread,
//! and no other takes work from it (docs/adr/0055).

use std::io;
use std::num::NonZero;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use tokio::net::TcpStream;
use tokio::runtime::{Builder, Handle};
use tokio::sync::oneshot;
use tokio::time::Instant;
use tokio_util::task::TaskTracker;

use crate::tasks::Tasks;

/// Threads for what would hold up a worker, names that are looked up: of all workers together, as
/// many as tokio lets one runtime have, and of each at least.
const BLOCKING_THREADS: usize = 512;
const LEAST_BLOCKING_THREADS: usize = 8;

/// How long a thread waits at its end for names that are being looked up.
const LOOK_UPS: Duration = Duration::from_millis(250);

/// How long the threads may take to end, after everything else.
pub(crate) const LAST: Duration = Duration::from_secs(1);

/// How many processors the process may use: its affinity and its control group count.
pub(crate) fn processors() -> usize {
    thread::available_parallelism().map_or(1, NonZero::get)
}

/// Threads with a runtime of their own, or none. Cheap to clone.
#[derive(Clone, Debug, Default)]
pub(crate) struct Workers {
    workers: Arc<[Arc<Worker>]>,
}

/// One of the threads.
#[derive(Debug)]
pub(crate) struct Worker {
    runtime: Handle,
    /// Connections that it serves.
    connections: AtomicUsize,
    /// Those of them that keep their place, because their peers are callers. Strangers must not
    /// decide by theirs which worker callers get.
    kept: Arc<AtomicUsize>,
    has_ended: AtomicBool,
}

/// Ends the threads, and what runs on them, when it is dropped.
#[derive(Debug)]
pub(crate) struct Threads(Vec<Thread>);

#[derive(Debug)]
struct Thread {
    end: oneshot::Sender<()>,
    /// Completes with its last step.
    ended: oneshot::Receiver<()>,
    handle: JoinHandle<()>,
}

/// A connection among those of its worker.
struct Counted(Arc<Worker>);

impl Workers {
    /// Starts so many. If one ends before it may, the service has failed.
    ///
    /// # Errors
    ///
    /// If the kernel gives no thread, or not what a runtime needs.
    pub(crate) fn start(number: usize, tasks: &Tasks) -> io::Result<(Self, Threads)> {
        let mut threads = Vec::new();
        let mut workers = Vec::new();
        let blocking = (BLOCKING_THREADS / number.max(1)).max(LEAST_BLOCKING_THREADS);
        for number in 0..number {
            let runtime = Builder::new_current_thread()
                .enable_all()
                .max_blocking_threads(blocking)
                .build()?;
            let worker = Arc::new(Worker {
                runtime: runtime.handle().clone(),
                connections: AtomicUsize::new(0),
                kept: Arc::default(),
                has_ended: AtomicBool::new(false),
            });
            workers.push(Arc::clone(&worker));
            let (end, told_to_end) = oneshot::channel();
            let (last, ended) = oneshot::channel();
            let lasting = tasks.lasting_thread("worker");
            let handle = thread::Builder::new()
                .name(format!("worker-{number}"))
                .spawn(move || {
                    let _last: oneshot::Sender<()> = last;
                    let _ended = NotesItsEnd(worker);
                    // An error means that the other end is gone, which is the sign.
                    let _ = runtime.block_on(told_to_end);
                    lasting.release();
                    // What cannot be cancelled, a name that is looked up, must not be waited for
                    // long.
                    runtime.shutdown_timeout(LOOK_UPS);
                })?;
            threads.push(Thread { end, ended, handle });
        }
        let workers = Self {
            workers: workers.into(),
        };
        Ok((workers, Threads(threads)))
    }

    /// The worker for a new connection: the one with the fewest that keep their place, and of
    /// several such the one with the fewest. `None` if there is none.
    pub(crate) fn choose(&self) -> Option<Arc<Worker>> {
        let living = self.workers.iter();
        let living = living.filter(|worker| !worker.has_ended.load(Ordering::Relaxed));
        let load = |worker: &&Arc<Worker>| {
            let kept = worker.kept.load(Ordering::Relaxed);
            (kept, worker.connections.load(Ordering::Relaxed))
        };
        living.min_by_key(load).cloned()
    }
}

impl Threads {
    /// Ends them and what runs on them. Returns, and says in the log, how many have not ended in
    /// time: something holds them that gives no way, and they end with the process.
    pub(crate) async fn end(self, limit: Duration) -> usize {
        let until = Instant::now() + limit;
        let running = self.0.into_iter().map(|thread| {
            drop(thread.end);
            (thread.ended, thread.handle)
        });
        let mut left = 0;
        for (ended, handle) in running.collect::<Vec<_>>() {
            if tokio::time::timeout_at(until, ended).await.is_ok() {
                // A panic of it has been told.
                let _ = handle.join();
            } else {
                left += 1;
            }
        }
        if left > 0 {
            tracing::warn!(left, "threads that serve callers have not ended");
        }
        left
    }
}

impl Worker {
    /// Counts its connections that keep their place.
    pub(crate) fn kept(&self) -> Arc<AtomicUsize> {
        Arc::clone(&self.kept)
    }
}

/// Serves a connection as one of the tasks of `open`: at this worker, or here.
///
/// # Errors
///
/// If the socket cannot be watched by another runtime.
pub(crate) fn serve<F>(
    worker: Option<Arc<Worker>>,
    open: &TaskTracker,
    stream: TcpStream,
    serve: impl FnOnce(TcpStream) -> F,
) -> io::Result<()>
where
    F: Future<Output = ()> + Send + 'static,
{
    let Some(worker) = worker else {
        open.spawn(serve(stream));
        return Ok(());
    };
    let stream = stream.into_std()?;
    let served = {
        let _entered = worker.runtime.enter();
        serve(TcpStream::from_std(stream)?)
    };
    let runtime = worker.runtime.clone();
    let counted = Counted::at(worker);
    let served = async move {
        let _counted = counted;
        served.await;
    };
    open.spawn_on(served, &runtime);
    Ok(())
}

/// Sees to it that a worker gets no connection after its end.
struct NotesItsEnd(Arc<Worker>);

impl Drop for NotesItsEnd {
    fn drop(&mut self) {
        self.0.has_ended.store(true, Ordering::Relaxed);
    }
}

impl Counted {
    fn at(worker: Arc<Worker>) -> Self {
        worker.connections.fetch_add(1, Ordering::Relaxed);
        Self(worker)
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        self.0.connections.fetch_sub(1, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use std::collections::{BTreeMap, BTreeSet};

    use tokio::net::TcpListener;
    use tokio::sync::mpsc;

    use super::*;

    /// Connections to a listener whose workers say on which thread each is served, until its
    /// client closes it.
    struct Served {
        listener: TcpListener,
        workers: Workers,
        open: TaskTracker,
        said: mpsc::UnboundedSender<String>,
        heard: mpsc::UnboundedReceiver<String>,
    }

    impl Served {
        async fn by(workers: Workers) -> Self {
            let (said, heard) = mpsc::unbounded_channel();
            Self {
                listener: TcpListener::bind("127.0.0.1:0").await.unwrap(),
                workers,
                open: TaskTracker::new(),
                said,
                heard,
            }
        }

        /// A new connection, and the name of the thread that serves it.
        async fn connect(&mut self) -> (TcpStream, String) {
            let address = self.listener.local_addr().unwrap();
            let client = TcpStream::connect(address).await.unwrap();
            let (accepted, _) = self.listener.accept().await.unwrap();
            let said = self.said.clone();
            let serve = |stream: TcpStream| async move {
                let thread = thread::current().name().unwrap().to_owned();
                said.send(thread).unwrap();
                let _ = stream.readable().await;
            };
            let worker = self.workers.choose();
            super::serve(worker, &self.open, accepted, serve).unwrap();
            (client, self.heard.recv().await.unwrap())
        }
    }

    #[tokio::test]
    async fn connections_go_to_the_worker_that_has_the_fewest() {
        let tasks = Tasks::default();
        let (workers, threads) = Workers::start(2, &tasks).unwrap();
        let mut served = Served::by(workers).await;
        let mut clients = BTreeMap::<String, Vec<TcpStream>>::new();
        for _ in 0..6 {
            let (client, thread) = served.connect().await;
            clients.entry(thread).or_default().push(client);
        }
        let spread: Vec<(&str, usize)> =
            clients.iter().map(|(n, c)| (n.as_str(), c.len())).collect();
        assert_eq!(spread, [("worker-0", 3), ("worker-1", 3)]);

        clients.remove("worker-1");
        let left = served.workers.workers.get(1).unwrap();
        while left.connections.load(Ordering::Relaxed) > 0 {
            tokio::task::yield_now().await;
        }
        for _ in 0..3 {
            let (client, thread) = served.connect().await;
            assert_eq!(thread, "worker-1");
            clients.entry(thread).or_default().push(client);
        }

        drop(threads);
        served.open.close();
        // What is open ends with the threads, and that is no failure.
        served.open.wait().await;
        assert_eq!(tasks.failure(), None);
    }

    #[tokio::test]
    async fn connections_of_strangers_do_not_decide_where_those_of_callers_go() {
        let (workers, _threads) = Workers::start(2, &Tasks::default()).unwrap();
        let mut served = Served::by(workers.clone()).await;
        let mut strangers = Vec::new();
        for _ in 0..6 {
            strangers.push(served.connect().await);
        }
        // All of one worker go, so it has the fewest from now on.
        strangers.retain(|(_, thread)| thread == "worker-0");
        let mut callers = Vec::new();
        for _ in 0..4 {
            let (client, thread) = served.connect().await;
            let number: usize = thread.trim_start_matches("worker-").parse().unwrap();
            let worker = workers.workers.get(number).unwrap();
            worker.kept().fetch_add(1, Ordering::Relaxed);
            callers.push((client, thread));
        }
        let of_worker_0 = callers.iter().filter(|(_, thread)| thread == "worker-0");
        assert_eq!(of_worker_0.count(), 2);
    }

    const LONG: Duration = Duration::from_secs(60);

    /// The ids of the kernel of all threads of this process.
    fn thread_ids() -> BTreeSet<String> {
        let tasks = std::fs::read_dir("/proc/self/task").unwrap();
        let names = tasks.map(|task| task.unwrap().file_name());
        names.map(|name| name.into_string().unwrap()).collect()
    }

    /// The id of the thread that this task runs on.
    async fn thread_id(worker: &Worker) -> String {
        let link = async { std::fs::read_link("/proc/thread-self").unwrap() };
        let path = worker.runtime.spawn(link).await.unwrap();
        path.file_name().unwrap().to_str().unwrap().to_owned()
    }

    #[tokio::test]
    async fn the_end_leaves_no_thread_behind_and_nothing_that_ran_on_one() {
        let tasks = Tasks::default();
        let (workers, threads) = Workers::start(3, &tasks).unwrap();
        let mut ids = BTreeSet::new();
        let held = Arc::new(());
        for worker in workers.workers.iter() {
            ids.insert(thread_id(worker).await);
            let held = Arc::clone(&held);
            worker.runtime.spawn(async move {
                std::future::pending::<()>().await;
                drop(held);
            });
        }
        assert!(ids.is_subset(&thread_ids()));
        assert_eq!(threads.end(LONG).await, 0);
        assert_eq!(Arc::strong_count(&held), 1);
        assert!(ids.is_disjoint(&thread_ids()));
        assert!(workers.choose().is_none());
        assert_eq!(tasks.failure(), None);
    }

    #[tokio::test]
    async fn a_thread_that_does_not_end_is_told_of_and_not_waited_for() {
        let (workers, threads) = Workers::start(2, &Tasks::default()).unwrap();
        let (release, released) = std::sync::mpsc::channel::<()>();
        let (tell, has_begun) = oneshot::channel();
        let worker = workers.workers.first().unwrap();
        worker.runtime.spawn(async move {
            tell.send(()).unwrap();
            // Blocks its thread.
            let _ = released.recv();
        });
        has_begun.await.unwrap();
        assert_eq!(threads.end(Duration::from_millis(50)).await, 1);
        drop(release);
    }

    #[tokio::test]
    async fn without_workers_a_connection_is_served_where_it_is_accepted() {
        let mut served = Served::by(Workers::default()).await;
        let here = thread::current().name().unwrap().to_owned();
        let (_client, thread) = served.connect().await;
        assert_eq!(thread, here);
    }
}

//! A proxy in front of the database that can delay what passes, cut connections, refuse them, or
//! swallow everything.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{mpsc, watch};
use tokio::time::Instant;

/// What the proxy does with connections, those that are open too.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Mode {
    /// Lets everything through.
    Open,
    /// Lets everything through after half of this time, as if the database were so far away.
    RoundTrip(Duration),
    /// Cuts every connection.
    Cut,
    /// Takes connections and bytes, and never answers.
    Silent,
}

/// The mode, and how often connections were cut: each time all that were open then.
#[derive(Clone, Copy, Debug)]
struct State {
    mode: Mode,
    cuts: u64,
}

pub(crate) struct Proxy {
    pub(crate) address: SocketAddr,
    mode: watch::Sender<State>,
    to: Arc<Mutex<String>>,
    /// How often a client has written something.
    written: Arc<AtomicU64>,
}

impl Proxy {
    async fn start(to: String) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (mode, changes) = watch::channel(State {
            mode: Mode::Open,
            cuts: 0,
        });
        let to = Arc::new(Mutex::new(to));
        let leads_to = Arc::clone(&to);
        let written = Arc::<AtomicU64>::default();
        let count = Arc::clone(&written);
        tokio::spawn(async move {
            loop {
                let (client, _) = listener.accept().await.unwrap();
                let to = leads_to.lock().unwrap().clone();
                let passing = pass_on(client, to, changes.clone(), Arc::clone(&count));
                tokio::spawn(passing);
            }
        });
        Self {
            address,
            mode,
            to,
            written,
        }
    }

    /// Starts one in front of the server of this database, and gives the database's URL through it.
    pub(crate) async fn before(database: &str) -> (Self, String) {
        let (credentials, address) = database.rsplit_once('@').unwrap();
        let (server, name) = address.split_once('/').unwrap();
        let proxy = Self::start(server.to_owned()).await;
        let url = format!("{credentials}@{}/{name}", proxy.address);
        (proxy, url)
    }

    pub(crate) fn set(&self, mode: Mode) {
        self.mode.send_modify(|state| {
            state.mode = mode;
            state.cuts += u64::from(mode == Mode::Cut);
        });
    }

    /// New connections lead to the server at this port.
    pub(crate) fn lead_to(&self, port: u16) {
        *self.to.lock().unwrap() = format!("127.0.0.1:{port}");
    }

    /// How often clients have written something. Each time they waited for the response.
    pub(crate) fn round_trips(&self) -> u64 {
        self.written.load(Ordering::SeqCst)
    }
}

async fn pass_on(
    client: TcpStream,
    to: String,
    mut state: watch::Receiver<State>,
    written: Arc<AtomicU64>,
) {
    let State { mode, cuts } = *state.borrow_and_update();
    if mode == Mode::Cut {
        return;
    }
    // A server that is down.
    let Ok(server) = TcpStream::connect(to).await else {
        return;
    };
    for socket in [&client, &server] {
        socket.set_nodelay(true).unwrap();
    }
    let (from_client, to_client) = client.into_split();
    let (from_server, to_server) = server.into_split();
    let answered = AtomicU64::new(0);
    tokio::select! {
        () = one_way(from_client, to_server, state.clone(), &written) => {}
        () = one_way(from_server, to_client, state.clone(), &answered) => {}
        _ = state.wait_for(|state| state.cuts != cuts) => {}
    }
}

async fn one_way(
    mut from: OwnedReadHalf,
    mut to: OwnedWriteHalf,
    mut state: watch::Receiver<State>,
    chunks: &AtomicU64,
) {
    let (sender, mut passing) = mpsc::unbounded_channel::<(Instant, Vec<u8>)>();
    let read = async move {
        let mut bytes = vec![0; 16 * 1024];
        let mut is_lost = false;
        loop {
            let now = state.borrow_and_update().mode;
            // What was swallowed is lost: the connection is of no more use, but nobody is told.
            is_lost |= now == Mode::Silent;
            tokio::select! {
                read = from.read(&mut bytes) => {
                    let Ok(length @ 1..) = read else { return };
                    chunks.fetch_add(1, Ordering::SeqCst);
                    let delay = match now {
                        Mode::RoundTrip(time) => time / 2,
                        Mode::Open | Mode::Cut | Mode::Silent => Duration::ZERO,
                    };
                    if !is_lost {
                        let _ = sender.send((Instant::now() + delay, bytes[..length].to_vec()));
                    }
                }
                changed = state.changed() => if changed.is_err() { return },
            }
        }
    };
    let write = async {
        while let Some((at, bytes)) = passing.recv().await {
            tokio::time::sleep_until(at).await;
            if to.write_all(&bytes).await.is_err() {
                return;
            }
        }
    };
    tokio::join!(read, write);
}

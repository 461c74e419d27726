//! A proxy in front of a portal that cuts a connection after an exact number of bytes.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex, MutexGuard};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;

/// Where a connection is cut.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Cut {
    /// After so many bytes of the request have come through.
    Request(usize),
    /// After so many bytes of its answer have come through.
    Answer(usize),
}

/// What either side sees of the cut.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Manner {
    /// The connection is closed (FIN).
    Close,
    /// The connection is reset (RST).
    Reset,
}

/// The proxy. It lets everything through until a cut is set for the next request.
pub(crate) struct Cutter {
    pub(crate) address: SocketAddr,
    state: Arc<Mutex<State>>,
    hang_up: watch::Sender<()>,
    /// Connections that both sides have not closed yet.
    open: watch::Sender<usize>,
}

#[derive(Debug, Default)]
struct State {
    armed: Option<Armed>,
    request: Vec<u8>,
    has_cut: bool,
}

#[derive(Debug)]
struct Armed {
    cut: Cut,
    manner: Manner,
    /// Bytes of the answer that have come through.
    answered: usize,
}

/// What becomes of bytes that were read.
struct Passage {
    through: usize,
    then: Option<Manner>,
}

impl State {
    fn request(&mut self, bytes: &[u8]) -> Passage {
        let Some(armed) = &self.armed else {
            return Passage::whole(bytes);
        };
        let before = self.request.len();
        self.request.extend_from_slice(bytes);
        match armed.cut {
            Cut::Request(position) => self.pass(bytes, before, position),
            Cut::Answer(_) => Passage::whole(bytes),
        }
    }

    fn answer(&mut self, bytes: &[u8]) -> Passage {
        match &mut self.armed {
            // What comes before the request is the answer to an earlier one.
            Some(armed) if !self.request.is_empty() => {
                let before = armed.answered;
                armed.answered += bytes.len();
                match armed.cut {
                    Cut::Answer(position) => self.pass(bytes, before, position),
                    Cut::Request(_) => Passage::whole(bytes),
                }
            }
            _ => Passage::whole(bytes),
        }
    }

    fn pass(&mut self, bytes: &[u8], before: usize, position: usize) -> Passage {
        if before + bytes.len() < position {
            return Passage::whole(bytes);
        }
        self.has_cut = true;
        Passage {
            through: position - before,
            then: self.armed.take().map(|armed| armed.manner),
        }
    }
}

impl Passage {
    fn whole(bytes: &[u8]) -> Self {
        Self {
            through: bytes.len(),
            then: None,
        }
    }
}

impl Cutter {
    pub(crate) async fn start(to: SocketAddr) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let state = Arc::<Mutex<State>>::default();
        let (hang_up, hung_up) = watch::channel(());
        let open = watch::Sender::new(0);
        let (shared, counted) = (Arc::clone(&state), open.clone());
        tokio::spawn(async move {
            loop {
                let (client, _) = listener.accept().await.unwrap();
                let mut hung_up = hung_up.clone();
                hung_up.mark_unchanged();
                counted.send_modify(|open| *open += 1);
                let (shared, counted) = (Arc::clone(&shared), counted.clone());
                tokio::spawn(async move {
                    pass_on(client, to, shared, hung_up).await;
                    counted.send_modify(|open| *open -= 1);
                });
            }
        });
        Self {
            address,
            state,
            hang_up,
            open,
        }
    }

    /// Cuts the connection of the next request, once.
    pub(crate) fn arm(&self, cut: Cut, manner: Manner) {
        *self.lock() = State {
            armed: Some(Armed {
                cut,
                manner,
                answered: 0,
            }),
            ..State::default()
        };
    }

    /// Lets everything through again. The bytes of the request since it was armed, if it has cut.
    pub(crate) fn disarm(&self) -> Option<Vec<u8>> {
        let state = std::mem::take(&mut *self.lock());
        state.has_cut.then_some(state.request)
    }

    /// Closes every connection, so that the next request has to open a new one.
    pub(crate) async fn hang_up(&self) {
        self.hang_up.send_replace(());
        // Until the client has noticed: a request on a connection that ends is cut, too.
        let mut open = self.open.subscribe();
        open.wait_for(|open| *open == 0).await.unwrap();
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap()
    }
}

async fn pass_on(
    mut client: TcpStream,
    to: SocketAddr,
    state: Arc<Mutex<State>>,
    mut hung_up: watch::Receiver<()>,
) {
    let mut portal = TcpStream::connect(to).await.unwrap();
    let (mut request, mut answer) = ([0; 4096], [0; 4096]);
    loop {
        let written;
        let then;
        tokio::select! {
            read = client.read(&mut request) => {
                let Ok(length @ 1..) = read else { return };
                let passage = state.lock().unwrap().request(&request[..length]);
                written = portal.write_all(&request[..passage.through]).await;
                then = passage.then;
            }
            read = portal.read(&mut answer) => {
                let Ok(length @ 1..) = read else { return };
                let passage = state.lock().unwrap().answer(&answer[..length]);
                written = client.write_all(&answer[..passage.through]).await;
                then = passage.then;
            }
            _ = hung_up.changed() => {
                let _ = client.shutdown().await;
                while matches!(client.read(&mut request).await, Ok(1..)) {}
                return;
            }
        }
        if then == Some(Manner::Reset) {
            client.set_zero_linger().unwrap();
        }
        if written.is_err() || then.is_some() {
            return;
        }
    }
}

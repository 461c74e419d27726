//! A proxy in front of the database that can cut connections, refuse them, or swallow everything.

use std::net::SocketAddr;

use tokio::io::copy_bidirectional;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;

/// What the proxy does with connections, those that are open too.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Mode {
    /// Lets everything through.
    Open,
    /// Cuts every connection.
    Cut,
    /// Takes connections and bytes, and never answers.
    Silent,
}

pub(crate) struct Proxy {
    pub(crate) address: SocketAddr,
    mode: watch::Sender<Mode>,
}

impl Proxy {
    async fn start(to: String) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (mode, changes) = watch::channel(Mode::Open);
        tokio::spawn(async move {
            loop {
                let (client, _) = listener.accept().await.unwrap();
                tokio::spawn(pass_on(client, to.clone(), changes.clone()));
            }
        });
        Self { address, mode }
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
        self.mode.send_replace(mode);
    }
}

async fn pass_on(mut client: TcpStream, to: String, mut mode: watch::Receiver<Mode>) {
    let mut server = TcpStream::connect(to).await.unwrap();
    loop {
        let now = *mode.borrow_and_update();
        match now {
            Mode::Cut => return,
            Mode::Silent => {
                if mode.changed().await.is_err() {
                    return;
                }
                // What was swallowed is lost: the connection is of no more use, but nobody is told.
                if *mode.borrow() != Mode::Cut {
                    std::future::pending::<()>().await;
                }
            }
            Mode::Open => {
                tokio::select! {
                    _ = copy_bidirectional(&mut client, &mut server) => return,
                    changed = mode.changed() => if changed.is_err() { return },
                }
            }
        }
    }
}

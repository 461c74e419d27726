//! A port that is taken before anybody may connect to it.

use std::io;
use std::net::SocketAddr;

use tokio::net::{TcpListener, TcpSocket};

/// How many connections may wait to be accepted; the system's own limit may be lower.
const BACKLOG: u32 = 1024;

/// A port of this process.
///
/// Who connects while the service starts would wait, and lose its call if the start is stopped. So
/// the port is bound at the begin, where a mistake shows, and listened on when calls are served.
#[derive(Debug)]
pub enum Port {
    /// Connections are refused.
    Bound(TcpSocket),
    /// Connections are taken.
    Listening(TcpListener),
}

impl Port {
    /// Takes a port.
    ///
    /// # Errors
    ///
    /// The system refuses it.
    pub(crate) fn bind(address: SocketAddr) -> io::Result<Self> {
        let socket = match address {
            SocketAddr::V4(_) => TcpSocket::new_v4(),
            SocketAddr::V6(_) => TcpSocket::new_v6(),
        }?;
        // The connections of the process before may still be known to the system.
        socket.set_reuseaddr(true)?;
        socket.bind(address)?;
        Ok(Self::Bound(socket))
    }

    /// Takes connections from now on.
    ///
    /// # Errors
    ///
    /// The system refuses it.
    pub(crate) fn listen(self) -> io::Result<TcpListener> {
        match self {
            Self::Bound(socket) => socket.listen(BACKLOG),
            Self::Listening(listener) => Ok(listener),
        }
    }
}

impl From<TcpListener> for Port {
    fn from(listener: TcpListener) -> Self {
        Self::Listening(listener)
    }
}

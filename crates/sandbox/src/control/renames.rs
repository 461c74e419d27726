//! `/sandbox/renames`: gives a portal another address.

use std::net::SocketAddr;
use std::sync::Arc;

use tokio::net::TcpListener;

use super::fields::{ControlError, FieldError, Fields};
use crate::request::HttpRequest;
use crate::simulator::{RunningPortal, Simulator};

/// A portal's new address, where the server has to start to listen.
pub(crate) struct Renamed {
    pub(crate) portal: Arc<RunningPortal>,
    pub(crate) listener: TcpListener,
    pub(crate) address: SocketAddr,
}

/// Binds a new address of this machine for a portal.
pub(crate) async fn bind(
    simulator: &Simulator,
    http: &HttpRequest,
) -> Result<Renamed, ControlError> {
    let mut fields = Fields::posted(http)?;
    let portal = Arc::clone(fields.portal(simulator)?);
    let listen: Option<SocketAddr> = fields.take("listen")?;
    fields.finish()?;
    let address = listen.unwrap_or_else(|| SocketAddr::new(http.listener.ip(), 0));
    if !address.ip().is_loopback() {
        return Err(FieldError::new("listen", "must be an address on loopback").into());
    }
    let invalid = |error| FieldError::new("listen", error);
    let listener = TcpListener::bind(address).await.map_err(invalid)?;
    let address = listener.local_addr().map_err(invalid)?;
    Ok(Renamed {
        portal,
        listener,
        address,
    })
}

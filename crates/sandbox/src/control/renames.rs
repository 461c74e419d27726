//! `/sandbox/renames`: gives a portal another address.

use std::net::SocketAddr;

use http::Method;
use serde_json::{Value, json};
use tokio::net::TcpListener;

use super::{Problem, portal};
use crate::connection::Listening;
use crate::fields::{BadField, Fields};
use crate::world::Arrived;

/// Lets a portal answer at a new address of this machine, and point there from its old ones.
pub(super) async fn answer(listening: &Listening, arrived: &Arrived) -> Result<Value, Problem> {
    if arrived.method != Method::POST {
        return Err(Problem::MethodNotAllowed);
    }
    let mut fields = Fields::read(&arrived.body)?;
    let place = portal(&listening.world, &mut fields)?;
    let listen: Option<SocketAddr> = fields.take("listen")?;
    fields.finish()?;
    let address = listen.unwrap_or_else(|| SocketAddr::new(arrived.at.ip(), 0));
    if !address.ip().is_loopback() {
        return Err(BadField::new("listen", "must be an address on loopback").into());
    }
    let listener = TcpListener::bind(address).await;
    let listener = listener.map_err(|error| BadField::new("listen", error))?;
    let renamed = listening.rename(listener, place);
    let address = renamed.map_err(|error| BadField::new("listen", error))?;
    Ok(json!({"portal": place.host, "address": address}))
}

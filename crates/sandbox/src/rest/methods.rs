//! The methods of the simulated portal.

mod connection;
mod connector;
mod crm;
mod network;

use super::call::{Call, Executed, Method};
use crate::error::{Refusal, SystemError};
use crate::request::BATCH;
use crate::state::PortalState;

/// The three methods of the open channels, documented with the scope `imopenlines`, and those that
/// client libraries call to connect, which need no scope.
const ALL: &[Method] = &[
    open_channels("imconnector.send.messages", connector::run),
    open_channels("imopenlines.crm.message.add", crm::run),
    open_channels("imopenlines.network.message.add", network::run),
    unscoped("app.info", connection::app_info),
    unscoped("profile", connection::profile),
    unscoped("server.time", connection::server_time),
    unscoped("scope", connection::scope),
    unscoped("methods", methods),
];

type Run = fn(&Call<'_>, &mut PortalState) -> Result<Executed, Refusal>;

const fn open_channels(name: &'static str, run: Run) -> Method {
    Method {
        scope: Some("imopenlines"),
        ..unscoped(name, run)
    }
}

const fn unscoped(name: &'static str, run: Run) -> Method {
    Method {
        name,
        scope: None,
        run,
    }
}

/// The method of this name.
pub(crate) fn find(name: &str) -> Result<&'static Method, Refusal> {
    let method = ALL.iter().find(|method| method.name == name);
    method.ok_or(SystemError::METHOD_NOT_FOUND.into())
}

/// `methods`: the methods of this portal, regardless of the credential's scopes.
fn methods(_: &Call<'_>, _: &mut PortalState) -> Result<Executed, Refusal> {
    let names = ALL.iter().map(|method| method.name);
    Ok(Executed {
        result: names.chain([BATCH]).collect(),
        deliveries: Vec::new(),
    })
}

//! `installation.*`: where Bitrix24 reports installations.

use std::net::SocketAddr;

use super::reader::Reader;
use super::setting::{Form, Setting};
use crate::tenant::Applications;

/// Where Bitrix24 reports installations.
#[derive(Clone, Copy, Debug)]
pub struct Installation {
    /// Where the events of Bitrix24 are taken over HTTP. Default none: no portal installs itself.
    pub listen: Option<SocketAddr>,
}

pub(super) const SETTINGS: &[&Setting] = &[&LISTEN];

static LISTEN: Setting = Setting {
    path: "installation.listen",
    form: Form::SocketAddress,
    default: None,
    meaning: "Where Bitrix24's events of installation and removal are taken, over HTTP: `POST /bitrix24/events/{application}`. \
              An ingress with TLS stands before it. Without it no portal can install itself. Needs `applications`.",
};

impl Installation {
    pub(super) fn read(reader: &mut Reader<'_>, applications: &Applications) -> Option<Self> {
        let listen = reader.optional_socket_address(&LISTEN)?;
        if listen.is_some() && applications.iter().next().is_none() {
            let problem = "is given, and there is no application that could be installed";
            reader.refuse(&LISTEN, problem, "give `applications`, or remove it");
        }
        Some(Self { listen })
    }
}

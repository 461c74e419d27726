//! `installation.*`.

use std::net::SocketAddr;

use crate::settings::form::socket_address;
use crate::settings::table;

table! {
    /// The end point for Bitrix24's events of installation and removal.
    pub struct InstallationSettings {
        /// The address of the end point for Bitrix24's events of installation and removal, over
        /// HTTP: `POST /bitrix24/events/{application}`. Put an ingress with TLS in front of it.
        /// Without it portals cannot install an application. Needs `applications`.
        listen: Option<SocketAddr> = "installation.listen" => socket_address();
    }
}

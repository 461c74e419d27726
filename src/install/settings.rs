//! `installation.*`.

use std::net::SocketAddr;
use std::time::Duration;

use crate::settings::form::{seconds, socket_address};
use crate::settings::table;

table! {
    /// The end point for Bitrix24's events of installation and removal.
    pub struct InstallationSettings {
        /// The address of the end point for Bitrix24's events of installation and removal, over
        /// HTTP: `POST /bitrix24/events/{application}`. Put an ingress with TLS in front of it.
        /// Without it portals cannot install an application. Needs `applications`.
        listen: Option<SocketAddr> = "installation.listen" => socket_address();

        /// Longest time for a connection to the end point, its response included. Bitrix24's own
        /// timeout is shorter. There are at most 256; beyond that the oldest gives way.
        connection: Duration = "installation.connection_seconds" => seconds(1..=600), default "15";
    }
}

//! `installation.*`.

use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use ipnet::IpNet;

use crate::settings::form::{list, seconds, socket_address, whole};
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

        /// How many questions about events without a known application token the authorization
        /// servers are asked in a minute, in all. A forged event costs up to three, an installation
        /// one. Bitrix24 blocks applications that ask too often.
        questions_per_minute: u32 =
            "installation.questions_per_minute" => whole(1..=6000, "questions in a minute"),
            default "240";

        /// The same for events from one address, or from one IPv6 network of 64 bits. Behind an
        /// ingress that is not in `installation.trusted_proxies` all events come from one address.
        questions_per_minute_and_address: u32 =
            "installation.questions_per_minute_and_address"
                => whole(1..=6000, "questions in a minute"),
            default "60";

        /// Networks of proxies whose header `X-Forwarded-For` names the address that an event came
        /// from. Without it the header is ignored, because anyone can send it.
        trusted_proxies: Vec<IpNet> =
            "installation.trusted_proxies" => list(NETWORKS, network), default "";
    }
}

const NETWORKS: &str = "IP addresses or networks like 10.0.0.0/8";

/// A network, or a single address.
fn network(text: &str) -> Result<IpNet, &'static str> {
    let network = text.parse::<IpNet>().map(|network| network.trunc());
    let address = || text.parse::<IpAddr>().map(IpNet::from);
    network
        .or_else(|_| address())
        .map_err(|_| "is not an IP address or a network; write it like 10.0.0.0/8")
}

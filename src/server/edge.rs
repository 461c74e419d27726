//! What guards the door: connections and TLS.

use super::connections::ConnectionSettings;
use super::tls::TlsSettings;
use crate::settings::Reader;

/// `server.connections.*` and `server.tls.*`.
#[derive(Clone, Debug)]
pub struct EdgeSettings {
    pub(crate) connections: ConnectionSettings,
    pub(crate) tls: TlsSettings,
}

impl EdgeSettings {
    pub(crate) fn read(reader: &mut Reader<'_>) -> Option<Self> {
        let connections = ConnectionSettings::read(reader);
        let tls = TlsSettings::read(reader);
        Some(Self {
            connections: connections?,
            tls: tls?,
        })
    }
}

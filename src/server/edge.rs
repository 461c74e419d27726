//! What guards the door: connections, TLS, who is admitted, and what streams may take.

use super::connections::ConnectionSettings;
use super::settings::{AdmissionSettings, StreamSettings};
use super::tls::TlsSettings;
use crate::settings::Reader;

/// `server.connections.*`, `server.tls.*`, `server.shares.*`, `server.strangers.*`,
/// `server.health.*` and `server.streams.*`.
#[derive(Clone, Debug)]
pub struct EdgeSettings {
    pub(crate) connections: ConnectionSettings,
    pub(crate) tls: TlsSettings,
    pub(crate) admission: AdmissionSettings,
    pub(crate) streams: StreamSettings,
}

impl EdgeSettings {
    pub(crate) fn read(reader: &mut Reader<'_>) -> Option<Self> {
        let connections = ConnectionSettings::read(reader);
        let tls = TlsSettings::read(reader);
        let admission = AdmissionSettings::read(reader);
        let streams = StreamSettings::read(reader);
        Some(Self {
            connections: connections?,
            tls: tls?,
            admission: admission?,
            streams: streams?,
        })
    }
}

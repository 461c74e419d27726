//! What guards the door: connections, TLS, and who is admitted.

use super::connections::ConnectionSettings;
use super::settings::AdmissionSettings;
use super::tls::TlsSettings;
use crate::settings::Reader;

/// `server.connections.*`, `server.tls.*`, `server.shares.*`, `server.strangers.*` and
/// `server.health.*`.
#[derive(Clone, Debug)]
pub struct EdgeSettings {
    pub(crate) connections: ConnectionSettings,
    pub(crate) tls: TlsSettings,
    pub(crate) admission: AdmissionSettings,
}

impl EdgeSettings {
    pub(crate) fn read(reader: &mut Reader<'_>) -> Option<Self> {
        let connections = ConnectionSettings::read(reader);
        let tls = TlsSettings::read(reader);
        let admission = AdmissionSettings::read(reader);
        Some(Self {
            connections: connections?,
            tls: tls?,
            admission: admission?,
        })
    }
}

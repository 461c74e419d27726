//! `server.tls.*`.

use std::path::PathBuf;

use crate::settings::form::{file, words};
use crate::settings::{Reader, table};

table! {
    /// TLS on the gRPC server.
    pub(crate) struct TlsSettings {
        /// Certificate chain in PEM, the server's own certificate first. Without it gRPC is not
        /// encrypted; see `server.tls.dangerous_plaintext`. The files of this section are watched:
        /// a change is applied within seconds, and connections that are open go on.
        certificate_file: Option<PathBuf> = "server.tls.certificate_file" => file();

        /// Private key in PEM of the certificate in `server.tls.certificate_file`. Give both or
        /// neither.
        private_key_file: Option<PathBuf> = "server.tls.private_key_file" => file();

        /// Certificates in PEM of the authorities that issue client certificates. Without it
        /// clients are not asked for one.
        client_ca_file: Option<PathBuf> = "server.tls.client_ca_file" => file();

        /// Whether a client without a certificate may connect, to authenticate in another way. One
        /// with a certificate of another authority may not. Needs `server.tls.client_ca_file`.
        client_certificates: ClientCertificates = "server.tls.client_certificates" =>
            words(CLIENT_CERTIFICATES), default "required";
    }
    rules {
        certificate_and_key(certificate_file, private_key_file);
        clients_need_a_server(client_ca_file, certificate_file);
    }
}

/// Where certificates and key are.
#[derive(Clone, Debug)]
pub(in crate::server) struct TlsFiles {
    pub(super) certificate: PathBuf,
    pub(super) private_key: PathBuf,
    pub(super) client_ca: Option<PathBuf>,
    pub(super) client_certificates: ClientCertificates,
}

/// Whether clients need a certificate.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum ClientCertificates {
    Required,
    Optional,
}

const CLIENT_CERTIFICATES: &[(&str, ClientCertificates)] = &[
    ("required", ClientCertificates::Required),
    ("optional", ClientCertificates::Optional),
];

impl TlsSettings {
    /// The files; none if gRPC is not encrypted.
    pub(in crate::server) fn files(&self) -> Option<TlsFiles> {
        Some(TlsFiles {
            certificate: self.certificate_file.clone()?,
            private_key: self.private_key_file.clone()?,
            client_ca: self.client_ca_file.clone(),
            client_certificates: self.client_certificates,
        })
    }
}

fn certificate_and_key(
    reader: &mut Reader<'_>,
    certificate: &Option<PathBuf>,
    key: &Option<PathBuf>,
) {
    let (missing, given) = match (certificate, key) {
        (Some(_), None) => ("server.tls.private_key_file", "a certificate"),
        (None, Some(_)) => ("server.tls.certificate_file", "a private key"),
        (Some(_), Some(_)) | (None, None) => return,
    };
    let problem = format!("is missing, though {given} is given");
    reader.refuse(missing, &problem, "give both files or neither");
}

fn clients_need_a_server(
    reader: &mut Reader<'_>,
    client_ca: &Option<PathBuf>,
    certificate: &Option<PathBuf>,
) {
    if client_ca.is_some() && certificate.is_none() {
        let problem = "is given, but clients can show a certificate only with TLS";
        let remedy = "give server.tls.certificate_file and server.tls.private_key_file";
        reader.refuse("server.tls.client_ca_file", problem, remedy);
    }
}

//! The part of `portals.*` about connections.

use std::path::PathBuf;
use std::time::Duration;

use secrecy::SecretString;

use crate::settings::form::{list, seconds, secret_file, text, text_file, whole};
use crate::settings::{Reader, table};
use bitrix24::{
    Authorities, CertificatePin, ForwardProxy, HostName, InvalidProxyCredentials, Nat64Prefix,
    Policy, TransportOptions,
};

const PINS: &str = "hosts of `portals.self_hosted`, each with `=` and a SHA-256 in hexadecimal";
const PREFIXES: &str = "IPv6 prefixes like `2001:db8:64::/96`";

table! {
    /// Limits of connections to portals, and whom they trust.
    pub struct TransportSettings {
        /// Time to reach a portal: name resolution, TCP and TLS.
        connect_timeout: Duration =
            "portals.connect_timeout_seconds" => seconds(1..=30), default "5";

        /// Largest response of a portal, after decompression. The outcome of a call with a larger
        /// response is unknown.
        maximum_response_bytes: usize =
            "portals.maximum_response_bytes" => whole(65_536..=268_435_456, "bytes"),
            default "8388608";

        /// Time after which an unused connection to a portal is closed. It must be shorter than the
        /// time after which a server in front of a portal closes it (Apache: 5 seconds, nginx: 75
        /// seconds): the outcome of a call is unknown if the server closes its connection first.
        idle_connection: Duration =
            "portals.idle_connection_seconds" => seconds(1..=600), default "4";

        /// Certificates of your own authorities (PEM, one or several), for portals and
        /// authorization servers whose certificates they issued. They are trusted beside those of
        /// the system. Read at start.
        ca_file: Option<(PathBuf, Authorities)> =
            "portals.ca_file" => text_file(Authorities::from_pem);

        /// Fingerprints of the certificates that self-hosted portals present, as
        /// `crm.acme.example=SHA256`: of the certificate, or of its public key (SPKI), which
        /// survives a renewal with the same key. Such a host must present one of its own;
        /// who issued it, its dates and its names are not checked. For self-signed certificates.
        pinned_certificates: Vec<CertificatePin> =
            "portals.pinned_certificates" => list(PINS, CertificatePin::parse), default "";

        /// Prefixes of your network's own NAT64 translators (RFC 6052), beside `64:ff9b::/96`. The
        /// IPv4 address inside is judged. Give every prefix that is routed: without it a name
        /// could reach private IPv4 addresses through the translator.
        nat64_prefixes: Vec<Nat64Prefix> =
            "portals.nat64_prefixes" => list(PREFIXES, Nat64Prefix::parse), default "";

        /// HTTP proxy through which portals and authorization servers are called (CONNECT). It
        /// resolves their names, so it must refuse private, loopback and link-local addresses: the
        /// service cannot check them then. Proxies from the environment are ignored.
        proxy_address: Option<ForwardProxy> =
            "portals.proxy" => text("`http://HOST:PORT`", ForwardProxy::parse);

        /// File with `USER:PASSWORD` for `portals.proxy`.
        proxy_credentials: Option<(PathBuf, SecretString)> =
            "portals.proxy_credentials_file" => secret_file(
                |text| Ok::<_, InvalidProxyCredentials>(SecretString::from(text)));

        /// Hosts that are called without `portals.proxy`. Their addresses are checked.
        proxy_exceptions: Vec<HostName> =
            "portals.proxy_exceptions" => list("full DNS names in lower case", HostName::parse),
            default "";
    }
    rules {
        credentials_fit(proxy_address, proxy_credentials);
        exceptions_need_a_proxy(proxy_address, proxy_exceptions);
    }
}

impl TransportSettings {
    /// As the client takes them, with the hosts that this policy lists, where so many files may be
    /// open for portals.
    pub(crate) fn options(&self, policy: &Policy, files: Option<u64>) -> TransportOptions {
        let self_hosted = policy.self_hosted.iter();
        TransportOptions {
            connect_timeout: self.connect_timeout,
            idle_connection: self.idle_connection,
            // The other half is for requests in flight.
            kept_connections: files
                .and_then(|files| usize::try_from(files / 2).ok())
                .unwrap_or(usize::MAX),
            maximum_response_bytes: self.maximum_response_bytes,
            self_hosted: self_hosted
                .map(|portal| portal.host().to_string())
                .collect(),
            nat64_prefixes: self.nat64_prefixes.clone(),
            authorities: self.authorities(),
            pins: self.pinned_certificates.clone(),
            proxy: self.proxy(),
        }
    }

    fn authorities(&self) -> Authorities {
        let (_, authorities) = self.ca_file.clone().unwrap_or_default();
        authorities
    }

    /// The proxy with its credentials and exceptions.
    pub(crate) fn proxy(&self) -> Option<ForwardProxy> {
        let proxy = self.proxy_address.clone()?;
        let proxy = proxy.with_exceptions(self.proxy_exceptions.clone());
        match &self.proxy_credentials {
            Some((_, credentials)) => proxy.with_credentials(credentials.clone()).ok(),
            None => Some(proxy),
        }
    }
}

fn credentials_fit(
    reader: &mut Reader<'_>,
    proxy: &Option<ForwardProxy>,
    credentials: &Option<(PathBuf, SecretString)>,
) {
    const PATH: &str = "portals.proxy_credentials_file";
    let Some((_, credentials)) = credentials else {
        return;
    };
    match proxy {
        None => reader.refuse(
            PATH,
            "is given without a proxy",
            "give portals.proxy too, or remove it",
        ),
        Some(proxy) => {
            if let Err(problem) = proxy.clone().with_credentials(credentials.clone()) {
                let problem = format!("names a file whose content {problem}");
                reader.refuse(PATH, &problem, "write the one line USER:PASSWORD into it");
            }
        }
    }
}

fn exceptions_need_a_proxy(
    reader: &mut Reader<'_>,
    proxy: &Option<ForwardProxy>,
    exceptions: &[HostName],
) {
    if proxy.is_none() && !exceptions.is_empty() {
        reader.refuse(
            "portals.proxy_exceptions",
            "is given without a proxy",
            "give portals.proxy too, or remove it",
        );
    }
}

/// A pin for another host than a self-hosted portal would be a mistake: certificates of Bitrix24's
/// cloud change often.
pub(super) fn pins_are_of_self_hosted_portals(
    reader: &mut Reader<'_>,
    settings: &TransportSettings,
    policy: &Policy,
) {
    for pin in &settings.pinned_certificates {
        let mut self_hosted = policy.self_hosted.iter();
        if !self_hosted.any(|portal| portal.host() == pin.host()) {
            reader.refuse(
                "portals.pinned_certificates",
                &format!("has {}, which is not in portals.self_hosted", pin.host()),
                "list the host there, or remove the pin",
            );
        }
    }
}

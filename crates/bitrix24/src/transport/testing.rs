//! Parts of connections, for the unit tests of this folder.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

use super::connector::Connector;
use super::http2::Http2;
use super::portal::Portal;
use super::resolver::GuardedResolver;
use super::tally::Tally;
use super::target::Target;
use super::trust;
use crate::address_guard::AddressGuard;
use crate::certificates::Authorities;
use crate::origin::Origin;
use crate::proxy::ForwardProxy;

/// Opens connections through the proxy, if there is one, with so much time for each.
pub(super) fn connector(proxy: Option<&str>, timeout: Duration) -> Connector {
    let proxy = proxy.map(|address| ForwardProxy::parse(address).unwrap());
    let host = proxy.as_ref().map(|proxy| proxy.host().to_owned());
    let self_hosted = HashSet::from(["localhost".to_owned()]);
    let resolver = GuardedResolver::new(AddressGuard::default(), self_hosted, host);
    let tls = trust::tls(&Authorities::default(), Vec::new()).unwrap();
    Connector::new(resolver, tls, proxy, timeout).unwrap()
}

/// A portal without connections, which keeps one for so long.
pub(super) fn portal(idle: Duration) -> Arc<Portal> {
    let target = Target::new(Origin::secure("acme.bitrix24.com")).unwrap();
    let connector = Arc::new(connector(None, Duration::from_secs(1)));
    Arc::new(Portal::new(target, connector, idle))
}

/// A connection whose other end says nothing.
pub(super) async fn http2() -> Arc<Http2> {
    let (near, _far) = tokio::io::duplex(1_024);
    let (sender, _connection) = h2::client::handshake(near).await.unwrap();
    Arc::new(Http2::new(sender, Arc::<Tally>::default().open()))
}

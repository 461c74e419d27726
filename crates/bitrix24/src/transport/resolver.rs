//! Resolves names when they are dialled.

use std::collections::HashSet;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;

use reqwest::dns::{Addrs, Name, Resolve, Resolving};

use crate::address_guard::{AddressGuard, Reach};

/// Resolves names when they are dialled and refuses those that lead to addresses that are not
/// public: a tenant's portal must not reach into the operator's network.
#[derive(Clone, Debug)]
pub(super) struct GuardedResolver(Arc<Names>);

#[derive(Debug)]
struct Names {
    guard: AddressGuard,
    self_hosted: HashSet<String>,
    proxy: Option<String>,
}

/// The name does not resolve.
#[derive(Debug, thiserror::Error)]
#[error("the name does not resolve")]
pub(super) struct NotResolved(#[source] io::Error);

impl GuardedResolver {
    /// `proxy` is the host of the operator's proxy, which may be anywhere.
    pub(super) fn new(
        guard: AddressGuard,
        self_hosted: HashSet<String>,
        proxy: Option<String>,
    ) -> Self {
        Self(Arc::new(Names {
            guard,
            self_hosted,
            proxy,
        }))
    }
}

impl Resolve for GuardedResolver {
    fn resolve(&self, name: Name) -> Resolving {
        let names = Arc::clone(&self.0);
        Box::pin(async move {
            let name = name.as_str();
            let addresses = tokio::net::lookup_host((name, 0)).await;
            let addresses: Vec<SocketAddr> = addresses.map_err(NotResolved)?.collect();
            let reach = if names.proxy.as_deref() == Some(name) {
                Reach::Anywhere
            } else if names.self_hosted.contains(name) {
                Reach::Private
            } else {
                Reach::Public
            };
            let checked = addresses.iter().map(SocketAddr::ip);
            names.guard.check_all(checked, reach)?;
            let addresses: Addrs = Box::new(addresses.into_iter());
            Ok(addresses)
        })
    }
}

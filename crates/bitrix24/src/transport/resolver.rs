//! Resolves names when they are dialled.

use std::collections::HashSet;
use std::error::Error;
use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::vec;

use hyper_util::client::legacy::connect::dns::Name;
use tower_service::Service;

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

impl Names {
    async fn resolve(&self, name: &str) -> Result<vec::IntoIter<SocketAddr>, Unresolved> {
        let addresses = tokio::net::lookup_host((name, 0)).await;
        let addresses: Vec<SocketAddr> = addresses.map_err(NotResolved)?.collect();
        let reach = if self.proxy.as_deref() == Some(name) {
            Reach::Anywhere
        } else if self.self_hosted.contains(name) {
            Reach::Private
        } else {
            Reach::Public
        };
        let checked = addresses.iter().map(SocketAddr::ip);
        self.guard.check_all(checked, reach)?;
        Ok(addresses.into_iter())
    }
}

/// [`NotResolved`], or [`Forbidden`](crate::address_guard::Forbidden).
type Unresolved = Box<dyn Error + Send + Sync>;

/// The form that the connector of the HTTP library calls.
impl Service<Name> for GuardedResolver {
    type Response = vec::IntoIter<SocketAddr>;
    type Error = Unresolved;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, Unresolved>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Unresolved>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, name: Name) -> Self::Future {
        let names = Arc::clone(&self.0);
        Box::pin(async move { names.resolve(name.as_str()).await })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::address_guard::Forbidden;

    /// Resolves `localhost`, the one name that leads to an address that is not public everywhere.
    async fn localhost(
        self_hosted: &[&str],
        proxy: Option<&str>,
    ) -> Result<usize, Option<Forbidden>> {
        let self_hosted = self_hosted.iter().map(|name| (*name).to_owned()).collect();
        let proxy = proxy.map(str::to_owned);
        let resolver = GuardedResolver::new(AddressGuard::default(), self_hosted, proxy);
        let resolved = resolver.0.resolve("localhost").await;
        resolved
            .map(Iterator::count)
            .map_err(|error| error.downcast_ref::<Forbidden>().copied())
    }

    #[tokio::test]
    async fn a_name_that_leads_to_this_machine_is_refused_when_it_is_dialled() {
        let refused = Err(Some(Forbidden::Loopback));
        assert_eq!(localhost(&[], None).await, refused);
        assert_eq!(localhost(&["localhost"], None).await, refused);
        assert_eq!(localhost(&[], Some("proxy.acme.example")).await, refused);
    }

    #[tokio::test]
    async fn the_operators_proxy_may_be_anywhere() {
        assert!(localhost(&[], Some("localhost")).await.unwrap() > 0);
    }
}

//! What a request carries arrives at the portal under Bitrix24's names, and what the portal answers
//! comes back.

mod answers;
mod blocks;
mod connector;
mod names;
mod switches;
mod wire;

use serde_json::Value;

use crate::support::portal::{Captured, ScriptedPortal};
use crate::support::requests::Message;
use crate::support::{Service, tenants};

/// A service whose tenants lie on a portal that keeps requests as they come.
struct Desk {
    portal: ScriptedPortal,
    service: Service,
}

impl Desk {
    async fn answering(document: &str) -> Self {
        let portal = ScriptedPortal::answering(document).await;
        let service = Service::start(&[], &tenants(portal.address)).await;
        Self { portal, service }
    }

    /// The one request that a call made, which succeeded.
    async fn sent<M: Message>(&self, message: M) -> Captured {
        let response = self.service.send(message).await;
        response.unwrap_or_else(|status| panic!("{status:?}"));
        let request = self.portal.only_request();
        self.portal.forget();
        request
    }
}

/// The parameters of a request: its body without the credential.
fn parameters(request: &Captured) -> Value {
    let mut body = request.json();
    body.as_object_mut().unwrap().remove("auth");
    body
}

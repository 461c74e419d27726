//! What a request carries arrives at the portal under Bitrix24's names, and what the portal answers comes back.

mod answers;
mod blocks;
mod connector;
mod switches;
mod wire;

use bitrix24_openlines::api::openlines::v1 as api;
use serde_json::Value;
use tonic::{Response, Status};

use crate::support::portal::{Captured, ScriptedPortal};
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

    async fn crm(&self, request: api::SendCrmMessageRequest) -> Captured {
        let request = self.service.request(request);
        self.taken(self.service.client().await.send_crm_message(request).await)
    }

    async fn network(&self, request: api::SendNetworkMessageRequest) -> Captured {
        let request = self.service.request(request);
        self.taken(
            self.service
                .client()
                .await
                .send_network_message(request)
                .await,
        )
    }

    async fn connector(&self, request: api::SendConnectorMessagesRequest) -> Captured {
        let request = self.service.request(request);
        let mut client = self.service.client().await;
        self.taken(client.send_connector_messages(request).await)
    }

    /// The one request that came of a call that succeeded.
    fn taken<T>(&self, answer: Result<Response<T>, Status>) -> Captured {
        answer.unwrap_or_else(|status| panic!("{status:?}"));
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

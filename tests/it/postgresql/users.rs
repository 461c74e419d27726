//! A service on a server of the test, and calls to it.

use std::time::Duration;

use bitrix24_openlines::api::openlines::v1 as api;
use bitrix24_openlines::api::openlines::v1::open_lines_service_client::OpenLinesServiceClient;
use secrecy::ExposeSecret;
use store::sealing::Key;
use tokio::time::Instant;
use tonic::transport::Channel;
use tonic::{Code, Status};
use uuid::Uuid;

use crate::support::requests::crm_message;
use crate::support::{Told, World};

/// A failure that is not one of the database lasts longer than this.
const PATIENCE: Duration = Duration::from_secs(40);

/// A service with the sandbox's portal.
pub(super) struct Users {
    pub(super) world: World,
    client: OpenLinesServiceClient<Channel>,
}

impl Users {
    pub(super) async fn start(url: &str) -> Self {
        let keyring = Key::generate().unwrap();
        let keyring = keyring.expose().expose_secret().to_owned();
        let settings = [("STORE_URL", url), ("STORE_KEYRING", &keyring)];
        let world = World::with_settings(&settings).await;
        let client = world.client().await;
        Self { world, client }
    }

    /// Sends a message, with this idempotency key; true if the answer is that to an earlier
    /// attempt.
    pub(super) async fn send(&self, id: Uuid, text: &str) -> Result<bool, Status> {
        let message = api::SendCrmMessageRequest {
            request_id: id.to_string(),
            ..crm_message(text)
        };
        let mut request = self.world.request(message);
        request.set_timeout(Duration::from_secs(30));
        let response = self.client.clone().send_crm_message(request).await?;
        Ok(response.metadata().contains_key("openlines-replayed"))
    }

    /// Sends it again until the database is there.
    pub(super) async fn send_until_told(&self, id: Uuid, text: &str) -> bool {
        let begun = Instant::now();
        loop {
            let status = match self.send(id, text).await {
                Ok(is_replayed) => return is_replayed,
                Err(status) => status,
            };
            assert_eq!(status.code(), Code::Unavailable, "{status:?}");
            assert_eq!(status.reason(), "STORE_UNAVAILABLE", "{status:?}");
            assert!(begun.elapsed() < PATIENCE, "{status:?}");
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }

    /// Sends a message without a key, which needs no database.
    pub(super) async fn send_unrecorded(&self, text: &str) {
        let request = self.world.request(crm_message(text));
        self.client.clone().send_crm_message(request).await.unwrap();
    }

    pub(super) fn delivered(&self, text: &str) -> usize {
        self.world.sandbox.record().times_delivered(text)
    }
}

//! A service on a store of one test, and calls to it with a `request_id`.

use std::net::SocketAddr;
use std::time::Duration;

use bitrix24_openlines::api::openlines::v1 as api;
use bitrix24_openlines::api::openlines::v1::open_lines_service_client::OpenLinesServiceClient;
use sandbox::{Fault, FaultKind, Gate, Moment};
use secrecy::ExposeSecret;
use store::sealing::Key;
use tonic::metadata::MetadataMap;
use tonic::transport::Channel;
use tonic::{Response, Status};
use uuid::Uuid;

use crate::support::admin::free_address;
use crate::support::raw::{RawClient, SERVICE};
use crate::support::requests::crm_message;
use crate::support::stores::Stores;
use crate::support::{Service, WEBHOOK, World, tenants, until};

/// Long enough for a call that should not take long.
const LONG: Duration = Duration::from_secs(30);

/// A service with a sandbox portal, on a store.
pub(super) struct Site {
    pub(super) world: World,
    pub(super) client: OpenLinesServiceClient<Channel>,
    pub(super) stores: Stores,
    /// The admin port.
    pub(super) admin: SocketAddr,
    keyring: String,
}

/// What a caller got, and whether it was said to be the answer to an earlier attempt.
#[derive(Clone, Debug)]
pub(super) struct Told<M> {
    pub(super) result: Result<M, Status>,
    pub(super) is_replayed: bool,
}

impl Site {
    pub(super) async fn start(stores: Stores) -> Self {
        let url = stores.url().to_owned();
        Self::with_store_url(stores, &url).await
    }

    /// With another way to the same store.
    pub(super) async fn with_store_url(stores: Stores, url: &str) -> Self {
        let keyring = Key::generate().unwrap();
        let keyring = keyring.expose().expose_secret().to_owned();
        let admin = free_address();
        let admin_text = admin.to_string();
        let settings = [
            ("STORE_URL", url),
            ("STORE_KEYRING", &keyring),
            ("ADMIN_LISTEN", &admin_text),
        ];
        let world = World::with_settings(&settings).await;
        let client = world.client().await;
        Self {
            world,
            client,
            stores,
            admin,
            keyring,
        }
    }

    /// The portal executes the next request, and answers it when the gate opens.
    pub(super) fn hold(&self) -> Gate {
        let gate = Gate::closed();
        let held = FaultKind::Held(Moment::After, gate.clone());
        self.world.sandbox.inject(Fault::once(held));
        gate
    }

    /// Stops the service, and starts another one on the same store.
    pub(super) async fn restart(self) -> Self {
        let Self {
            world,
            client,
            stores,
            admin,
            keyring,
        } = self;
        let World {
            sandbox,
            mut service,
        } = world;
        drop(client);
        service.stop();
        service.stopped().await.unwrap();
        let admin_text = admin.to_string();
        let settings = [
            ("STORE_URL", stores.url()),
            ("STORE_KEYRING", &*keyring),
            ("ADMIN_LISTEN", &admin_text),
        ];
        let service = Service::start(&settings, &tenants(sandbox.address())).await;
        let world = World { sandbox, service };
        let client = world.client().await;
        Self {
            world,
            client,
            stores,
            admin,
            keyring,
        }
    }

    /// Sends a message to the one chat of the portal.
    pub(super) async fn crm(&self, id: Uuid, text: &str) -> Told<api::SendCrmMessageResponse> {
        self.send_crm(crm(id, text)).await
    }

    pub(super) async fn send_crm(
        &self,
        message: api::SendCrmMessageRequest,
    ) -> Told<api::SendCrmMessageResponse> {
        let mut request = self.world.request(message);
        request.set_timeout(LONG);
        // The same in all attempts, so that their answers can be compared.
        let same = "the-same".parse().unwrap();
        request.metadata_mut().insert("x-request-id", same);
        Told::of(self.client.clone().send_crm_message(request).await)
    }

    /// What is known of a call.
    pub(super) async fn status_of(&self, id: Uuid) -> api::GetSendStatusResponse {
        let request = api::GetSendStatusRequest {
            tenant_id: WEBHOOK.to_owned(),
            request_id: id.to_string(),
        };
        let request = self.world.request(request);
        let status = self.client.clone().get_send_status(request).await;
        status
            .unwrap_or_else(|status| panic!("{status:?}"))
            .into_inner()
    }

    /// The same with a deadline that the service keeps, and not this client.
    pub(super) async fn crm_within(&self, id: Uuid, text: &str, deadline: &str) -> Status {
        let client = RawClient::connect(self.world.service.address).await;
        let authorization = format!("Bearer {}", self.world.service.key.expose());
        let headers = [
            ("authorization", authorization.as_str()),
            ("grpc-timeout", deadline),
        ];
        let path = format!("{SERVICE}/SendCrmMessage");
        let answer = client.call(&path, &headers, &crm(id, text)).await;
        answer.status()
    }

    /// How often the portal has delivered this text.
    pub(super) fn delivered(&self, text: &str) -> usize {
        self.world.sandbox.record().times_delivered(text)
    }

    /// Waits until so many requests have come to the portal.
    pub(super) async fn requests_have_come(&self, count: usize) {
        let sandbox = &self.world.sandbox;
        until("the portal has the request", || {
            sandbox.record().entries.len() >= count
        })
        .await;
    }
}

pub(super) fn crm(id: Uuid, text: &str) -> api::SendCrmMessageRequest {
    api::SendCrmMessageRequest {
        request_id: id.to_string(),
        ..crm_message(text)
    }
}

/// A response that says whether it comes from the ledger.
pub(super) trait Replays {
    fn replayed(&mut self) -> &mut bool;
}

macro_rules! replays {
    ($($response:ident),*) => {
        $(impl Replays for api::$response {
            fn replayed(&mut self) -> &mut bool {
                &mut self.replayed
            }
        })*
    };
}

replays!(
    SendConnectorMessagesResponse,
    SendCrmMessageResponse,
    SendNetworkMessageResponse
);

impl<M: Replays> Told<M> {
    /// Header and field say the same. The field is taken out, so that responses can be compared.
    pub(super) fn of(answer: Result<Response<M>, Status>) -> Self {
        match answer {
            Ok(response) => {
                let is_replayed = is_replayed(response.metadata());
                let mut response = response.into_inner();
                assert_eq!(std::mem::take(response.replayed()), is_replayed);
                Self {
                    is_replayed,
                    result: Ok(response),
                }
            }
            Err(status) => Self {
                is_replayed: is_replayed(status.metadata()),
                result: Err(status),
            },
        }
    }
}

impl<M> Told<M> {
    /// The answer of the portal to this attempt.
    #[track_caller]
    pub(super) fn executed_now(self) -> M {
        assert!(!self.is_replayed);
        self.result.unwrap_or_else(|status| panic!("{status:?}"))
    }

    /// The answer to an earlier attempt.
    #[track_caller]
    pub(super) fn replayed(self) -> M {
        let response = self.result.unwrap_or_else(|status| panic!("{status:?}"));
        assert!(self.is_replayed);
        response
    }
}

impl<M: std::fmt::Debug> Told<M> {
    /// A failure of this attempt.
    #[track_caller]
    pub(super) fn failed(self) -> Status {
        assert!(!self.is_replayed);
        self.result.unwrap_err()
    }
}

fn is_replayed(metadata: &MetadataMap) -> bool {
    let header = metadata.get("openlines-replayed");
    header.is_some_and(|value| {
        assert_eq!(value, "true");
        true
    })
}

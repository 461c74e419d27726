//! A caller that takes all it can get.

use std::sync::Arc;
use std::time::Duration;

use bitrix24_openlines::api::openlines::v1 as api;
use bitrix24_openlines::api::openlines::v1::open_lines_service_client::OpenLinesServiceClient;
use bitrix24_openlines::testing::auth::NewKey;
use futures_util::future::join_all;
use sandbox::{Fault, FaultKind, Gate, Moment, Portal, Sandbox, demo};
use tokio::net::TcpListener;
use tokio::task::JoinSet;
use tonic::transport::Channel;

use crate::server::told;
use crate::support::admin::{free_address, until_sample};
use crate::support::requests::{crm_message, network_message};
use crate::support::{Service, Told, caller, conversations, tenants, with_key};

/// Calls that may be in progress in all.
const PLACES: u64 = 200;

/// The tenants of the portals that do not answer.
const HANGING: [&str; 2] = ["hanging-1", "hanging-2"];

async fn portal() -> Sandbox {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    Sandbox::start(listener, vec![Portal::demo()]).unwrap()
}

/// A service with two callers, of which one has two portals that do not answer.
struct Site {
    service: Service,
    admin: std::net::SocketAddr,
    greedy: NewKey,
    well: Sandbox,
    _hanging: Vec<Sandbox>,
}

impl Site {
    async fn start(settings: &[(&str, &str)]) -> Self {
        let (well, hanging) = (portal().await, [portal().await, portal().await]);
        let mut listed = tenants(well.address());
        for (tenant, sandbox) in HANGING.iter().zip(&hanging) {
            let held = FaultKind::Held(Moment::Before, Gate::closed());
            sandbox.inject(Fault::always(held));
            listed += &format!(
                "- {{id: {tenant}, portal: 'http://{}', webhook: {{user_id: {}, secret: {{inline: '{}'}}}}}}\n",
                sandbox.address(),
                demo::OWNER,
                demo::WEBHOOK_SECRET,
            );
        }
        let (key, greedy) = (NewKey::generate().unwrap(), NewKey::generate().unwrap());
        let auth = format!(
            "{}  - {{name: greedy, tenants: ['*'], keys: ['{}']}}\n",
            caller(&key),
            greedy.entry()
        );
        let admin = free_address();
        let (places, listen) = (PLACES.to_string(), admin.to_string());
        let always = [
            ("SERVER_MAXIMUM_CONCURRENT_CALLS", &*places),
            ("ADMIN_LISTEN", &*listen),
        ];
        let settings = [&always, settings].concat();
        let service = Service::with_auth(key, &auth, &settings, &listed).await;
        Self {
            service,
            admin,
            greedy,
            well,
            _hanging: hanging.into(),
        }
    }

    /// A call of the greedy caller to a portal that does not answer, in a conversation of its own.
    async fn hang(client: &mut Client, key: &NewKey, number: usize) -> Result<(), tonic::Status> {
        let message = api::SendNetworkMessageRequest {
            tenant_id: HANGING[number % 2].to_owned(),
            user_id: i64::try_from(number).unwrap() + 1,
            ..network_message("greedy")
        };
        let sent = client.send_network_message(with_key(message, key.expose()));
        sent.await.map(drop)
    }
}

type Client = OpenLinesServiceClient<Channel>;

/// One caller with two portals that do not answer costs the others nothing (E5).
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_caller_with_two_portals_that_hang_leaves_places_to_another() {
    let site = Arc::new(Site::start(&[]).await);
    let mut calls = JoinSet::new();
    for number in 0..usize::try_from(PLACES).unwrap() {
        let (site, mut client) = (Arc::clone(&site), site.service.client().await);
        calls.spawn(async move { Site::hang(&mut client, &site.greedy, number).await });
    }
    let in_progress = "openlines_calls_in_progress";
    // Half of the places. The other half is refused at once.
    for _ in 0..PLACES / 2 {
        let refused = calls.join_next().await.unwrap().unwrap().unwrap_err();
        let said = "RESOURCE_EXHAUSTED CALLER_SHARE_EXCEEDED not_executed";
        assert_eq!(told(&refused), said);
        let delay = refused.details_of().retry_info().unwrap().retry_delay;
        assert_eq!(delay, Some(Duration::from_secs(1)));
        let pushback = refused.metadata().get("grpc-retry-pushback-ms");
        assert_eq!(pushback.unwrap(), "1000");
    }
    until_sample(site.admin, in_progress, PLACES / 2).await;

    let number = 30;
    conversations::add(&site.well, number);
    let client = site.service.client().await;
    let sent = (0..number).map(|conversation| {
        let message = conversations::crm_message(conversation, "of another");
        let request = site.service.request(message);
        let mut client = client.clone();
        async move { client.send_crm_message(request).await.map(drop) }
    });
    for sent in join_all(sent).await {
        sent.unwrap();
    }
    assert_eq!(site.well.record().deliveries().count(), 30);
    let refused = Site::hang(&mut site.service.client().await, &site.greedy, 999).await;
    assert_eq!(refused.unwrap_err().reason(), "CALLER_SHARE_EXCEEDED");

    // It gets places again as soon as its calls end.
    calls.abort_all();
    until_sample(site.admin, in_progress, 0).await;
    let message = with_key(crm_message("afterwards"), site.greedy.expose());
    site.service
        .client()
        .await
        .send_crm_message(message)
        .await
        .unwrap();
}

/// The memory for requests is shared like the places.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_caller_with_large_requests_leaves_memory_to_another() {
    let settings = [
        ("SERVER_MAXIMUM_BYTES_IN_PROGRESS", "4000000"),
        ("VALIDATION_MAXIMUM_TEXT_CHARACTERS", "1000000"),
    ];
    let site = Arc::new(Site::start(&settings).await);
    let client = site.service.client().await;
    let send = |number| {
        let (site, mut client) = (Arc::clone(&site), client.clone());
        async move {
            let message = api::SendNetworkMessageRequest {
                tenant_id: HANGING[0].to_owned(),
                user_id: number,
                ..network_message(&"x".repeat(600_000))
            };
            let message = with_key(message, site.greedy.expose());
            client.send_network_message(message).await.map(drop)
        }
    };
    // Three of them are half of the memory; a fourth is not. One after the other, because of many
    // at once none may get all that it needs.
    let mut calls = JoinSet::new();
    for number in 1..=3 {
        calls.spawn(send(number));
        let in_progress = number.unsigned_abs();
        until_sample(site.admin, "openlines_calls_in_progress", in_progress).await;
    }
    for number in 4..9 {
        calls.spawn(send(number));
        let refused = calls.join_next().await.unwrap().unwrap().unwrap_err();
        let said = "RESOURCE_EXHAUSTED CALLER_SHARE_EXCEEDED not_executed";
        assert_eq!(told(&refused), said);
    }
    until_sample(site.admin, "openlines_calls_in_progress", 3).await;
    let large = site.service.request(crm_message(&"x".repeat(600_000)));
    let sent = site.service.client().await.send_crm_message(large).await;
    sent.unwrap();
}

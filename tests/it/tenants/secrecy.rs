//! No secret that is entered comes back, nor stays anywhere where it can be read.

use std::process::Output;

use bitrix24_openlines::api::openlines::tenants::v1 as api;
use bitrix24_openlines::api::openlines::tenants::v1::tenant_service_client::TenantServiceClient;
use bitrix24_openlines::testing::auth::NewKey;
use prost::Message;
use sandbox::{Portal, Sandbox};
use tokio::net::TcpListener;
use tonic::transport::Endpoint;

use super::office::{application, callers, webhook};
use crate::support::process::{Files, Process, openlines};
use crate::support::with_key;

/// Part of every secret here.
const CANARY: &str = "c4n4ry";

/// A secret of this name. A webhook's has letters and digits only.
fn secret(name: &str) -> String {
    format!("{name}{CANARY}")
}

fn tenants(portal: &str) -> [api::Tenant; 3] {
    let credentials = api::ApplicationCredentials {
        client_id: "local.1.2".to_owned(),
        client_secret: secret("client"),
        application_token: secret("application"),
        access_token: secret("access"),
        refresh_token: secret("refresh"),
        ..Default::default()
    };
    [
        webhook(portal, 1, &secret("webhook")),
        application(portal, credentials.clone()),
        // Expired, so that the refresh token and the client secret travel, too.
        application(
            portal,
            api::ApplicationCredentials {
                access_token_expire_time: Some(prost_types::Timestamp {
                    seconds: 1_700_000_000,
                    nanos: 0,
                }),
                ..credentials
            },
        ),
    ]
}

fn assert_silent(what: &str, bytes: &[u8]) {
    let found = bytes
        .windows(CANARY.len())
        .any(|window| window == CANARY.as_bytes());
    assert!(!found, "{what}: {}", String::from_utf8_lossy(bytes));
}

#[tokio::test]
async fn no_secret_is_in_an_answer_in_the_log_at_its_finest_or_in_the_database() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let sandbox = Sandbox::start(listener, vec![Portal::demo()]).unwrap();
    let portal = format!("http://{}", sandbox.address());
    let keys = [(); 3].map(|()| NewKey::generate().unwrap());
    let settings = format!(
        "server: {{listen: '127.0.0.1:0'}}\nlog: {{filter: trace}}\n\
         authorization: {{default_server: '{portal}'}}\n{}",
        callers(&keys)
    );
    let files = Files::write(&settings, "tenants: []\n");
    let path = files.settings();
    let process = Process::start(openlines(&["serve", "--config", path.to_str().unwrap()]));
    let address = format!("http://{}", process.address().await);
    let channel = Endpoint::from_shared(address.clone()).unwrap();
    let mut client = TenantServiceClient::new(channel.connect().await.unwrap());
    let key = keys[0].expose();

    let mut answers: Vec<Vec<u8>> = Vec::new();
    for (number, tenant) in tenants(&portal).into_iter().enumerate() {
        let (id, name) = (format!("t{number}"), format!("tenants/t{number}"));
        let request = api::CreateTenantRequest {
            tenant_id: id,
            tenant: Some(tenant.clone()),
        };
        let twice = request.clone();
        let created = client.create_tenant(with_key(request, key)).await.unwrap();
        answers.push(created.into_inner().encode_to_vec());
        let refused = client
            .create_tenant(with_key(twice, key))
            .await
            .unwrap_err();
        answers.push(format!("{refused:?}").into_bytes());
        answers.push(refused.details().to_vec());
        let request = api::UpdateTenantRequest {
            tenant: Some(api::Tenant {
                name: name.clone(),
                ..tenant
            }),
            update_mask: None,
        };
        let updated = client.update_tenant(with_key(request, key)).await.unwrap();
        answers.push(updated.into_inner().encode_to_vec());
        let request = api::VerifyTenantRequest { name: name.clone() };
        let verified = client.verify_tenant(with_key(request, key)).await.unwrap();
        answers.push(verified.into_inner().encode_to_vec());
        let request = api::GetTenantRequest { name };
        let found = client.get_tenant(with_key(request, key)).await.unwrap();
        answers.push(found.into_inner().encode_to_vec());
    }
    let request = with_key(api::ListTenantsRequest::default(), key);
    let listed = client.list_tenants(request).await.unwrap().into_inner();
    assert_eq!(listed.tenants.len(), 3);
    answers.push(listed.encode_to_vec());
    for answer in &answers {
        assert_silent("an answer", answer);
    }

    // The command line reads secrets from files and says nothing of them either.
    let folder = tempfile::tempdir().unwrap();
    let wrong = folder.path().join("secret");
    std::fs::write(&wrong, format!("/{}\n", secret("wrong"))).unwrap();
    let called = |arguments: &[&str]| -> Output {
        let mut command = openlines(&["tenants", "--address", &address]);
        command.args(arguments).env("OPENLINES_API_KEY", key);
        command.output().unwrap()
    };
    let wrong = wrong.to_str().unwrap();
    for arguments in [
        &["update", "t0", "--webhook-secret-file", wrong][..],
        &[
            "update",
            "t1",
            "--refresh-token-file",
            wrong,
            "--output",
            "json",
        ],
        &["get", "t1", "--output", "json"],
        &["list"],
        &["verify", "t2"],
    ] {
        let output = called(arguments);
        assert_silent("standard output", &output.stdout);
        assert_silent("standard error", &output.stderr);
    }

    process.terminate();
    let (status, log) = process.ended().await;
    assert!(status.success());
    assert!(log.contains("TRACE") && log.contains("openlines::audit"));
    assert_silent("the log", log.as_bytes());
    for entry in std::fs::read_dir(path.parent().unwrap()).unwrap() {
        let entry = entry.unwrap().path();
        assert_silent(
            &entry.display().to_string(),
            &std::fs::read(&entry).unwrap(),
        );
    }
}

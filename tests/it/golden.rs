//! The caller's status or response for each response of a portal, in readable files.
//!
//! A file begins with the portal's response. The test plays it through the sandbox, over real HTTP,
//! and compares the caller's result with the rest of the file. `UPDATE_EXPECT=1 cargo test`
//! rewrites that rest.

mod answer;
mod kinds;
mod names;

use std::fs;
use std::path::{Path, PathBuf};

use bitrix24_openlines::api::json;
use bitrix24_openlines::api::openlines::v1 as api;
use bitrix24_openlines::testing::error::code_name;
use futures_util::{StreamExt, stream};
use prost::{Message, Name};
use sandbox::demo;
use tonic::{Response, Status};

use crate::support::{APPLICATION, World, requests};
use answer::PlayedAnswer;

/// The call id in golden files.
const REQUEST_ID: &str = "golden";

/// How many files are compared concurrently.
const AT_ONCE: usize = 8;

#[tokio::test]
async fn every_answer_becomes_what_its_golden_file_says() {
    let files = files();
    assert!(
        files.len() > 120,
        "golden files are missing: {} found",
        files.len()
    );
    stream::iter(files.into_iter().map(check))
        .buffer_unordered(AT_ONCE)
        .collect::<Vec<()>>()
        .await;
}

/// Compares one file, in a world of its own: its effects on conversations, circuit breaker and
/// backoff end with it.
async fn check(path: PathBuf) {
    let text = fs::read_to_string(&path).unwrap();
    let (answer, head) = PlayedAnswer::read(&text).unwrap_or_else(|why| panic!("{path:?}: {why}"));
    let world = World::with_settings(&[
        ("PORTALS_MAXIMUM_RESPONSE_BYTES", "65536"),
        // For the response that never comes, and for retries.
        ("SERVER_DEFAULT_DEADLINE_SECONDS", "7"),
    ])
    .await;
    world.sandbox.inject(answer.fault());
    let told = call(&world, &answer).await;
    expect_test::expect_file![&path].assert_eq(&format!("{head}{told}\n"));
}

/// All golden files of answers, in alphabetical order.
pub(crate) fn files() -> Vec<PathBuf> {
    fn collect(folder: &Path, files: &mut Vec<PathBuf>) {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.ends_with(names::FOLDER) {
                // Other files than these.
            } else if path.is_dir() {
                collect(&path, files);
            } else {
                files.push(path);
            }
        }
    }
    let mut files = Vec::new();
    collect(&folder(), &mut files);
    files.sort();
    files
}

/// The folder of the golden files.
pub(crate) fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden")
}

async fn call(world: &World, answer: &PlayedAnswer) -> String {
    let mut client = world.client().await;
    match answer.method.as_str() {
        "imconnector.send.messages" => told(
            client
                .send_connector_messages(request(world, connector_messages()))
                .await,
        ),
        "imopenlines.crm.message.add" => {
            told(client.send_crm_message(request(world, crm_message())).await)
        }
        "imopenlines.network.message.add" => told(
            client
                .send_network_message(request(world, network_message()))
                .await,
        ),
        other => panic!("{other} is no method of the service"),
    }
}

fn request<M>(world: &World, message: M) -> tonic::Request<M> {
    let mut request = world.request(message);
    request
        .metadata_mut()
        .insert("x-request-id", REQUEST_ID.parse().unwrap());
    request
}

fn told<M: Message + Name>(outcome: Result<Response<M>, Status>) -> String {
    match outcome {
        Ok(response) => format!(
            "OK\n{}",
            sorted(&json::of_message(response.get_ref()).unwrap())
        ),
        Err(status) => {
            let pushback = status.metadata().get("grpc-retry-pushback-ms");
            let pushback = pushback
                .map(|value| format!("grpc-retry-pushback-ms: {}\n", value.to_str().unwrap()));
            format!(
                "{}\n{}{}",
                code_name(status.code()),
                pushback.unwrap_or_default(),
                sorted(&json::of_status(&status).unwrap())
            )
        }
    }
}

/// The same JSON with its keys in alphabetical order: the entries of a map have none of their own.
fn sorted(json: &str) -> String {
    let json: serde_json::Value = serde_json::from_str(json).unwrap();
    serde_json::to_string_pretty(&json).unwrap()
}

fn connector_messages() -> api::SendConnectorMessagesRequest {
    let message = |number: u8| api::ConnectorMessage {
        user: Some(api::ExternalUser {
            id: "u1".to_owned(),
            ..Default::default()
        }),
        message: Some(api::ExternalMessage {
            id: format!("m{number}"),
            text: format!("Text {number}"),
            ..Default::default()
        }),
        chat: Some(api::ExternalChat {
            id: "c1".to_owned(),
            ..Default::default()
        }),
    };
    api::SendConnectorMessagesRequest {
        tenant_id: APPLICATION.to_owned(),
        connector_id: demo::CONNECTOR.to_owned(),
        line_id: demo::LINE,
        messages: vec![message(1), message(2)],
        ..Default::default()
    }
}

fn crm_message() -> api::SendCrmMessageRequest {
    api::SendCrmMessageRequest {
        tenant_id: APPLICATION.to_owned(),
        ..requests::crm_message("Hello")
    }
}

fn network_message() -> api::SendNetworkMessageRequest {
    api::SendNetworkMessageRequest {
        tenant_id: APPLICATION.to_owned(),
        ..requests::network_message("Hello")
    }
}

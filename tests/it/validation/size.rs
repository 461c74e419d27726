//! Everything that a failing status carries travels in HTTP headers, and many clients and proxies
//! take no more than 8 KiB.

use bitrix24_openlines::api::openlines::v1 as api;
use bitrix24_openlines::api::openlines::v1::attachment_block::Block;
use bitrix24_openlines::api::openlines::v1::send_network_message_request::AttachmentForm;
use prost::Message;
use sandbox::{Fault, FaultKind, demo};
use serde_json::json;
use tonic::Code;

use crate::support::raw::{RawAnswer, RawClient, SERVICE};
use crate::support::requests::{connector_message, connector_messages, network_message};
use crate::support::{Told, World};

/// What a failing status may take, names and values of all headers and trailers together.
const LARGEST: usize = 8 * 1024;

/// A tenant with the longest possible name.
fn long_tenant() -> String {
    "t".repeat(63)
}

async fn world(settings: &[(&str, &str)]) -> World {
    let portal = World::start().await;
    let tenants = format!(
        "- {{id: {}, portal: 'http://{}', webhook: {{user_id: {}, secret: {{inline: '{}'}}}}}}\n",
        long_tenant(),
        portal.sandbox.address(),
        demo::OWNER,
        demo::WEBHOOK_SECRET,
    );
    let world = World::with_tenants(settings, &tenants).await;
    World {
        sandbox: portal.sandbox,
        service: world.service,
    }
}

/// Calls with the longest request id that is taken over.
async fn call(world: &World, operation: &str, request: &impl Message) -> RawAnswer {
    let authorization = format!("Bearer {}", world.service.key.expose());
    let request_id = "r".repeat(128);
    let headers = [
        ("authorization", authorization.as_str()),
        ("x-request-id", request_id.as_str()),
    ];
    let client = RawClient::connect(world.service.address).await;
    client
        .call(&format!("{SERVICE}/{operation}"), &headers, request)
        .await
}

fn assert_small(answer: &RawAnswer) {
    let bytes = answer.header_bytes();
    assert!(
        bytes < LARGEST,
        "{bytes} bytes: {:?}",
        answer.status().message()
    );
    // It carries details all the same, so that something was measured.
    assert!(bytes > 1_000, "{bytes} bytes");
}

#[tokio::test]
async fn twenty_violations_with_the_longest_paths_fit() {
    let world = world(&[]).await;
    let image = api::AttachmentImage {
        url: "/".repeat(2049),
        preview_url: "/".repeat(2049),
        width_pixels: -1,
        height_pixels: -1,
        ..Default::default()
    };
    let good = api::AttachmentBlock {
        block: Some(Block::Message("x".to_owned())),
    };
    let mut blocks = vec![good; 100_000];
    blocks.push(api::AttachmentBlock {
        block: Some(Block::Image(api::ImageBlock {
            images: vec![image; 10],
        })),
    });
    let request = api::SendNetworkMessageRequest {
        tenant_id: long_tenant(),
        attachment_form: Some(AttachmentForm::Attachment(api::Attachment {
            blocks,
            ..Default::default()
        })),
        ..network_message("text")
    };
    let answer = call(&world, "SendNetworkMessage", &request).await;
    let status = answer.status();
    assert_eq!(status.violations().len(), 20);
    let deepest = "attachment.blocks[100000].image.images[0].preview_url";
    assert_eq!(status.violations()[2].0, deepest);
    assert_small(&answer);
}

#[tokio::test]
async fn twenty_violations_of_names_fit_too() {
    let world = world(&[("VALIDATION_MAXIMUM_MESSAGES", "10000")]).await;
    let mut broken = connector_message("m", "text");
    let user = broken.user.as_mut().unwrap();
    user.first_name = "_".repeat(26);
    user.last_name = "_".repeat(26);
    user.profile_url = "x".repeat(2049);
    let mut messages = vec![connector_message("m", "text"); 9_000];
    messages.extend(vec![broken; 10]);
    let answer = call(
        &world,
        "SendConnectorMessages",
        &connector_messages(messages),
    )
    .await;
    assert_eq!(
        answer.status().violations()[0].0,
        "messages[9000].user.first_name"
    );
    assert_eq!(answer.status().violations().len(), 20);
    assert_small(&answer);
}

/// A status message travels percent-encoded, nine bytes for three of a letter such as 漢, twelve for
/// an emoji.
#[tokio::test]
async fn a_refusal_with_huge_texts_fits() {
    let world = world(&[]).await;
    for text in ["漢", "🙂", "я", "%", "\"", "\u{7}", "x"] {
        for (code, description) in [
            ("ERROR_ARGUMENT".to_owned(), text.repeat(100_000)),
            (text.repeat(100_000), text.repeat(100_000)),
            ("USER_MESSAGE_LIMIT".to_owned(), text.repeat(1_000)),
            ("CODE".to_owned(), text.repeat(1_000)),
            ("NOT_FOUND".to_owned(), text.repeat(1_000)),
            ("WRONG_AUTH_TYPE".to_owned(), text.repeat(1_000)),
        ] {
            world.sandbox.inject(Fault::once(FaultKind::Scripted {
                status: 400,
                content_type: "application/json".to_owned(),
                body: json!({"error": code, "error_description": description}).to_string(),
                executed: false,
            }));
            let request = api::SendNetworkMessageRequest {
                tenant_id: long_tenant(),
                ..network_message("text")
            };
            let answer = call(&world, "SendNetworkMessage", &request).await;
            let status = answer.status();
            assert_ne!(status.code(), Code::Ok);
            assert_eq!(
                status.metadata_value("errorSource").as_deref(),
                Some("bitrix24")
            );
            assert_small(&answer);
        }
    }
}

//! Calls the service in every way that matters, and prints a line for each: examples/README.md has
//! the table.

use std::collections::BTreeMap;
use std::env;
use std::error::Error;
use std::io;
use std::time::Duration;

use openlines::{
    ConnectorMessage, CrmEntityType, ExternalChat, ExternalMessage, ExternalUser,
    SendConnectorMessagesRequest, SendCrmMessageRequest, SendCrmMessageResponse,
    SendNetworkMessageRequest, StreamingSendMessagesRequest, connector_message_result,
    streaming_send_messages_request, streaming_send_messages_response,
};
use sender::{Client, Sender};
use table::{failure, name, refused, success};
use tokio::task::spawn_blocking;
use tokio::time::{sleep, timeout};
use tonic::{Code, Request, Status};
use uuid::Uuid;

mod replicas;
mod sender;
mod table;

mod openlines {
    tonic::include_proto!("openlines.v1");
}

const DEADLINE: Duration = Duration::from_secs(10);

fn variable(name: &str) -> Result<String, String> {
    env::var(name).map_err(|error| format!("{name}: {error}"))
}

/// The idempotency key: a new one for each call, the same one for its retries.
fn new_request_id() -> String {
    Uuid::new_v4().to_string()
}

fn crm_message(tenant: &str) -> SendCrmMessageRequest {
    SendCrmMessageRequest {
        tenant_id: tenant.to_owned(),
        request_id: new_request_id(),
        crm_entity_type: CrmEntityType::Lead.into(),
        crm_entity_id: 1195,
        user_id: 27,
        portal_chat_id: 1341,
        text: "Your order has left our warehouse.".to_owned(),
        ..Default::default()
    }
}

fn network_message(tenant: &str) -> SendNetworkMessageRequest {
    SendNetworkMessageRequest {
        tenant_id: tenant.to_owned(),
        request_id: new_request_id(),
        line_code: "ab515f5d85a8b844d484f6ea75a2e494".to_owned(),
        user_id: 2,
        text: "Your order is on its way.".to_owned(),
        ..Default::default()
    }
}

fn connector_message(id: &str) -> ConnectorMessage {
    ConnectorMessage {
        user: Some(ExternalUser {
            id: "customer-42".to_owned(),
            first_name: "Ada".to_owned(),
            ..Default::default()
        }),
        message: Some(ExternalMessage {
            id: id.to_owned(),
            text: "Good afternoon".to_owned(),
            ..Default::default()
        }),
        chat: Some(ExternalChat {
            id: "channel-123".to_owned(),
            ..Default::default()
        }),
    }
}

fn replayed(response: &SendCrmMessageResponse) -> &'static str {
    if response.replayed {
        "replayed=yes"
    } else {
        "replayed=no"
    }
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn Error>> {
    let sender = Sender::from_environment()?;
    let crm = async |message, within| {
        let call = async |mut client: Client, request| client.send_crm_message(request).await;
        sender.send(message, within, call).await
    };
    let network = async |message, within| {
        let call = async |mut client: Client, request| client.send_network_message(request).await;
        sender.send(message, within, call).await
    };
    let tenant = variable("OPENLINES_TENANT")?;
    if env::args().any(|argument| argument == "repeat") {
        // Every 20 ms until the input ends: to watch while replicas come and go.
        let input = spawn_blocking(|| io::copy(&mut io::stdin(), &mut io::sink()));
        while !input.is_finished() {
            let answer = crm(crm_message(&tenant), DEADLINE).await;
            let code = answer.map_or_else(|status| status.code(), |_| Code::Ok);
            println!("{}", name(code));
            sleep(Duration::from_millis(20)).await;
        }
        return Ok(());
    }
    let (away, silent) = (format!("{tenant}-away"), format!("{tenant}-silent"));

    println!("case | status | reason | safe to repeat | detail");
    let request = crm_message(&tenant);
    let first = crm(request.clone(), DEADLINE).await?;
    success("success", replayed(&first));

    partial_failure(&sender, &tenant).await?;
    let other_chat = SendCrmMessageRequest {
        portal_chat_id: 1342,
        ..crm_message(&tenant)
    };
    refused("refusal", crm(other_chat.clone(), DEADLINE).await)?;
    let bad = SendCrmMessageRequest {
        text: String::new(),
        user_id: -1,
        ..crm_message(&tenant)
    };
    refused("bad request", crm(bad, DEADLINE).await)?;
    // Bitrix24 accepts one network message for each user and week.
    network(network_message(&tenant), DEADLINE).await?;
    refused("limit", network(network_message(&tenant), DEADLINE).await)?;
    refused("unavailable", crm(crm_message(&away), DEADLINE).await)?;

    // The same request with the same request_id: the service returns the first response and sends
    // nothing.
    let again = crm(request, DEADLINE).await?;
    let same = again.portal_message_id == first.portal_message_id;
    let message = match (again.replayed, same) {
        (true, true) => ", same message",
        (true, false) => ", another message",
        (false, _) => "",
    };
    success("replay", &format!("{}{message}", replayed(&again)));

    refused(
        "deadline",
        crm(crm_message(&silent), Duration::from_secs(2)).await,
    )?;

    // A call is cancelled when its future is dropped, as here: tonic has no status for that.
    let call = network(network_message(&silent), DEADLINE);
    let ended = timeout(Duration::from_millis(500), call).await;
    refused(
        "cancellation",
        ended.unwrap_or_else(|_| Err(Status::cancelled("dropped"))),
    )?;

    stream(sender.client().await, &tenant).await
}

/// The call is OK, and each of its messages has a result of its own.
async fn partial_failure(sender: &Sender, tenant: &str) -> Result<(), Box<dyn Error>> {
    let request = SendConnectorMessagesRequest {
        tenant_id: tenant.to_owned(),
        request_id: new_request_id(),
        connector_id: "myconnector".to_owned(),
        line_id: 107,
        messages: vec![connector_message("m-1"), connector_message("m-refused")],
        ..Default::default()
    };
    let call = async |mut client: Client, request| client.send_connector_messages(request).await;
    let response = sender.send(request, DEADLINE, call).await?;
    for (number, result) in (1..).zip(response.results) {
        let case = format!("partial failure, message {number}");
        match result.outcome.ok_or("a result without an outcome")? {
            connector_message_result::Outcome::Accepted(_) => success(&case, "accepted"),
            connector_message_result::Outcome::Error(status) => failure(&case, &status)?,
        }
    }
    Ok(())
}

/// Many items through one stream. Results come in any order; the key says which item one belongs
/// to.
async fn stream(mut client: Client, tenant: &str) -> Result<(), Box<dyn Error>> {
    use streaming_send_messages_request::Operation;
    use streaming_send_messages_response::Result as Outcome;

    let tenant = tenant.to_owned();
    // Read from where the messages are. tonic asks for the next item when the service takes it.
    let items = tokio_stream::iter((1..=5).map(move |number| {
        let portal_chat_id = if number == 3 { 1342 } else { 1341 };
        StreamingSendMessagesRequest {
            item_key: format!("item-{number}"),
            operation: Some(Operation::CrmMessage(SendCrmMessageRequest {
                portal_chat_id,
                ..crm_message(&tenant)
            })),
            ..Default::default()
        }
    }));
    let mut request = Request::new(items);
    request.set_timeout(DEADLINE);
    let mut responses = client.streaming_send_messages(request).await?.into_inner();
    let mut results = BTreeMap::new();
    while let Some(response) = responses.message().await? {
        results.insert(response.item_key, response.result);
    }
    for (key, result) in results {
        let case = format!("stream, {key}");
        match result.ok_or("a response without a result")? {
            Outcome::CrmMessage(response) => success(&case, replayed(&response)),
            Outcome::Error(status) => failure(&case, &status)?,
            _ => return Err("a result of another operation".into()),
        }
    }
    Ok(())
}

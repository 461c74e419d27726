//! Batches and when requests are sent, against the sandbox, scripted portals and PHP itself.

mod encoding;
mod failures;
mod php;
mod sending;
mod values;

use std::net::SocketAddr;
use std::time::Duration;

use bitrix24::{
    Answer, BatchAnswer, CallError, Client, Command, Credential, Deadlines, Method, Parameters,
    Policy, PortalAddress, SendGuard, TransportOptions,
};
use sandbox::{Portal, Sandbox, demo};
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio::time::Instant;

/// Long enough for every response.
const PATIENCE: Duration = Duration::from_secs(10);

/// A client and its portal.
struct Counter {
    client: Client,
    portal: PortalAddress,
}

impl Counter {
    fn at(address: SocketAddr) -> Self {
        let client = Client::new(TransportOptions {
            connect_timeout: Duration::from_secs(5),
            idle_connection: Duration::from_secs(30),
            maximum_response_bytes: 1_000_000,
            ..TransportOptions::default()
        });
        let policy = Policy {
            dangerous_allow_insecure: true,
            ..Policy::default()
        };
        Self {
            client: client.unwrap(),
            portal: PortalAddress::parse(&format!("http://{address}"), &policy).unwrap(),
        }
    }

    async fn call(&self, method: Method, parameters: &Value) -> Result<Answer, CallError> {
        let (parameters, times) = (Parameters::of(parameters).unwrap(), within(PATIENCE));
        let guard = SendGuard::unwatched();
        self.client
            .call(
                &self.portal,
                &application(),
                method,
                &parameters,
                times,
                &guard,
            )
            .await
    }

    async fn batch(&self, commands: &[Command]) -> Result<BatchAnswer, CallError> {
        let commands: Vec<&Command> = commands.iter().collect();
        let guard = SendGuard::unwatched();
        self.client
            .batch(
                &self.portal,
                &application(),
                &commands,
                within(PATIENCE),
                &guard,
            )
            .await
    }
}

fn application() -> Credential {
    Credential::Application {
        access_token: demo::ACCESS_TOKEN.into(),
    }
}

fn within(patience: Duration) -> Deadlines {
    Deadlines::until(Instant::now() + patience)
}

async fn sandbox() -> Sandbox {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    Sandbox::start(listener, vec![Portal::demo()]).unwrap()
}

/// The call as a command, if it may be sent in a batch.
fn possible_command(method: Method, parameters: &Value) -> Option<Command> {
    Parameters::of(parameters).unwrap().to_command(method)
}

#[track_caller]
fn command(method: Method, parameters: &Value) -> Command {
    possible_command(method, parameters).unwrap_or_else(|| panic!("no command: {parameters}"))
}

/// A message that the demonstration portal accepts.
fn crm(text: &str) -> Value {
    json!({
        "CRM_ENTITY_TYPE": "lead",
        "CRM_ENTITY": demo::LEAD,
        "USER_ID": demo::MEMBER,
        "CHAT_ID": demo::CHAT,
        "MESSAGE": text,
    })
}

fn crm_command(text: &str) -> Command {
    command(Method::AddCrmMessage, &crm(text))
}

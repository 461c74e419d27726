//! Portals and authorization servers that repeat the secrets of a request.

use std::net::SocketAddr;
use std::time::Duration;

use bitrix24::{
    CallError, Client, ClientId, Command, Credential, Deadlines, Method, OAuthError, Parameters,
    Policy, PortalAddress, SendGuard, TransportOptions,
};
use secrecy::{ExposeSecret, SecretString};
use serde_json::json;
use tokio::time::Instant;

use crate::portal::ScriptedPortal;

const SECRET: &str = "xk3b1hkvi0hn3b44";
const TOKEN: &str = "to/ken+with=special|characters";

fn client() -> Client {
    Client::new(TransportOptions::default()).unwrap()
}

fn policy() -> Policy {
    Policy {
        dangerous_allow_insecure: true,
        ..Policy::default()
    }
}

fn credentials() -> [(Credential, &'static str); 2] {
    let webhook = Credential::Webhook {
        user_id: 1,
        secret: SECRET.into(),
    };
    let application = Credential::Application {
        access_token: TOKEN.into(),
    };
    [(webhook, SECRET), (application, TOKEN)]
}

fn soon() -> Deadlines {
    Deadlines::until(Instant::now() + Duration::from_secs(10))
}

/// Calls the portal, singly and in a batch; everything that is known afterwards, as text.
async fn told(address: SocketAddr, credential: &Credential) -> String {
    let portal = PortalAddress::parse(&format!("http://{address}"), &policy()).unwrap();
    let parameters = Parameters::of(&json!({"MESSAGE": "hello"})).unwrap();
    let (client, guard) = (client(), SendGuard::unwatched());
    let method = Method::AddCrmMessage;
    let answer = client
        .call(&portal, credential, method, &parameters, soon(), &guard)
        .await;
    let command: Command = parameters.to_command(method).unwrap();
    let guard = SendGuard::unwatched();
    let batch = client
        .batch(&portal, credential, &[&command], soon(), &guard)
        .await;
    let shown = |error: &CallError| format!("{error} {error:?}");
    let errors = [answer.as_ref().err(), batch.as_ref().err()].map(|error| error.map(shown));
    format!("{answer:?} {batch:?} {errors:?}")
}

/// Every text of these documents that holds the secret comes out without it.
#[tokio::test]
async fn what_a_portal_says_never_repeats_the_secret() {
    for (credential, secret) in credentials() {
        let url: String = form_urlencoded::byte_serialize(secret.as_bytes()).collect();
        for echo in [secret.to_owned(), secret.to_uppercase(), url] {
            let text = format!("no access with {echo}.");
            for (status, document) in [
                (401, json!({"error": text, "error_description": text})),
                (403, json!({"error": {"code": text, "message": text}})),
                (400, json!({"error": [text]})),
                (
                    200,
                    json!({"result": {"error": text, "error_description": text}}),
                ),
                (200, json!({"result": text})),
                (
                    200,
                    json!({"result": [{"deep": [text]}], "time": {"date_start": text}}),
                ),
                (200, json!({"result": {text.as_str(): 1}})),
                (
                    200,
                    json!({"result": {"result": {"m1": {"deep": text}}, "result_error": []}}),
                ),
                (
                    200,
                    json!({"result": {"result": [], "result_error": {"m1": {"error": text, "error_description": text}}}}),
                ),
            ] {
                let portal = ScriptedPortal::with_status(status, "", &document.to_string()).await;
                let told = told(portal.address, &credential).await;
                let lower = told.to_lowercase();
                assert!(!lower.contains(&echo.to_lowercase()), "{document}: {told}");
                assert!(
                    told.contains("no access with [redacted]."),
                    "{document}: {told}"
                );
            }
        }
    }
}

#[tokio::test]
async fn a_redirect_to_a_host_named_after_the_secret_names_no_address() {
    let (credential, secret) = &credentials()[0];
    let headers = format!("location: https://{secret}.evil.example/\r\n");
    let portal = ScriptedPortal::with_status(302, &headers, "").await;
    let told = told(portal.address, credential).await;
    assert!(told.contains("Moved { new_address: None }"), "{told}");
}

#[tokio::test]
async fn what_an_authorization_server_says_never_repeats_a_secret() {
    let (client_secret, refresh_token) = (SecretString::from(SECRET), SecretString::from(TOKEN));
    let client_id = ClientId::parse("local.1a.1").unwrap();
    for secret in [SECRET, TOKEN] {
        let document = json!({
            "error": format!("x{secret}"),
            "error_description": format!("wrong secret {secret}"),
        });
        let server = ScriptedPortal::with_status(400, "", &document.to_string()).await;
        let endpoint = format!("http://{}", server.address);
        let endpoint = bitrix24::AuthorizationServer::parse(&endpoint, &policy()).unwrap();
        let deadline = Instant::now() + Duration::from_secs(10);
        let refused = client()
            .refresh(
                &endpoint,
                &client_id,
                &client_secret,
                &refresh_token,
                deadline,
            )
            .await
            .unwrap_err();
        let told = format!("{refused} {refused:?}");
        assert!(!told.contains(secret), "{told}");
        let OAuthError::Refused(refusal) = refused else {
            panic!("{refused:?}");
        };
        assert_eq!(refusal.code, "x[redacted]");
        assert_eq!(refusal.description, "wrong secret [redacted]");
    }
}

/// A server that does not rotate refresh tokens repeats the one that was sent.
#[tokio::test]
async fn a_refresh_token_that_stays_the_same_is_kept() {
    let (client_secret, refresh_token) = (SecretString::from(SECRET), SecretString::from(TOKEN));
    let client_id = ClientId::parse("local.1a.1").unwrap();
    let document = json!({
        "access_token": "new-access-token",
        "refresh_token": TOKEN,
        "scope": format!("crm,{TOKEN},new-access-token"),
        "member_id": "b1",
    });
    let server = ScriptedPortal::answering(&document.to_string()).await;
    let endpoint = format!("http://{}", server.address);
    let endpoint = bitrix24::AuthorizationServer::parse(&endpoint, &policy()).unwrap();
    let deadline = Instant::now() + Duration::from_secs(10);
    let tokens = client()
        .refresh(
            &endpoint,
            &client_id,
            &client_secret,
            &refresh_token,
            deadline,
        )
        .await
        .unwrap();
    assert_eq!(tokens.refresh_token.expose_secret(), TOKEN);
    assert_eq!(tokens.access_token.expose_secret(), "new-access-token");
    assert_eq!(tokens.scopes, ["crm", "[redacted]"]);
}

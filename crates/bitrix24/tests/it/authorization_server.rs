//! Refreshes and token checks, against the sandbox and against servers with scripted responses.

mod responses;

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use bitrix24::{
    ApplicationInfo, AuthorizationServer, Client, ClientId, Consequence, ErrorCode, FrontRefusal,
    NotSent, OAuthError, Obstacle, Policy, Tokens, TransportOptions, Unanswered,
};
use http::header::{HeaderValue, RETRY_AFTER};
use sandbox::{Fault, FaultKind, Moment, OAuthError as Refusal, Portal, Sandbox, demo};
use secrecy::{ExposeSecret, SecretString};
use tokio::net::{TcpListener, TcpSocket};

use crate::portal::ScriptedPortal;

/// The value of every secret sent to a scripted server.
const CANARY: &str = "s3cr3tcanary";
/// Long enough for every response.
const PATIENCE: Duration = Duration::from_secs(10);
/// Short, for responses that never come.
const IMPATIENCE: Duration = Duration::from_secs(1);

fn client() -> Client {
    Client::new(TransportOptions {
        connect_timeout: Duration::from_secs(5),
        idle_connection: Duration::from_secs(30),
        maximum_response_bytes: 100_000,
        ..TransportOptions::default()
    })
    .unwrap()
}

fn server(address: SocketAddr) -> AuthorizationServer {
    let policy = Policy {
        dangerous_allow_insecure: true,
        ..Policy::default()
    };
    AuthorizationServer::parse(&format!("http://{address}/rest/"), &policy).unwrap()
}

fn within(patience: Duration) -> tokio::time::Instant {
    (Instant::now() + patience).into()
}

fn client_id(text: &str) -> ClientId {
    ClientId::parse(text).unwrap()
}

async fn sandbox() -> Sandbox {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    Sandbox::start(listener, vec![Portal::demo()]).unwrap()
}

/// Refreshes at the sandbox with the demonstration application.
async fn refresh_demo(
    sandbox: &Sandbox,
    refresh_token: &str,
    patience: Duration,
) -> Result<Tokens, OAuthError> {
    let secret = SecretString::from(demo::CLIENT_SECRET);
    refresh(
        sandbox.address(),
        demo::CLIENT_ID,
        &secret,
        &refresh_token.into(),
        patience,
    )
    .await
}

/// Refreshes at a scripted server with secrets that must appear nowhere.
async fn refresh_canary(address: SocketAddr, patience: Duration) -> Result<Tokens, OAuthError> {
    let secret = SecretString::from(CANARY);
    refresh(address, "local.1a.1", &secret, &secret, patience).await
}

async fn refresh(
    address: SocketAddr,
    id: &str,
    client_secret: &SecretString,
    refresh_token: &SecretString,
    patience: Duration,
) -> Result<Tokens, OAuthError> {
    let answer = client()
        .refresh(
            &server(address),
            &client_id(id),
            client_secret,
            refresh_token,
            within(patience),
        )
        .await;
    shows_no_secret(&answer, &[client_secret, refresh_token]);
    answer
}

async fn info(
    address: SocketAddr,
    access_token: &str,
    patience: Duration,
) -> Result<ApplicationInfo, OAuthError> {
    let token = SecretString::from(access_token);
    let answer = client()
        .application_info(&server(address), &token, within(patience))
        .await;
    shows_no_secret(&answer, &[&token]);
    answer
}

/// No secret appears in a form of the result that could reach a log.
fn shows_no_secret<T: std::fmt::Debug>(answer: &Result<T, OAuthError>, secrets: &[&SecretString]) {
    let mut shown = format!("{answer:?}");
    if let Err(error) = answer {
        shown += &format!("{error}");
    }
    for secret in secrets {
        assert!(!shown.contains(secret.expose_secret()), "{shown}");
    }
}

#[tokio::test]
async fn a_refresh_gives_the_pair_that_the_server_granted() {
    let sandbox = sandbox().await;
    let tokens = refresh_demo(&sandbox, demo::REFRESH_TOKEN, PATIENCE)
        .await
        .unwrap();
    let address = format!("http://{}", sandbox.address());
    assert_eq!(tokens.expires_in, Duration::from_secs(3600));
    assert_eq!(tokens.portal.as_deref(), Some(address.as_str()));
    assert_eq!(
        tokens.authorization_server.as_deref(),
        Some(address.as_str())
    );
    assert_eq!(tokens.scopes, ["imopenlines", "imconnector", "im", "crm"]);
    assert_eq!(tokens.member_id.unwrap().as_str(), Portal::demo().member_id);
    assert_eq!(sandbox.record().refreshes(), 1);
    // The new pair is valid, the old one is not.
    let (access, refresh) = (tokens.access_token, tokens.refresh_token);
    assert!(
        info(sandbox.address(), access.expose_secret(), PATIENCE)
            .await
            .is_ok()
    );
    let again = refresh_demo(&sandbox, demo::REFRESH_TOKEN, PATIENCE).await;
    assert!(
        matches!(again, Err(OAuthError::Refused(refusal)) if refusal.documented == Some(ErrorCode::InvalidGrant))
    );
    assert!(
        refresh_demo(&sandbox, refresh.expose_secret(), PATIENCE)
            .await
            .is_ok()
    );
}

#[tokio::test]
async fn a_token_belongs_to_its_application_and_portal() {
    let sandbox = sandbox().await;
    let info = info(sandbox.address(), demo::ACCESS_TOKEN, PATIENCE)
        .await
        .unwrap();
    assert_eq!(info.client_id, Some(client_id(demo::CLIENT_ID)));
    assert_eq!(info.member_id.unwrap().as_str(), Portal::demo().member_id);
    assert_eq!(info.portal, Some(format!("http://{}", sandbox.address())));
    assert_eq!(
        (info.installed, info.user_id),
        (Some(true), Some(demo::OWNER))
    );
    assert_eq!(info.scopes, ["imopenlines", "imconnector", "im", "crm"]);
}

#[tokio::test]
async fn a_token_that_is_unknown_or_expired_is_refused() {
    let sandbox = sandbox().await;
    let unknown = info(sandbox.address(), CANARY, PATIENCE).await.unwrap_err();
    assert!(
        matches!(&unknown, OAuthError::Refused(refusal) if refusal.documented == Some(ErrorCode::InvalidToken)),
        "{unknown}"
    );
    sandbox.expire_token(demo::ACCESS_TOKEN);
    let expired = info(sandbox.address(), demo::ACCESS_TOKEN, PATIENCE)
        .await
        .unwrap_err();
    assert!(
        matches!(&expired, OAuthError::Refused(refusal) if refusal.documented == Some(ErrorCode::ExpiredToken)),
        "{expired}"
    );
}

#[tokio::test]
async fn every_error_of_the_authorization_server_is_a_refusal_whatever_its_status() {
    let sandbox = sandbox().await;
    for error in Refusal::ALL {
        sandbox.inject(Fault::once(FaultKind::oauth_error(*error)).for_oauth());
        let told = refresh_demo(&sandbox, demo::REFRESH_TOKEN, PATIENCE)
            .await
            .unwrap_err();
        let OAuthError::Refused(refusal) = told else {
            panic!("{error:?}: {told:?}");
        };
        assert_eq!(
            (refusal.code.as_str(), refusal.http_status),
            (error.code, error.status)
        );
        assert_eq!(refusal.description, error.description.unwrap_or_default());
        let dead = ["invalid_grant", "bad_verification_code"].contains(&error.code);
        let expected = if dead {
            Consequence::GrantInvalid
        } else {
            Consequence::NeedsReauthorization
        };
        assert_eq!(refusal.consequence(), expected, "{error:?}");
    }
    assert_eq!(sandbox.record().refreshes(), 0);
    assert!(
        refresh_demo(&sandbox, demo::REFRESH_TOKEN, PATIENCE)
            .await
            .is_ok()
    );
}

#[tokio::test]
async fn wrong_client_data_are_refused_by_the_sandbox_itself() {
    let sandbox = sandbox().await;
    let secret = SecretString::from(CANARY);
    let (address, token) = (sandbox.address(), SecretString::from(demo::REFRESH_TOKEN));
    let foreign = refresh(address, "local.other.1", &secret, &token, PATIENCE).await;
    assert!(
        matches!(foreign, Err(OAuthError::Refused(refusal)) if refusal.documented == Some(ErrorCode::WrongClient) && refusal.http_status == 200)
    );
    let wrong = refresh(address, demo::CLIENT_ID, &secret, &token, PATIENCE).await;
    assert!(
        matches!(wrong, Err(OAuthError::Refused(refusal)) if refusal.documented == Some(ErrorCode::InvalidClient))
    );
}

/// The client's error under a fault of the server, and whether the server granted the pair.
#[tokio::test]
async fn faults_of_the_server_leave_the_outcome_unknown_and_name_their_kind() {
    let lost = Unanswered::ConnectionLost;
    let page = |http_status| Unanswered::NotJson { http_status };
    let mut faults = vec![(
        FaultKind::Redirect {
            origin: "https://elsewhere.example".to_owned(),
        },
        Unanswered::NoResult { http_status: 302 },
    )];
    for moment in [Moment::Before, Moment::After] {
        faults.extend([
            (FaultKind::Reset(moment), lost),
            (FaultKind::Close(moment), lost),
            (FaultKind::Html(moment, 200), page(200)),
            (FaultKind::Html(moment, 502), page(502)),
            (FaultKind::PlainText(moment), page(500)),
            (
                FaultKind::Empty(moment),
                Unanswered::Empty { http_status: 200 },
            ),
        ]);
    }
    for (kind, expected) in faults {
        let sandbox = sandbox().await;
        let (name, executes) = (kind.name(), kind.executes());
        sandbox.inject(Fault::once(kind).for_oauth());
        let told = refresh_demo(&sandbox, demo::REFRESH_TOKEN, PATIENCE)
            .await
            .unwrap_err();
        assert_eq!(told, OAuthError::Unanswered(expected), "{name}");
        assert_eq!(told.kind(), "unanswered");
        assert_eq!(
            sandbox.record().refreshes(),
            usize::from(executes),
            "{name}"
        );
    }
}

#[tokio::test]
async fn a_server_in_front_is_judged_by_its_status_and_says_how_long_to_wait() {
    let refused = |http_status| OAuthError::RefusedInFront(FrontRefusal::new(http_status));
    let wait = Duration::from_secs(30);
    let limited = |retry_after| OAuthError::Limited {
        http_status: 429,
        retry_after,
    };
    let busy = OAuthError::Unanswered(Unanswered::Busy {
        http_status: 503,
        retry_after: wait,
    });
    let page = |status| Fault::once(FaultKind::Html(Moment::Before, status)).for_oauth();
    let asking = |status| page(status).with_header(RETRY_AFTER, HeaderValue::from(30));
    for (fault, expected, pause) in [
        (page(401), refused(401), None),
        (page(403), refused(403), None),
        (page(404), refused(404), None),
        (page(413), refused(413), None),
        (page(429), limited(None), None),
        (asking(429), limited(Some(wait)), Some(wait)),
        (asking(503), busy, Some(wait)),
    ] {
        let sandbox = sandbox().await;
        sandbox.inject(fault);
        let told = refresh_demo(&sandbox, demo::REFRESH_TOKEN, PATIENCE).await;
        let told = told.unwrap_err();
        assert_eq!((told.pause(), &told), (pause, &expected));
        assert_eq!(sandbox.record().refreshes(), 0);
    }
}

#[tokio::test]
async fn a_code_with_a_wait_keeps_its_meaning() {
    let body = r#"{"error":"OPERATION_TIME_LIMIT"}"#;
    let portal = ScriptedPortal::with_status(429, "retry-after: 7\r\n", body).await;
    let told = refresh_canary(portal.address, PATIENCE).await.unwrap_err();
    assert_eq!(told.pause(), Some(Duration::from_secs(7)));
    assert!(matches!(told, OAuthError::Refused(refusal)
        if refusal.consequence() == Consequence::RetryLater));
}

#[tokio::test]
async fn a_request_to_a_hanging_server_ends_at_the_deadline() {
    for moment in [Moment::Before, Moment::After] {
        let sandbox = sandbox().await;
        sandbox.inject(Fault::always(FaultKind::Silence(moment)).for_oauth());
        sandbox.inject(Fault::always(FaultKind::Silence(moment)).for_method("app.info"));
        let begun = Instant::now();
        let told = refresh_demo(&sandbox, demo::REFRESH_TOKEN, IMPATIENCE)
            .await
            .unwrap_err();
        assert_eq!(told, OAuthError::Unanswered(Unanswered::DeadlinePassed));
        let told = info(sandbox.address(), demo::ACCESS_TOKEN, IMPATIENCE)
            .await
            .unwrap_err();
        assert_eq!(told, OAuthError::Unanswered(Unanswered::DeadlinePassed));
        assert!(begun.elapsed() < PATIENCE);
    }
}

#[tokio::test]
async fn a_deadline_before_there_is_a_connection_leaves_the_token_unused() {
    let sandbox = sandbox().await;
    let told = refresh_demo(&sandbox, demo::REFRESH_TOKEN, Duration::ZERO)
        .await
        .unwrap_err();
    assert_eq!(told, OAuthError::NotSent(NotSent::DeadlinePassed));
    assert_eq!((told.kind(), sandbox.record().refreshes()), ("not_sent", 0));
}

#[tokio::test]
async fn a_server_that_does_not_listen_is_unreachable() {
    // Bound, so that nobody else can listen there.
    let socket = TcpSocket::new_v4().unwrap();
    socket.bind("127.0.0.1:0".parse().unwrap()).unwrap();
    let address = socket.local_addr().unwrap();
    let told = refresh_canary(address, PATIENCE).await.unwrap_err();
    assert_eq!(
        told,
        OAuthError::NotSent(NotSent::Unreachable(Obstacle::Refused))
    );
}

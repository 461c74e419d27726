//! No secret and no text of a message leaves the program but on its way to the portal: not in the
//! log at its finest, not in a status, not in an error of the settings.

mod everywhere;
mod haystack;
mod settings;

use std::time::Duration;

use bitrix24_openlines::api::openlines::v1::open_lines_service_client::OpenLinesServiceClient;
use bitrix24_openlines::testing::auth::NewKey;
use sandbox::{
    AccessToken, Damage, Fault, FaultKind, Moment, Portal, Sandbox, SystemError, Webhook, demo,
};
use tokio::net::TcpListener;
use tonic::Status;
use tonic::transport::{Channel, Endpoint};

use crate::support::process::{Files, Process, openlines};
use crate::support::requests::{
    connector_message, connector_messages, crm_message, network_message,
};
use crate::support::{APPLICATION, caller, tenants_with, until, with_key};

const WEBHOOK_SECRET: &str = "canary0webhook0secret";
const ACCESS_TOKEN: &str = "canary.access-token";
const TEXT: &str = "canary text of a customer";
const NAME: &str = "Canaryname";
const PHONE: &str = "+000canary000";
/// What a caller sends that is no key at all.
const MALFORMED_KEY: &str = "canary-malformed-key";

/// The secret part of a key; the part before it may be seen.
fn secret_of(key: &NewKey) -> &str {
    key.expose().rsplit_once('_').unwrap().1
}

fn portal() -> Portal {
    let mut portal = Portal {
        webhooks: vec![Webhook {
            secret: WEBHOOK_SECRET.into(),
            ..Portal::demo().webhooks.remove(0)
        }],
        tokens: vec![AccessToken {
            token: ACCESS_TOKEN.into(),
            ..Portal::demo().tokens.remove(0)
        }],
        ..Portal::demo()
    };
    portal.nfr_licence = true;
    portal
}

fn faults() -> Vec<FaultKind> {
    let mut faults = vec![
        FaultKind::Redirect {
            origin: "https://new.bitrix24.test".to_owned(),
        },
        FaultKind::Redirect {
            origin: "http://user@new.bitrix24.test:8080".to_owned(),
        },
        FaultKind::expired_token(),
        FaultKind::Echo { status: 200 },
        FaultKind::Echo { status: 400 },
        FaultKind::Echo { status: 403 },
        FaultKind::Echo { status: 500 },
        FaultKind::Damage(Damage::CutOff),
        FaultKind::Damage(Damage::Truncated),
        FaultKind::Damage(Damage::Oversized { bytes: 100_000 }),
        FaultKind::Damage(Damage::WrongContentType),
        FaultKind::Damage(Damage::InvalidJson),
        FaultKind::Damage(Damage::Null),
        FaultKind::Damage(Damage::Array),
        FaultKind::Damage(Damage::NoResult),
        FaultKind::Damage(Damage::NoTime),
    ];
    for moment in [Moment::Before, Moment::After] {
        faults.extend([
            FaultKind::Reset(moment),
            FaultKind::Close(moment),
            FaultKind::Silence(moment),
            FaultKind::Slow(moment, Duration::from_millis(10)),
            FaultKind::Html(moment, 404),
            FaultKind::Html(moment, 502),
            FaultKind::PlainText(moment),
            FaultKind::Empty(moment),
        ]);
    }
    // Those that block a tenant come last: its calls are not sent any more.
    let mut refusals = SystemError::ALL.to_vec();
    refusals.sort_by_key(|error| {
        [
            SystemError::OVERLOAD_LIMIT,
            SystemError::AUTHORIZATION_ERROR,
        ]
        .contains(error)
    });
    let refusals = refusals.into_iter();
    faults.extend(refusals.map(|error| FaultKind::Refuse {
        error,
        status: None,
    }));
    faults
}

/// Everything of a status that reaches a caller, as text.
fn shown(status: &Status) -> String {
    let details = String::from_utf8_lossy(status.details()).into_owned();
    format!(
        "{status:?} {} {details} {:?}",
        status.message(),
        status.metadata()
    )
}

/// Sends each of the three requests, one of them for both tenants; gives the texts of the failures.
async fn send_all(client: &mut OpenLinesServiceClient<Channel>, key: &str) -> Vec<String> {
    let mut message = connector_message("canary-id", TEXT);
    let user = message.user.as_mut().unwrap();
    user.first_name = NAME.to_owned();
    user.phone = PHONE.to_owned();
    let connector = connector_messages(vec![message]);
    let mut application = crm_message(TEXT);
    application.tenant_id = APPLICATION.to_owned();
    let answers = [
        client
            .send_crm_message(with_key(crm_message(TEXT), key))
            .await
            .err(),
        client
            .send_crm_message(with_key(application, key))
            .await
            .err(),
        client
            .send_network_message(with_key(network_message(TEXT), key))
            .await
            .err(),
        client
            .send_connector_messages(with_key(connector, key))
            .await
            .err(),
    ];
    answers.iter().flatten().map(shown).collect()
}

#[tokio::test]
async fn no_secret_is_in_the_finest_log_or_in_any_status() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let sandbox = Sandbox::start(listener, vec![portal()]).unwrap();
    let (key, unknown) = (NewKey::generate().unwrap(), NewKey::generate().unwrap());
    let files = Files::write(
        &(caller(&key)
            + "server: {listen: '127.0.0.1:0', default_deadline_seconds: 1, drain_seconds: 2, reflection: true}\n"),
        &tenants_with(sandbox.address(), ACCESS_TOKEN, WEBHOOK_SECRET),
    );
    let settings = files.settings();
    let mut command = openlines(&["serve", "--config", settings.to_str().unwrap()]);
    command
        .env("OPENLINES_LOG_FILTER", "trace")
        .env("RUST_BACKTRACE", "1");
    command.env("OPENLINES_PORTALS_MAXIMUM_RESPONSE_BYTES", "65536");
    let process = Process::start(command);
    let address = process.address().await;
    let channel = Endpoint::from_shared(format!("http://{address}")).unwrap();
    let mut client = OpenLinesServiceClient::new(channel.connect().await.unwrap());

    assert_eq!(
        send_all(&mut client, key.expose()).await,
        [""; 0],
        "all succeed"
    );
    let mut statuses = Vec::new();
    for fault in faults() {
        sandbox.inject(Fault::next(4, fault));
        statuses.extend(send_all(&mut client, key.expose()).await);
        sandbox.clear_faults();
    }
    assert!(statuses.len() > 150, "{} calls failed", statuses.len());
    for wrong in [unknown.expose(), MALFORMED_KEY] {
        let refused = send_all(&mut client, wrong).await;
        assert_eq!(refused.len(), 4);
        statuses.extend(refused);
    }
    statuses.extend(send_broken(&mut client, &key).await);
    sandbox.shutdown().await;
    statuses.extend(send_all(&mut client, key.expose()).await);

    process.terminate();
    let (status, log) = process.ended().await;
    assert!(status.success(), "{log}");
    assert!(
        log.contains("\"level\":\"DEBUG\""),
        "the filter was not taken"
    );
    assert!(
        log.lines()
            .filter(|line| line.contains("openlines::call"))
            .count()
            > 200
    );
    let secrets = [
        WEBHOOK_SECRET,
        ACCESS_TOKEN,
        secret_of(&key),
        secret_of(&unknown),
        MALFORMED_KEY,
        TEXT,
        NAME,
        PHONE,
    ];
    for secret in secrets {
        let line = log.lines().find(|line| line.contains(secret));
        assert_eq!(line, None, "{secret} is in the log");
        let status = statuses.iter().find(|status| status.contains(secret));
        assert_eq!(status, None, "{secret} is in a status");
    }
}

/// Requests that break rules with values that nobody should see: a violation never quotes a value.
async fn send_broken(client: &mut OpenLinesServiceClient<Channel>, key: &NewKey) -> Vec<String> {
    let mut crm = crm_message(&TEXT.repeat(2_000));
    crm.request_id = TEXT.to_owned();
    let mut network = network_message(TEXT);
    network.line_code = TEXT.to_owned();
    let mut message = connector_message(TEXT, TEXT);
    let user = message.user.as_mut().unwrap();
    user.first_name = format!("{NAME}_0");
    user.phone = PHONE.repeat(10);
    user.picture_url = PHONE.to_owned();
    let connector = connector_messages(vec![message]);
    let mut nobody = crm_message(TEXT);
    nobody.tenant_id = TEXT.to_owned();
    let key = key.expose();
    let answers = [
        client.send_crm_message(with_key(crm, key)).await.err(),
        client.send_crm_message(with_key(nobody, key)).await.err(),
        client
            .send_network_message(with_key(network, key))
            .await
            .err(),
        client
            .send_connector_messages(with_key(connector, key))
            .await
            .err(),
    ];
    answers
        .iter()
        .map(|status| shown(status.as_ref().unwrap()))
        .collect()
}

/// A program that is stopped in the middle of a call says nothing of it either.
#[tokio::test]
async fn a_call_that_is_cut_by_the_stop_leaves_no_secret_in_the_log() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let sandbox = Sandbox::start(listener, vec![portal()]).unwrap();
    sandbox.inject(Fault::always(FaultKind::Silence(Moment::Before)).for_portal(demo::HOST));
    let key = NewKey::generate().unwrap();
    let files = Files::write(
        &(caller(&key) + "server: {listen: '127.0.0.1:0', drain_seconds: 1}\n"),
        &tenants_with(sandbox.address(), ACCESS_TOKEN, WEBHOOK_SECRET),
    );
    let settings = files.settings();
    let mut command = openlines(&["serve", "--config", settings.to_str().unwrap()]);
    command.env("OPENLINES_LOG_FILTER", "trace");
    let process = Process::start(command);
    let address = process.address().await;
    let channel = Endpoint::from_shared(format!("http://{address}")).unwrap();
    let mut client = OpenLinesServiceClient::new(channel.connect().await.unwrap());
    let request = with_key(crm_message(TEXT), key.expose());
    let call = tokio::spawn(async move { client.send_crm_message(request).await });
    until("the call is at the portal", || {
        !sandbox.record().entries.is_empty()
    })
    .await;
    process.terminate();
    let (_, log) = process.ended().await;
    let status = call.await.unwrap().unwrap_err();
    for secret in [WEBHOOK_SECRET, secret_of(&key), TEXT] {
        assert!(!log.contains(secret), "{secret} is in {log}");
        assert!(
            !shown(&status).contains(secret),
            "{secret} is in {status:?}"
        );
    }
}

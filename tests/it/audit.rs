//! The audit of sends, as the log of the real program has it.

use std::time::Duration;

use bitrix24_openlines::api::openlines::v1 as api;
use bitrix24_openlines::api::openlines::v1::streaming_send_messages_request::Operation;
use futures_util::future::join_all;
use sandbox::{CommandFault, Fault, FaultKind, Gate, Moment, Sandbox};
use serde_json::Value;
use store::sealing::Key;
use tokio::net::TcpListener;
use tokio_stream::StreamExt;
use uuid::Uuid;

use crate::support::admin::until_queued;
use crate::support::deployment::{Deployment, Running};
use crate::support::requests::{connector_message, connector_messages, crm_message};
use crate::support::stores::Stores;
use crate::support::{tenants, until};

/// In every text of these messages, and in the portal's.
const TEXT: &str = "t3xtcanary";

/// A portal, and a process that audits what it sends there.
struct Scene {
    sandbox: Sandbox,
    deployment: Deployment,
    running: Running,
    _stores: Stores,
}

impl Scene {
    async fn start() -> Self {
        Self::with("log: {audit_sends: true, filter: error}\n").await
    }

    async fn with(log: &str) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let sandbox = Sandbox::start(listener, vec![sandbox::Portal::demo()]).unwrap();
        let stores = Stores::sqlite();
        let tenants = tenants(sandbox.address());
        let key = Key::generate().unwrap();
        // The address of the service is in a line of INFO.
        let log = log.replace("filter: error", "filter: 'error,bitrix24_openlines=info'");
        let deployment = Deployment::write(stores.url(), &key, &tenants, &log);
        let running = deployment.start().await;
        Self {
            sandbox,
            deployment,
            running,
            _stores: stores,
        }
    }

    /// The portal executes the next request, and answers it when the gate opens.
    fn hold(&self) -> Gate {
        let gate = Gate::closed();
        let held = FaultKind::Held(Moment::After, gate.clone());
        self.sandbox.inject(Fault::once(held));
        gate
    }

    async fn crm(
        &self,
        message: api::SendCrmMessageRequest,
    ) -> Result<api::SendCrmMessageResponse, tonic::Status> {
        let mut request = self.deployment.request(message);
        request.set_timeout(Duration::from_secs(28));
        let answer = self.running.client.clone().send_crm_message(request).await;
        answer.map(tonic::Response::into_inner)
    }

    /// The audit lines so far with this event.
    fn lines(&self, event: &str) -> Vec<Value> {
        lines_of(&self.running.process.output(), event)
    }

    /// Waits until there are so many lines with this event.
    async fn has(&self, event: &str, count: usize) -> Vec<Value> {
        until("the lines are written", || self.lines(event).len() >= count).await;
        let lines = self.lines(event);
        assert_eq!(lines.len(), count, "{lines:?}");
        lines
    }

    async fn requests_have_come(&self, count: usize) {
        until("the portal has the request", || {
            self.sandbox.record().entries.len() >= count
        })
        .await;
    }
}

fn lines_of(log: &str, event: &str) -> Vec<Value> {
    let lines = log
        .lines()
        .filter_map(|line| serde_json::from_str::<Value>(line).ok());
    lines
        .filter(|line| line["target"] == "openlines::audit::sends" && line["event"] == event)
        .collect()
}

#[tokio::test]
async fn a_send_has_a_line_while_the_portal_works_on_it_and_one_with_its_outcome() {
    let scene = Scene::start().await;
    let gate = scene.hold();
    let id = Uuid::new_v4();
    let call = scene.crm(api::SendCrmMessageRequest {
        request_id: id.to_string(),
        ..crm_message(TEXT)
    });
    let ((), answered) = tokio::join!(
        async {
            scene.requests_have_come(1).await;
            let opened = scene.has("opened", 1).await;
            assert_eq!(opened[0]["outcome"], "unknown");
            assert!(scene.lines("closed").is_empty());
            gate.open();
        },
        call
    );
    answered.unwrap();
    let (opened, closed) = (
        scene.has("opened", 1).await.remove(0),
        scene.has("closed", 1).await.remove(0),
    );
    for line in [&opened, &closed] {
        assert_eq!(line["caller"], "tests", "{line}");
        let key = scene.deployment.key.entry();
        assert_eq!(line["credential"], format!("api_key {}", key.id()));
        assert_eq!(line["tenant"], crate::support::WEBHOOK);
        assert_eq!(line["method"], "imopenlines.crm.message.add");
        assert_eq!(line["request_id"], id.to_string());
        assert_eq!(line["messages"], 1);
        assert!(line["call_id"].as_str().is_some_and(|id| !id.is_empty()));
        assert_eq!(line["audit_id"], opened["audit_id"]);
    }
    assert_eq!(closed["outcome"], "executed");
    assert_eq!(closed["accepted"], 1);
    assert_eq!(
        (&closed["attempts"], &closed["http_status"]),
        (&1.into(), &200.into())
    );
    assert!(closed["duration_ms"].is_u64() && closed["portal_ms"].is_u64());

    // The same call again is answered by the ledger.
    let again = api::SendCrmMessageRequest {
        request_id: id.to_string(),
        ..crm_message(TEXT)
    };
    scene.crm(again).await.unwrap();
    let replayed = scene.has("replayed", 1).await;
    assert_eq!(replayed[0]["outcome"], "executed");
    assert_eq!(scene.lines("opened").len(), 1);
}

#[tokio::test]
async fn a_send_of_a_killed_process_stays_unknown_in_its_log() {
    let scene = Scene::start().await;
    let _gate = scene.hold();
    let call = scene.crm(crm_message(TEXT));
    let opened = async {
        scene.requests_have_come(1).await;
        scene.has("opened", 1).await;
    };
    tokio::select! {
        answer = call => panic!("{answer:?}"),
        () = opened => {}
    }
    let Scene { running, .. } = scene;
    let log = running.process.kill_and_read().await;
    let opened = lines_of(&log, "opened");
    assert_eq!(opened.len(), 1);
    assert_eq!(opened[0]["outcome"], "unknown");
    assert!(lines_of(&log, "closed").is_empty());
}

#[tokio::test]
async fn a_send_whose_caller_has_left_is_closed_with_what_the_portal_says() {
    let scene = Scene::start().await;
    let gate = scene.hold();
    let call = scene.crm(crm_message(TEXT));
    tokio::select! {
        answer = call => panic!("{answer:?}"),
        () = scene.requests_have_come(1) => {}
    }
    gate.open();
    let closed = scene.has("closed", 1).await;
    assert_eq!(closed[0]["outcome"], "executed");
}

#[tokio::test]
async fn each_call_of_a_batch_has_its_own_lines_and_none_has_a_text() {
    let scene = Scene::start().await;
    let gate = scene.hold();
    let lost = FaultKind::Command(CommandFault::Omit(Moment::After));
    let calls = async {
        scene.requests_have_come(1).await;
        scene.sandbox.inject(Fault::once(lost));
        let calls = (0..3).map(|number| {
            let scene = &scene;
            async move {
                until_queued(scene.running.admin, number).await;
                scene.crm(crm_message(&format!("{TEXT} {number}"))).await
            }
        });
        let all_queued = async {
            until_queued(scene.running.admin, 3).await;
            gate.open();
        };
        tokio::join!(join_all(calls), all_queued).0
    };
    let (first, others) = tokio::join!(scene.crm(crm_message(TEXT)), calls);
    first.unwrap();
    assert_eq!(others.iter().filter(|answer| answer.is_ok()).count(), 2);
    assert_eq!(scene.sandbox.record().entries[1].commands.len(), 3);

    let message = |id: &str| {
        let mut message = connector_message(&format!("{id}{TEXT}"), TEXT);
        let user = message.user.as_mut().unwrap();
        (user.first_name, user.phone) = (TEXT.replace('3', "e"), TEXT.to_owned());
        message
    };
    let request = connector_messages(vec![message("a"), message("b")]);
    let request = scene.deployment.request(request);
    let mut client = scene.running.client.clone();
    client.send_connector_messages(request).await.unwrap();

    scene.has("opened", 5).await;
    let closed = scene.has("closed", 5).await;
    let outcomes = |outcome: &str| {
        let lines = closed.iter().filter(|line| line["outcome"] == outcome);
        lines.count()
    };
    assert_eq!(
        (outcomes("executed"), outcomes("unknown")),
        (4, 1),
        "{closed:?}"
    );
    let connector = closed.iter().find(|line| line["messages"] == 2);
    assert_eq!(connector.unwrap()["accepted"], 2);

    let log = scene.running.process.output();
    for line in log.lines().filter(|line| line.contains("audit")) {
        assert!(!line.contains("canary"), "{line}");
    }
}

#[tokio::test]
async fn each_item_of_a_stream_is_audited_and_logged_as_a_call_of_its_own() {
    let scene = Scene::with("log: {audit_sends: true, filter: info}\n").await;
    let id = Uuid::new_v4();
    let item = |key: &str, message| api::StreamingSendMessagesRequest {
        item_key: key.to_owned(),
        operation: Some(Operation::CrmMessage(message)),
        timeout: None,
    };
    let keyed = api::SendCrmMessageRequest {
        request_id: id.to_string(),
        ..crm_message(TEXT)
    };
    let items = [
        item("sent", keyed),
        item("sent too", crm_message(TEXT)),
        item("invalid", crm_message("")),
    ];
    let mut request = scene.deployment.request(tokio_stream::iter(items));
    let stream_id = "the-stream".parse().unwrap();
    request.metadata_mut().insert("x-request-id", stream_id);
    let mut client = scene.running.client.clone();
    let answers = client.streaming_send_messages(request).await.unwrap();
    let answers: Vec<_> = answers.into_inner().collect().await;
    assert_eq!(answers.len(), 3, "{answers:?}");

    let closed = scene.has("closed", 2).await;
    let opened = scene.lines("opened");
    assert_eq!(opened.len(), 2);
    let credential = format!("api_key {}", scene.deployment.key.entry().id());
    for line in opened.iter().chain(&closed) {
        assert_eq!(line["caller"], "tests", "{line}");
        assert_eq!(line["credential"], credential);
        assert_eq!(line["tenant"], crate::support::WEBHOOK);
        assert_ne!(line["call_id"], "the-stream");
    }
    let with_key = |lines: &[Value]| {
        let keyed = lines
            .iter()
            .filter(|line| line["request_id"] == id.to_string());
        keyed.count()
    };
    assert_eq!((with_key(&opened), with_key(&closed)), (1, 1));

    let calls = || -> Vec<Value> {
        let log = scene.running.process.output();
        let lines = log
            .lines()
            .filter_map(|line| serde_json::from_str(line).ok());
        lines
            .filter(|line: &Value| line["target"] == "openlines::call")
            .collect()
    };
    until("the stream has its line", || calls().len() == 4).await;
    let mut calls = calls();
    // Its line is the last.
    let stream = calls.pop().unwrap();
    assert_eq!(stream["call_id"], "the-stream");
    assert_eq!(
        stream["operation"],
        "openlines.v1.OpenLinesService/StreamingSendMessages"
    );
    assert_eq!(
        (&stream["code"], &stream["caller"]),
        (&"OK".into(), &"tests".into())
    );
    for line in &calls {
        assert_eq!(line["stream_id"], "the-stream", "{line}");
        assert_eq!(
            line["operation"],
            "openlines.v1.OpenLinesService/SendCrmMessage"
        );
        assert_eq!(line["caller"], "tests");
    }
    let codes = |code: &str| calls.iter().filter(|line| line["code"] == code).count();
    assert_eq!((codes("OK"), codes("INVALID_ARGUMENT")), (2, 1));
    // An audit line leads to the line of its item, and so to its stream.
    for line in &closed {
        let of_item = calls.iter().find(|call| call["call_id"] == line["call_id"]);
        assert_eq!(of_item.unwrap()["code"], "OK");
    }
}

#[tokio::test]
async fn a_refusal_is_closed_with_bitrix24s_own_code() {
    let scene = Scene::start().await;
    for (count, sent, written) in [
        (1, "ERROR_ARGUMENT", "ERROR_ARGUMENT"),
        (2, TEXT, "undocumented"),
    ] {
        let body = format!(r#"{{"error":"{sent}","error_description":"{TEXT}"}}"#);
        scene.sandbox.inject(Fault::once(FaultKind::Scripted {
            status: 400,
            content_type: "application/json".to_owned(),
            body,
            executed: false,
        }));
        scene.crm(crm_message(TEXT)).await.unwrap_err();
        let closed = scene.has("closed", count).await.remove(count - 1);
        assert_eq!(closed["outcome"], "not_executed");
        assert_eq!(closed["failure"], "refused");
        assert_eq!(closed["bitrix24_code"], written);
        assert!(!closed.to_string().contains(TEXT), "{closed}");
    }
}

#[tokio::test]
async fn what_is_not_sent_has_no_line_and_without_the_setting_nothing_has() {
    let scene = Scene::start().await;
    scene.crm(crm_message("")).await.unwrap_err();
    scene.crm(crm_message(TEXT)).await.unwrap();
    scene.has("closed", 1).await;
    assert_eq!(scene.lines("opened").len(), 1);

    let scene = Scene::with("").await;
    scene.crm(crm_message(TEXT)).await.unwrap();
    let calls = || {
        let log = scene.running.process.output();
        log.contains("openlines::call")
    };
    until("the call has its line", calls).await;
    assert!(scene.lines("opened").is_empty());
}

//! What a portal lets a method work is shared, too: nobody goes beyond it because others have used
//! it up.

use std::time::Duration;

use bitrix24_openlines::api::openlines::v1 as api;
use futures_util::future::join_all;
use sandbox::{Portal, Sandbox, demo};
use store::sealing::Key;
use tokio::net::TcpListener;
use tonic::{Code, Status};

use crate::support::deployment::{Deployment, Running};
use crate::support::stores::Stores;
use crate::support::{Told, conversations, tell};

const TENANT: &str = "limited";
const CODE: &str = "OPERATION_TIME_LIMIT";

/// How many seconds every call counts as, of 480: 80 calls are all.
const COST: f64 = 6.0;

/// Calls that a process makes at once.
const AT_ONCE: i64 = 5;

/// A portal with a limit of operating time.
async fn portal() -> Sandbox {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let sandbox = Sandbox::start(listener, vec![Portal::demo()]).unwrap();
    conversations::add(&sandbox, 200);
    sandbox.limit(|limits| {
        limits.operating_limit_seconds = Some(480.0);
        limits.operating_seconds_per_call = Some(COST);
    });
    sandbox
}

fn tenants(sandbox: &Sandbox) -> String {
    format!(
        "tenants:\n- {{id: {TENANT}, portal: 'http://{}', plan: {{burst: 1000, per_second: 100}}, \
         webhook: {{user_id: {}, secret: {{inline: '{}'}}}}}}\n",
        sandbox.address(),
        demo::OWNER,
        demo::WEBHOOK_SECRET,
    )
}

/// Sends messages through one process, each to a conversation of its own. Gives the refusals.
async fn send(deployment: &Deployment, running: &Running, first: i64) -> Vec<Status> {
    let calls = (first..first + AT_ONCE).map(|number| {
        let message = api::SendCrmMessageRequest {
            tenant_id: TENANT.to_owned(),
            ..conversations::crm_message(number, &format!("message {number}"))
        };
        let mut client = running.client.clone();
        let request = deployment.request(message);
        async move { client.send_crm_message(request).await.err() }
    });
    join_all(calls).await.into_iter().flatten().collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn processes_share_the_operating_time_of_a_method() {
    let Some(stores) = Stores::postgresql().await else {
        return;
    };
    let sandbox = portal().await;
    let sealing_key = Key::generate().unwrap();
    let deployment = Deployment::write(stores.url(), &sealing_key, &tenants(&sandbox), "");
    let processes = [deployment.start().await, deployment.start().await];
    let mut refused = [0, 0];
    // Both at once, again and again, until both have refused something.
    for round in 0..20 {
        let first = round * 2 * AT_ONCE;
        let (one, other) = tokio::join!(
            send(&deployment, &processes[0], first),
            send(&deployment, &processes[1], first + AT_ONCE)
        );
        for status in one.iter().chain(&other) {
            assert_eq!(status.code(), Code::ResourceExhausted);
            assert_eq!(status.reason(), "OPERATING_LIMIT", "{status:?}");
            assert_eq!(
                status.metadata_value("errorSource").as_deref(),
                Some("facade")
            );
        }
        refused = [refused[0] + one.len(), refused[1] + other.len()];
        if refused.iter().all(|count| *count > 0) {
            break;
        }
        // As callers that do not send all at once: the processes tell each other once a second.
        tokio::time::sleep(Duration::from_millis(400)).await;
    }
    let record = sandbox.record();
    let sent = record.deliveries().count();
    tell(&format!("{sent} of 80 sent, {refused:?} refused"));
    assert_eq!(record.refused_with(CODE), 0);
    assert!(refused.iter().all(|count| *count > 0));
    assert!(sent >= 60, "{sent}");
}

//! Standard error goes into a pipe that nobody reads.

use std::io::{self, BufRead, BufReader, PipeReader, Read, Write};
use std::net::SocketAddr;
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use bitrix24_openlines::api::openlines::v1::open_lines_service_client::OpenLinesServiceClient;
use bitrix24_openlines::testing::auth::NewKey;
use bitrix24_openlines::testing::settings::Environment;
use sandbox::{Portal, Sandbox};
use tokio::net::TcpListener;
use tonic::transport::{Channel, Endpoint};
use tonic_health::pb::HealthCheckRequest;
use tonic_health::pb::health_check_response::ServingStatus;
use tonic_health::pb::health_client::HealthClient;

use crate::support::admin::{free_address, ready, sample};
use crate::support::conversations::{self, crm_message};
use crate::support::process::{Files, openlines};
use crate::support::{caller, tell, tenants, until, with_key};

/// What a pipe holds: the first log line blocks whoever writes it.
const PIPE: usize = 64 * 1024;

/// The smallest buffer that the settings allow.
const BUFFER: &str = "65536";

/// Far longer than anything here takes, and shorter than the drain.
const PATIENCE: Duration = Duration::from_secs(30);

const LOST: &str = "openlines_log_lost_lines_total";

/// The calls of a round: their lines are more than the buffer holds.
const CALLS: usize = 300;

struct Bench {
    sandbox: Sandbox,
    key: NewKey,
    child: Child,
    log: PipeReader,
    admin: SocketAddr,
    channel: Channel,
    _files: Files,
}

/// A pipe that is full.
fn full_pipe() -> (PipeReader, Stdio) {
    let (reader, mut writer) = io::pipe().unwrap();
    writer.write_all(&[b'\n'; PIPE]).unwrap();
    (reader, Stdio::from(writer))
}

async fn end_of(child: &mut Child) -> Option<i32> {
    let begun = Instant::now();
    loop {
        if let Some(status) = child.try_wait().unwrap() {
            return status.code();
        }
        assert!(begun.elapsed() < PATIENCE, "the process goes on");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

impl Bench {
    async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let portal = Portal::demo();
        let sandbox = Sandbox::start(listener, vec![portal]).unwrap();
        conversations::add(&sandbox, 10);
        let key = NewKey::generate().unwrap();
        let (address, admin) = (free_address(), free_address());
        let settings = format!(
            "server: {{listen: '{address}', drain_seconds: 600}}\n{}",
            caller(&key)
        );
        let tenants = tenants(sandbox.address()).replace("webhook:", "plan: unlimited, webhook:");
        let files = Files::write(&settings, &tenants);
        let (log, stderr) = full_pipe();
        let child = openlines(&["serve", "--config", files.settings().to_str().unwrap()])
            .env("OPENLINES_ADMIN_LISTEN", admin.to_string())
            .env("OPENLINES_LOG_BUFFER_BYTES", BUFFER)
            .stderr(stderr)
            .spawn()
            .unwrap();
        let endpoint = Endpoint::from_shared(format!("http://{address}")).unwrap();
        let begun = Instant::now();
        let channel = loop {
            match endpoint.connect().await {
                Ok(channel) => break channel,
                Err(error) => assert!(begun.elapsed() < PATIENCE, "{error}"),
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        };
        Self {
            sandbox,
            key,
            child,
            log,
            admin,
            channel,
            _files: files,
        }
    }

    /// Makes calls, and asks health and `/ready`.
    async fn use_it(&self, name: &str, calls: usize) {
        let mut client = OpenLinesServiceClient::new(self.channel.clone());
        for (number, conversation) in (0..calls).zip((0..10).cycle()) {
            let message = crm_message(conversation, &format!("{name} {number}"));
            let request = with_key(message, self.key.expose());
            let sent = tokio::time::timeout(PATIENCE, client.send_crm_message(request)).await;
            sent.expect("calls go on").unwrap();
        }
        let mut health = HealthClient::new(self.channel.clone());
        let checked = health.check(HealthCheckRequest::default()).await.unwrap();
        assert_eq!(checked.into_inner().status(), ServingStatus::Serving);
        let (status, text) = ready(self.admin).await;
        assert_eq!(status, 200, "{text}");
    }

    /// Stops it, and returns its exit code.
    async fn stop(&mut self) -> Option<i32> {
        let id = self.child.id().to_string();
        assert!(Command::new("kill").arg(&id).status().unwrap().success());
        end_of(&mut self.child).await
    }
}

impl Drop for Bench {
    fn drop(&mut self) {
        // It has ended already, or the test failed.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// How long the log stays unread at least: `OPENLINES_TEST_UNREAD_SECONDS`, or one round of calls.
fn unread() -> Duration {
    let environment = Environment::of_process();
    let given = environment.get("OPENLINES_TEST_UNREAD_SECONDS");
    given.map_or(Duration::ZERO, |given| {
        Duration::from_secs(given.unwrap().parse().unwrap())
    })
}

#[tokio::test]
async fn an_unread_log_stops_nothing_and_lost_lines_are_counted() {
    let mut bench = Bench::start().await;
    let begun = Instant::now();
    let mut rounds = 0;
    while rounds == 0 || begun.elapsed() < unread() {
        bench.use_it(&format!("round {rounds}"), CALLS).await;
        rounds += 1;
    }
    let lost = sample(bench.admin, LOST).await;
    assert!(lost > 0, "lines were lost");
    if rounds > 1 {
        let (calls, time) = (rounds * CALLS, begun.elapsed().as_secs());
        tell(&format!("{calls} calls in {time} s, {lost} lines lost"));
    }
    assert_eq!(bench.stop().await, Some(0));
    let delivered = bench.sandbox.record().delivered_by_text().len();
    assert_eq!(delivered, rounds * CALLS);
}

#[tokio::test]
async fn a_log_that_is_read_again_says_what_was_lost_and_goes_on() {
    let mut bench = Bench::start().await;
    bench.use_it("unread", CALLS).await;
    let lost = sample(bench.admin, LOST).await;
    assert!(lost > 0, "lines were lost");
    let log = Arc::<Mutex<String>>::default();
    let reader = {
        let (log, pipe) = (Arc::clone(&log), bench.log.try_clone().unwrap());
        std::thread::spawn(move || {
            let mut pipe = BufReader::new(pipe);
            let mut line = String::new();
            while pipe.read_line(&mut line).is_ok_and(|read| read > 0) {
                log.lock().unwrap().push_str(&line);
                line.clear();
            }
        })
    };
    until("the log says what was lost", || {
        log.lock().unwrap().contains("log lines were lost")
    })
    .await;
    bench.use_it("read", 10).await;
    assert_eq!(bench.stop().await, Some(0));
    reader.join().unwrap();
    let log = log.lock().unwrap();
    let lines: Vec<serde_json::Value> = log
        .lines()
        .filter(|line| !line.is_empty())
        .map(|line| serde_json::from_str(line).unwrap_or_else(|_| panic!("{line} is no JSON")))
        .collect();
    let told = lines.iter().filter_map(|line| line["lines"].as_u64());
    assert_eq!(told.sum::<u64>(), lost);
    let calls = lines
        .iter()
        .filter(|line| line["target"] == "openlines::call");
    let calls = u64::try_from(calls.count()).unwrap();
    let made = u64::try_from(CALLS + 10).unwrap();
    assert!(calls < made && calls + lost >= made, "{calls} {lost}");
    let last = lines.last().unwrap();
    assert_eq!(last["message"], "shut down: every call has ended");
}

#[tokio::test]
async fn a_failure_that_nobody_reads_ends_the_process() {
    let taken = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let settings = format!(
        "server: {{listen: '{}'}}\n{}",
        taken.local_addr().unwrap(),
        caller(&NewKey::generate().unwrap())
    );
    let files = Files::write(&settings, "tenants: []\n");
    let serve = ["serve", "--config", files.settings().to_str().unwrap()].map(str::to_owned);
    let misspelt = ["serve", "--no-such-flag"].map(str::to_owned);
    for (arguments, code) in [(&serve[..], 1), (&misspelt[..], 64)] {
        let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
        let (_unread, stderr) = full_pipe();
        let mut child = openlines(&arguments).stderr(stderr).spawn().unwrap();
        assert_eq!(end_of(&mut child).await, Some(code), "{arguments:?}");
    }
}

/// On a busy machine the line waits for a processor; here it waits for a reader.
#[test]
fn the_error_that_ends_a_command_waits_for_a_slow_reader() {
    let (mut reader, mut writer) = io::pipe().unwrap();
    writer.write_all(&[b'.'; PIPE]).unwrap();
    let mut command = openlines(&["serve", "--config", "/nowhere/settings.yaml", "--check"]);
    command.stderr(writer);
    let mut child = command.spawn().unwrap();
    drop(command);
    std::thread::sleep(Duration::from_millis(500));
    let mut told = String::new();
    reader.read_to_string(&mut told).unwrap();
    assert_eq!(child.wait().unwrap().code(), Some(64));
    assert!(
        told.contains("/nowhere/settings.yaml"),
        "{}",
        told.trim_matches('.')
    );
}

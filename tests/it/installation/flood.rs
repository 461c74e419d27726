//! Floods of forged events, while real ones come.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use bitrix24_openlines::testing::install::{EventResult, Limits};
use sandbox::{Event, Fault, FaultKind, Moment, demo};
use tokio::net::TcpListener;
use tokio::task::JoinSet;

use super::house::{APPLICATION, House, OTHER_PORTAL, client_at, install, post, uninstall};
use crate::support::until;

/// Connections of a flood, at once.
const AT_ONCE: usize = 16;
/// Questions in a minute, for each source.
const OF_ONE_SOURCE: u32 = 10;
/// In all.
const IN_ALL: u32 = 60;

async fn house() -> House {
    House::with(|ends| {
        ends.limits = Limits {
            in_all: IN_ALL,
            of_one_source: OF_ONE_SOURCE,
        }
    })
    .await
}

/// Forged events, endlessly, until it is dropped.
struct Flood {
    tasks: JoinSet<usize>,
    is_over: Arc<AtomicBool>,
}

impl Flood {
    /// Posts these events in turn. Each connection adds its own `X-Forwarded-For`.
    fn start(house: &House, client: &reqwest::Client, events: Vec<Event>) -> Self {
        let is_over = Arc::new(AtomicBool::new(false));
        let forms = events
            .into_iter()
            .map(|event| house.form(demo::HOST, event));
        let forms: Arc<[String]> = forms.collect();
        let mut tasks = JoinSet::new();
        for number in 0..AT_ONCE {
            let (is_over, forms) = (Arc::clone(&is_over), Arc::clone(&forms));
            let (client, handler) = (client.clone(), house.handler(APPLICATION));
            tasks.spawn(async move {
                let mut sent = 0;
                while !is_over.load(Ordering::Relaxed) {
                    let form = &forms[sent % forms.len()];
                    let request = client.post(&handler).body(form.clone());
                    let request = request
                        .header("content-type", "application/x-www-form-urlencoded")
                        .header("x-forwarded-for", format!("198.51.{number}.{}", sent % 256));
                    assert_eq!(request.send().await.unwrap().status().as_u16(), 200);
                    sent += 1;
                }
                sent
            });
        }
        Self { tasks, is_over }
    }

    /// Ends it, and says how many events there were.
    async fn end(self) -> usize {
        self.is_over.store(true, Ordering::Relaxed);
        self.tasks.join_all().await.into_iter().sum()
    }
}

/// An installation with a token that nobody has granted.
fn forged() -> Event {
    let member_id = "0123456789abcdef0123456789abcdef";
    of_the_known_portal().with("auth[member_id]", Some(member_id))
}

/// The same for a portal that is a tenant.
fn of_the_known_portal() -> Event {
    install()
        .with("auth[access_token]", Some("forged"))
        .with("auth[refresh_token]", Some("forged"))
        .with("auth[application_token]", Some("forged"))
}

fn forged_removal() -> Event {
    uninstall().with("auth[application_token]", Some("forged"))
}

#[tokio::test]
async fn a_flood_of_forged_events_costs_few_questions_and_no_real_event() {
    let house = house().await;
    let handler = house.handler(APPLICATION);
    let ingress = client_at("127.0.0.66");
    let form = house.form(demo::HOST, install());
    assert_eq!(post(&ingress, &handler, &form).await, 200);
    house.comes_to("install", EventResult::Created, 1).await;
    let forgeries = vec![forged(), of_the_known_portal(), forged_removal()];
    let flood = Flood::start(&house, &ingress, forgeries);
    until("the share of the source is used up", || {
        house.count("install", EventResult::Rationed) > 100
    })
    .await;

    // A known portal, through the same ingress as the flood.
    let form = house.form(demo::HOST, install());
    assert_eq!(post(&ingress, &handler, &form).await, 200);
    house.comes_to("install", EventResult::Reinstalled, 1).await;
    // A portal that nobody knows, from another address.
    let bitrix24 = client_at("127.0.0.3");
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    house.sandbox.listen(listener, OTHER_PORTAL).unwrap();
    let form = house.form(OTHER_PORTAL, install());
    assert_eq!(post(&bitrix24, &handler, &form).await, 200);
    house.comes_to("install", EventResult::Created, 2).await;
    let form = house.form(demo::HOST, uninstall());
    assert_eq!(post(&ingress, &handler, &form).await, 200);
    house
        .comes_to("uninstall", EventResult::Uninstalled, 1)
        .await;

    let sent = flood.end().await;
    assert!(sent > 100, "{sent}");
    // What the source had, what a minute or two have added, and the three real ones.
    let questions = house.questions();
    assert!(questions <= 3 * 10 + 3, "{questions} for {sent} events");
    assert!(house.count("uninstall", EventResult::WrongApplicationToken) > 0);
    assert_eq!(house.tenants().await.len(), 2);
}

#[tokio::test]
async fn a_flood_while_the_authorization_server_hangs_does_not_delay_a_removal() {
    let house = House::with(|ends| ends.timeout = Duration::from_secs(60)).await;
    house.send(APPLICATION, demo::HOST, install()).await;
    house.comes_to("install", EventResult::Created, 1).await;
    let hangs = Fault::always(FaultKind::Silence(Moment::Before));
    house.sandbox.inject(hangs.for_method("app.info"));
    let flood = Flood::start(&house, &client_at("127.0.0.66"), vec![forged()]);
    until("there is no place for more", || {
        house.count("install", EventResult::Busy) > 100
    })
    .await;
    house.send(APPLICATION, demo::HOST, uninstall()).await;
    house
        .comes_to("uninstall", EventResult::Uninstalled, 1)
        .await;
    flood.end().await;
}

#[tokio::test]
async fn a_forwarded_address_is_not_believed_unless_a_trusted_proxy_tells_it() {
    let flooded = async |trusted: &str| {
        let house = House::with(|ends| {
            ends.limits = Limits {
                in_all: IN_ALL,
                of_one_source: OF_ONE_SOURCE,
            };
            ends.trusted_proxies = vec![trusted.parse().unwrap()];
        })
        .await;
        let flood = Flood::start(&house, &client_at("127.0.0.66"), vec![forged()]);
        until("the share is used up", || {
            house.count("install", EventResult::Rationed) > 300
        })
        .await;
        flood.end().await;
        house.questions()
    };
    // One source, whatever the header says.
    let questions = flooded("10.0.0.0/8").await;
    assert!(questions <= 3 * 10, "{questions}");
    // Many, which share what all have.
    let questions = flooded("127.0.0.66/32").await;
    assert!((31..=3 * 60).contains(&questions), "{questions}");
}

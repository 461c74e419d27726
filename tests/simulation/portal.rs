//! The portal, as far as it matters here: it counts requests, knows tokens, and executes commands
//! one after another.

use std::time::Duration;

use bitrix24::simulation::Received;
use serde_json::{Map, Value, json};

use crate::network::Arrived;
use crate::plan::{Plan, What};
use crate::world::{World, lock};

/// The secret of the tenant's webhook.
pub(crate) const WEBHOOK_SECRET: &str = "webhooksecret";

/// Requests that the bucket takes, and how many leave it in a second.
const BURST: f64 = 50.0;
const PER_SECOND: f64 = 2.0;

/// How much slower the portal is while it is slow.
const SLOW: u32 = 8;

#[derive(Debug)]
pub(crate) struct Portal {
    level: f64,
    drained: Duration,
    /// Requests that it has refused because its bucket was full.
    pub(crate) refused: u64,
    last_message: i64,
    /// Valid access tokens, with their ends.
    tokens: Vec<(String, Duration)>,
}

impl Portal {
    pub(crate) fn new(plan: &Plan) -> Self {
        let life = plan.forgets_token.unwrap_or(plan.first_token);
        let life = life.min(plan.first_token);
        Self {
            level: 0.0,
            drained: Duration::ZERO,
            refused: 0,
            last_message: 0,
            tokens: vec![("access-1".to_owned(), life)],
        }
    }

    pub(crate) fn accept(&mut self, token: String, until: Duration) {
        self.tokens.push((token, until));
    }

    /// Whether its bucket takes one more request.
    fn takes(&mut self, now: Duration) -> bool {
        let drained = (now - self.drained).as_secs_f64() * PER_SECOND;
        self.level = (self.level - drained).max(0.0);
        self.drained = now;
        if self.level + 1.0 > BURST {
            self.refused += 1;
            return false;
        }
        self.level += 1.0;
        true
    }

    fn knows(&self, token: &str, now: Duration) -> Result<(), Received> {
        let known = self.tokens.iter().find(|(known, _)| known == token);
        match known {
            Some((_, until)) if now < *until => Ok(()),
            Some(_) => Err(refusal(401, "expired_token")),
            None => Err(refusal(401, "invalid_token")),
        }
    }
}

/// A command: the text and the chat of a message.
struct Command {
    key: String,
    text: String,
    chat: i64,
}

/// What it answers to a request, and when.
pub(crate) async fn answer(world: &World, arrived: &Arrived) -> Received {
    let slower = if world.trouble(What::PortalSlow, None).is_some() {
        SLOW
    } else {
        1
    };
    let body: Value = serde_json::from_slice(&arrived.body).unwrap();
    let is_foreign = world.hits(What::PortalBusy);
    {
        let mut portal = lock(&world.portal);
        let now = world.now();
        if is_foreign || !portal.takes(now) {
            drop(portal);
            world.note(&format_args!("request {} is one too many", arrived.number));
            return refusal(503, "QUERY_LIMIT_EXCEEDED");
        }
        if !arrived.path.contains(WEBHOOK_SECRET)
            && let Err(refused) = portal.knows(body["auth"].as_str().unwrap(), now)
        {
            drop(portal);
            world.note(&format_args!("request {} has an old token", arrived.number));
            return refused;
        }
    }
    tokio::time::sleep(world.plan.request * slower).await;
    let is_batch = arrived.path.ends_with("/batch");
    let mut results = Map::new();
    let mut last = Value::Null;
    for Command { key, text, chat } in commands(&body, is_batch) {
        tokio::time::sleep(world.plan.command * slower).await;
        let id = {
            let mut portal = lock(&world.portal);
            portal.last_message += 1;
            portal.last_message
        };
        let (life, request) = (&arrived.life, arrived.number);
        world.note(&format_args!(
            "the portal executes {text} in chat {chat}: {id}"
        ));
        lock(&world.books).note_execution(world.now(), &text, chat, id, life.number, request);
        last = json!(id);
        results.insert(key, last.clone());
    }
    let result = if is_batch {
        json!({"result": results, "result_error": [], "result_time": []})
    } else {
        last
    };
    Received {
        http_status: 200,
        body: json!({"result": result}).to_string().into(),
    }
}

fn commands(body: &Value, is_batch: bool) -> Vec<Command> {
    if !is_batch {
        return vec![Command {
            key: String::new(),
            text: body["MESSAGE"].as_str().unwrap().to_owned(),
            chat: body["CHAT_ID"].as_i64().unwrap(),
        }];
    }
    let mut commands: Vec<(usize, Command)> = Vec::new();
    for (key, command) in body["cmd"].as_object().unwrap() {
        let (_, query) = command.as_str().unwrap().split_once('?').unwrap();
        let value = |name: &str| {
            let mut pairs = form_urlencoded::parse(query.as_bytes());
            pairs.find(|(key, _)| key == name).unwrap().1.into_owned()
        };
        let command = Command {
            key: key.clone(),
            text: value("MESSAGE"),
            chat: value("CHAT_ID").parse().unwrap(),
        };
        commands.push((key.trim_start_matches('m').parse().unwrap(), command));
    }
    commands.sort_by_key(|(place, _)| *place);
    commands.into_iter().map(|(_, command)| command).collect()
}

fn refusal(http_status: u16, code: &str) -> Received {
    let body = json!({"error": code, "error_description": "refused"});
    Received {
        http_status,
        body: body.to_string().into(),
    }
}

//! The limits of a portal and what counts against them.

use std::collections::HashMap;

use secrecy::ExposeSecret;
use serde_json::{Value, json};

use super::MOST_ROWS;
use crate::portal::Portal;
use crate::request::{Credential, fingerprint};
use crate::simulator::{RunningPortal, Simulator};
use crate::state::BucketKey;

/// Buckets, operating time and the week's network messages. The level of a bucket is that after its
/// last request, `at`; since then it drains.
pub(crate) fn buckets(simulator: &Simulator, portal: &RunningPortal) -> Value {
    let now = simulator.now(portal);
    let mut state = portal.state();
    let callers = callers(&state.definition);
    let name = |caller: u64| {
        let known = callers.get(&caller).cloned();
        known.unwrap_or_else(|| "another caller".to_owned())
    };
    let intensity = state.definition.limits.intensity;
    let limit = state.definition.limits.operating_limit_seconds;
    let levels = state.buckets.levels().filter(|_| intensity.is_some());
    let buckets = levels.take(MOST_ROWS).map(|(key, level, at)| {
        let BucketKey { address, caller } = key;
        let address = address.map(|address| address.to_string());
        let whose: Vec<String> = address.into_iter().chain(caller.map(name)).collect();
        json!({
            "of": if whose.is_empty() { "all requests".to_owned() } else { whose.join(", ") },
            "level": level,
            "at": at.to_string(),
        })
    });
    let mut buckets: Vec<Value> = buckets.collect();
    buckets.sort_by_key(|bucket| bucket["of"].to_string());
    let used = state.baskets.all(now, MOST_ROWS).into_iter();
    let mut operating: Vec<Value> = used
        .map(|(caller, method, used)| {
            json!({
                "caller": name(caller),
                "method": method,
                "seconds": used.seconds,
                "limit_seconds": limit,
                "reset_at": used.reset_at,
            })
        })
        .collect();
    operating.sort_by_key(|row| (row["caller"].to_string(), row["method"].to_string()));
    let messages = state.network_messages().take(MOST_ROWS);
    let mut messages: Vec<(i64, String)> =
        messages.map(|(user, at)| (user, at.to_string())).collect();
    messages.sort_unstable();
    let messages = messages.into_iter();
    let messages = messages.map(|(user_id, sent)| json!({"user_id": user_id, "sent": sent}));
    json!({
        "limits": state.definition.limits,
        "buckets": buckets,
        "operating": operating,
        "network_messages": messages.collect::<Vec<_>>(),
    })
}

/// Names of the callers that the definition knows, by what stands for them.
fn callers(definition: &Portal) -> HashMap<u64, String> {
    let webhooks = definition.webhooks.iter().take(MOST_ROWS).map(|webhook| {
        let (user_id, secret) = (webhook.user_id, webhook.secret.clone());
        let credential = Credential::Webhook { user_id, secret };
        (
            credential.fingerprint(),
            format!("webhook of user {user_id}"),
        )
    });
    let tokens = definition.tokens.iter().take(MOST_ROWS).map(|token| {
        let credential = Credential::Token(token.token.expose_secret().into());
        let name = format!("access token of user {}", token.user_id);
        (credential.fingerprint(), name)
    });
    let applications = definition.applications.iter().take(MOST_ROWS);
    let applications = applications.map(|application| {
        let client_id = &application.client_id;
        (fingerprint(client_id), format!("application {client_id}"))
    });
    webhooks.chain(tokens).chain(applications).collect()
}

//! The authorization server: refresh tokens are used up by their first use.

use std::collections::BTreeMap;

use bitrix24::simulation::Received;
use serde_json::json;

use crate::network::Arrived;
use crate::plan::Plan;
use crate::world::{World, lock};

#[derive(Debug)]
pub(crate) struct Authorization {
    /// The newest pair.
    pair: u64,
    is_forgiving: bool,
    /// How often each refresh token was presented.
    presented: BTreeMap<String, u32>,
    /// Requests on their way.
    asking: u32,
    /// Answers that nobody got.
    lost: u32,
}

impl Authorization {
    pub(crate) fn new(plan: &Plan) -> Self {
        Self {
            pair: 1,
            is_forgiving: plan.is_forgiving,
            presented: BTreeMap::new(),
            asking: 0,
            lost: 0,
        }
    }

    pub(crate) fn answer_was_lost(&mut self) {
        self.lost += 1;
    }

    /// Whether an answer was lost, so that a pair may be.
    pub(crate) fn has_lost(&self) -> bool {
        self.lost > 0
    }
}

/// What it answers.
pub(crate) async fn answer(world: &World, arrived: &Arrived, is_lost: bool) -> Received {
    let form: BTreeMap<String, String> =
        form_urlencoded::parse(&arrived.body).into_owned().collect();
    let token = form["refresh_token"].clone();
    let is_second = {
        let mut authorization = lock(&world.authorization);
        authorization.asking += 1;
        let presented = authorization.presented.entry(token.clone()).or_default();
        *presented += 1;
        let is_repeated = *presented > 1;
        is_repeated || authorization.asking > 1
    };
    world.note(&format_args!("{} renews with {token}", arrived.life));
    if is_second {
        let has_lost = lock(&world.authorization).has_lost();
        lock(&world.books).note_second_renewal(world.now(), &token, has_lost);
    }
    world.wait(20, 200).await;
    let mut authorization = lock(&world.authorization);
    authorization.asking -= 1;
    let newest = format!("refresh-{}", authorization.pair);
    let before = format!("refresh-{}", authorization.pair.saturating_sub(1));
    let is_granted = token == newest
        || (token == before && authorization.is_forgiving && authorization.has_lost());
    if is_lost {
        authorization.answer_was_lost();
    }
    if !is_granted {
        let body = json!({"error": "invalid_grant", "error_description": "used up"});
        return Received {
            http_status: 400,
            body: body.to_string().into(),
        };
    }
    authorization.pair += 1;
    let pair = authorization.pair;
    drop(authorization);
    let access = format!("access-{pair}");
    let life = world.plan.token;
    lock(&world.portal).accept(access.clone(), world.now() + life);
    let body = json!({
        "access_token": access,
        "refresh_token": format!("refresh-{pair}"),
        "expires_in": life.as_secs(),
        "client_endpoint": "https://acme.bitrix24.com/rest/",
        "server_endpoint": "https://oauth.bitrix.info/rest/",
    });
    Received {
        http_status: 200,
        body: body.to_string().into(),
    }
}

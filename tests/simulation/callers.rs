//! The callers: each wants one message delivered, and repeats where that is safe.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bitrix24_openlines::api::openlines::v1 as api;
use bitrix24_openlines::api::openlines::v1::open_lines_service_server::OpenLinesService;
use bitrix24_openlines::testing::call::Begun;
use tokio::time::Instant;
use tonic::{Request, Status};
use tonic_types::StatusExt;
use uuid::Uuid;

use crate::books::{Attempt, Told};
use crate::plan::Wish;
use crate::replica::{APPLICATION, Replica, WEBHOOK, anybody};
use crate::verdict::key;
use crate::world::{World, lock};

/// The replicas that can be called now, by slot.
pub(crate) type Reachable = Arc<Mutex<BTreeMap<usize, Replica>>>;

/// Gets a message delivered, or gives up.
pub(crate) async fn deliver(world: Arc<World>, reachable: Reachable, wish: Wish) {
    if wish.has_twin {
        let twin = Wish {
            slot: wish.slot + 1,
            ..wish.clone()
        };
        let asked_as_well = async {
            world.wait(0, 30).await;
            ask(&world, &reachable, &twin).await;
        };
        tokio::join!(ask(&world, &reachable, &wish), asked_as_well);
    } else {
        ask(&world, &reachable, &wish).await;
    }
}

/// Asks until the message is delivered or the caller gives up.
async fn ask(world: &Arc<World>, reachable: &Reachable, wish: &Wish) {
    let key = key(wish);
    let mut slot = wish.slot;
    for round in 0..=wish.repeats {
        let Some(replica) = at(reachable, slot) else {
            slot += 1;
            world.wait(50, 500).await;
            continue;
        };
        let leaves_after = wish.leaves_after.filter(|_| round == 0);
        let told = attempt(world, &replica, wish, key, leaves_after).await;
        let is_safe = key.is_some() || matches!(told, Told::NotExecuted(_) | Told::Left(false));
        if matches!(told, Told::Ok { .. } | Told::Executed(_)) || !is_safe {
            return;
        }
        let longest = if told == Told::Died { 14_000 } else { 3_000 };
        world.wait(1, longest).await;
        if world.chance().percent(60) {
            slot += 1;
        }
    }
}

fn at(reachable: &Reachable, slot: usize) -> Option<Replica> {
    let reachable = lock(reachable);
    let slots = reachable.len().max(1);
    reachable.values().nth(slot % slots).cloned()
}

async fn attempt(
    world: &Arc<World>,
    replica: &Replica,
    wish: &Wish,
    key: Option<Uuid>,
    leaves_after: Option<Duration>,
) -> Told {
    let text = format!("m{}", wish.number);
    let tenant = if wish.is_of_webhook {
        WEBHOOK
    } else {
        APPLICATION
    };
    let priority = if wish.is_bulk {
        api::CallPriority::Bulk
    } else {
        api::CallPriority::Interactive
    };
    let mut request = Request::new(api::SendCrmMessageRequest {
        tenant_id: tenant.to_owned(),
        crm_entity_type: api::CrmEntityType::Lead.into(),
        crm_entity_id: 1,
        user_id: 1,
        portal_chat_id: wish.conversation,
        text: text.clone(),
        request_id: key.map(|key| key.to_string()).unwrap_or_default(),
        priority: priority.into(),
        disable_batching: !wish.may_be_batched,
        validate_only: false,
    });
    let deadline = Instant::now() + wish.patience;
    let begun = Begun::of(&mut request, deadline);
    request.extensions_mut().insert(anybody());
    world.note(&format_args!("{text} is asked of {}", replica.life));
    let number = lock(&world.books).begin(Attempt {
        message: wish.number,
        life: replica.life.number,
        begun: world.now(),
        patience: wish.patience,
        ended: None,
        told: None,
    });
    let calling = replica.service.send_crm_message(request);
    let leaving = async {
        match leaves_after {
            Some(after) => tokio::time::sleep(after).await,
            None => std::future::pending().await,
        }
    };
    let told = tokio::select! {
        biased;
        () = replica.life.ended() => Told::Died,
        answered = calling => match answered {
            Ok(response) => Told::Ok {
                id: response.into_inner().portal_message_id,
                is_replayed: begun.is_replayed(),
            },
            Err(status) => told(&status),
        },
        () = leaving => Told::Left(begun.may_be_executed()),
    };
    world.note(&format_args!("{text} is told {told:?} by {}", replica.life));
    lock(&world.books).end(number, world.now(), told.clone());
    told
}

fn told(status: &Status) -> Told {
    let details = status.get_error_details();
    let info = details.error_info().unwrap();
    let reason = info.reason.trim_start_matches("ERROR_REASON_").to_owned();
    match info.metadata["outcome"].as_str() {
        "not_executed" => Told::NotExecuted(reason),
        "executed" => Told::Executed(reason),
        _ => Told::Unknown(reason),
    }
}

//! What must hold of a whole run.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use bitrix24::TenantId;
use store::Store;
use store::ledger::{Id, State};
use uuid::Uuid;

use crate::books::{Attempt, Books, Execution, Told};
use crate::plan::{KEYLESS, Plan, What, Wish};
use crate::replica::{APPLICATION, WEBHOOK};
use crate::world::{World, lock};

/// Within this time a call that needs nothing of the store goes through while the store is away.
const WITHOUT_STORE: Duration = Duration::from_secs(5);

/// How much time a call has that may be sent on an estimate that is too short.
const HURRIED: Duration = Duration::from_secs(2);

/// A call with more time left than this is not too late to be sent.
const NOT_TOO_LATE: Duration = Duration::from_secs(15);

/// Adds what does not fit to the books.
pub(crate) async fn judge(world: &Arc<World>, store: &Store, living: &[Uuid]) {
    let unfinished = unfinished(world, store, living).await;
    let end = world.now();
    let rejected = lock(&world.portal).refused;
    let has_lost = lock(&world.authorization).has_lost();
    let mut books = lock(&world.books);
    let plan = &world.plan;
    let mut found = unfinished;
    for attempt in &books.attempts {
        let Some(told) = &attempt.told else {
            found.push(format!("m{} is told nothing", attempt.message));
            continue;
        };
        if let Some(untrue) = untrue_reason(plan, &books, attempt, told, has_lost) {
            found.push(format!("m{} is told {told:?}: {untrue}", attempt.message));
        }
        if let Some(delayed) = waits_for_the_store(plan, attempt, told) {
            found.push(format!("m{} {delayed}", attempt.message));
        }
    }
    found.extend(overtaken(plan, &books));
    // A database that went back in time has forgotten what was sent.
    let is_shared = plan.jumps.is_empty() && !plan.has(What::is_of_the_store);
    if is_shared && books.kills.is_empty() && rejected > 0 {
        found.push(format!(
            "the portal refuses {rejected} requests over its limit"
        ));
    }
    // A slow answer may come after its replica has asked once more.
    let is_quick = !plan.has(|what| what == What::AuthorizationSlow);
    let is_alone = is_shared && is_quick && books.kills.is_empty();
    let mut second = books.second_renewals.iter();
    if let Some((at, token, _)) = second.find(|(_, _, has_lost)| is_alone && !has_lost) {
        let at = at.as_secs_f64();
        found.push(format!("{token} is presented a second time at {at:.3}"));
    }
    for what in found {
        books.fault(end, &what);
    }
}

/// The calls that the ledger does not know the end of although their replica lives.
async fn unfinished(world: &Arc<World>, store: &Store, living: &[Uuid]) -> Vec<String> {
    let mut found = Vec::new();
    if world.plan.forgets_outcomes {
        return found;
    }
    for wish in world.plan.wishes.iter().filter(|wish| wish.has_key) {
        let tenant = if wish.is_of_webhook {
            WEBHOOK
        } else {
            APPLICATION
        };
        let id = Id {
            tenant: TenantId::parse(tenant).unwrap(),
            request: key(wish).unwrap(),
        };
        let row = store.ledger_row(&id).await.unwrap();
        if let Some(row) = &row
            && let State::Started { owner, .. } = row.state
            && living.contains(&owner)
        {
            found.push(format!(
                "the ledger never learns the end of m{}",
                wish.number
            ));
        }
    }
    found
}

/// The idempotency key of a message.
pub(crate) fn key(wish: &Wish) -> Option<Uuid> {
    let number = u128::try_from(wish.number).unwrap();
    wish.has_key.then(|| Uuid::from_u128(0xA000 + number))
}

/// What of a reason is not so.
fn untrue_reason(
    plan: &Plan,
    books: &Books,
    attempt: &Attempt,
    told: &Told,
    has_lost: bool,
) -> Option<&'static str> {
    let is_untroubled = |is: fn(What) -> bool| !plan.has(is);
    let is_killed = !books.kills.is_empty();
    let reason = match told {
        Told::NotExecuted(reason) | Told::Executed(reason) | Told::Unknown(reason) => reason,
        Told::Ok { .. } | Told::Left(_) | Told::Died => return None,
    };
    let left = (attempt.begun + attempt.patience).saturating_sub(attempt.ended?);
    let jumps = !plan.jumps.is_empty();
    match reason.as_str() {
        "DEADLINE_BEFORE_SEND" => (left > NOT_TOO_LATE).then_some("there is time left"),
        "WAIT_EXCEEDS_DEADLINE" | "QUEUE_FULL" => None,
        "PORTAL_NOT_ANSWERING" => (books.silent() < 4).then_some("it answers"),
        "PORTAL_UNREACHABLE" => is_untroubled(What::is_of_the_portal).then_some("it is reachable"),
        "CONVERSATION_HELD" => is_untroubled(What::is_of_the_portal).then_some("nothing holds it"),
        "PORTAL_RATE_LIMITED" => {
            let may_be = plan.has(|what| what == What::PortalBusy) || is_killed || jumps;
            (!may_be && is_untroubled(What::is_of_the_store)).then_some("it refuses nothing")
        }
        "STORE_UNAVAILABLE" => is_untroubled(What::is_of_the_store).then_some("it is available"),
        "AUTHORIZATION_SERVER_UNAVAILABLE" => {
            let is_well = is_untroubled(What::is_of_the_authorization_server);
            (is_well && !is_killed && is_untroubled(What::is_of_the_store)).then_some("it answers")
        }
        "REAUTHORIZATION_REQUIRED" => (!has_lost && !is_killed).then_some("no pair was lost"),
        "OUTCOME_UNKNOWN" => {
            // A hurried call may be one that takes longer than any before it.
            let is_hurried = attempt.patience <= HURRIED;
            let is_well = is_untroubled(What::is_of_the_portal) && !is_killed && !jumps;
            let is_well = is_well && !is_hurried && !plan.forgets_outcomes;
            (is_well && is_untroubled(What::is_of_the_store)).then_some("everything is well")
        }
        _ => Some("nothing of the kind happened"),
    }
}

/// A call without an idempotency key, in a conversation without any, needs the store for nothing.
fn waits_for_the_store(plan: &Plan, attempt: &Attempt, told: &Told) -> Option<String> {
    let wish = &plan.wishes[attempt.message];
    let only_the_store = plan.troubles.iter().all(|trouble| {
        matches!(
            trouble.what,
            What::StoreStalls | What::StoreLocksWrites | What::StoreRefuses
        )
    });
    let has_tokens = plan.token.as_secs() == 3_600
        && plan.first_token.as_secs() == 3_600
        && plan.forgets_token.is_none();
    let is_free = only_the_store
        && has_tokens
        && !plan.is_burst
        && plan.jumps.is_empty()
        && plan.kills.is_empty()
        && wish.conversation >= KEYLESS
        && wish.patience > WITHOUT_STORE;
    let took = attempt.ended? - attempt.begun;
    let is_well = matches!(told, Told::Ok { .. }) && took <= WITHOUT_STORE;
    let is_wrong = is_free && !is_well && !matches!(told, Told::Left(_));
    is_wrong.then(|| format!("needs no store, and is told {told:?} after {took:?}"))
}

/// Messages of a conversation whose order was not kept. Where an answer was lost nobody can know.
fn overtaken(plan: &Plan, books: &Books) -> Vec<String> {
    let mut begun = BTreeMap::new();
    for (number, attempt) in books.attempts.iter().enumerate() {
        let known = begun
            .entry(attempt.message)
            .or_insert((number, attempt.life, 0));
        known.2 += 1;
    }
    let mut last: BTreeMap<(usize, bool, i64), (usize, &Execution)> = BTreeMap::new();
    let mut found = Vec::new();
    for execution in &books.executions {
        let (number, life, attempts) = begun[&execution.message];
        let is_clean = !books.unclean.contains(&execution.request);
        if life != execution.life || attempts > 1 || !is_clean {
            continue;
        }
        let is_of_webhook = plan.wishes[execution.message].is_of_webhook;
        let conversation = (life, is_of_webhook, execution.chat);
        if let Some((later, before)) = last.get(&conversation)
            && *later > number
        {
            let (message, other) = (execution.message, before.message);
            found.push(format!("m{message} is overtaken by m{other}"));
        }
        last.insert(conversation, (number, execution));
    }
    found
}

//! The network between a replica, the portal and the authorization server.

use std::sync::Arc;
use std::time::Duration;

use bitrix24::simulation::{Exchange, Lost, Network, Posted, Received};
use tokio::sync::oneshot;

use crate::plan::What;
use crate::replica::LONGEST_ANSWER;
use crate::world::{Life, World, lock};
use crate::{authorization, portal};

/// The portal of all tenants.
pub(crate) const PORTAL: &str = "acme.bitrix24.com";
/// The authorization server.
pub(crate) const AUTHORIZATION: &str = "oauth.bitrix.info";

/// The wait for an answer begins at most so long before the request leaves.
const CONNECTING: Duration = Duration::from_secs(1);

#[derive(Clone, Debug)]
pub(crate) struct ReplicaNetwork {
    pub(crate) world: Arc<World>,
    pub(crate) life: Life,
}

/// A request that has arrived somewhere.
pub(crate) struct Arrived {
    pub(crate) path: String,
    pub(crate) body: Vec<u8>,
    pub(crate) life: Life,
    /// Counts all requests.
    pub(crate) number: u64,
}

impl Network for ReplicaNetwork {
    fn exchange(&self, posted: Posted) -> Exchange {
        let (world, life) = (Arc::clone(&self.world), self.life.clone());
        Box::pin(async move {
            life.survives().await;
            let is_authorization = posted.base_url.ends_with(AUTHORIZATION);
            world.wait(1, 6).await;
            let unreachable = if is_authorization {
                What::AuthorizationUnreachable
            } else {
                What::PortalUnreachable
            };
            if world.hits(unreachable) {
                return Err(Lost::Unreachable);
            }
            world.step(&life, "before a request leaves").await;
            if !posted.guard.send() {
                return Err(Lost::Cancelled);
            }
            let number = lock(&world.books).note_departure();
            let (answer, answered) = oneshot::channel();
            let arrived = Arrived {
                path: posted.path,
                body: posted.body.to_vec(),
                life: life.clone(),
                number,
            };
            let carried = carry(Arc::clone(&world), arrived, is_authorization, answer);
            tokio::spawn(carried);
            world.step(&life, "after a request has left").await;
            let received = answered.await.unwrap_or(Err(Lost::Broken));
            world.step(&life, "when its response has come").await;
            received
        })
    }
}

/// What has left goes on, whatever becomes of its sender.
async fn carry(
    world: Arc<World>,
    arrived: Arrived,
    is_authorization: bool,
    answer: oneshot::Sender<Result<Received, Lost>>,
) {
    let left = world.now();
    world.wait(1, 5).await;
    let number = arrived.number;
    if is_authorization {
        let is_lost = world.hits(What::AuthorizationAnswersLost);
        if world.trouble(What::AuthorizationSlow, None).is_some() {
            world.wait(1_000, 7_000).await;
        }
        let life = arrived.life.clone();
        let received = authorization::answer(&world, &arrived, is_lost).await;
        if is_lost {
            return;
        }
        world.wait(1, 5).await;
        let is_heard = answer.send(Ok(received)).is_ok() && !life.is_dead();
        if !is_heard {
            lock(&world.authorization).answer_was_lost();
        }
        return;
    }
    if world.hits(What::Unprocessed) {
        let _ = answer.send(Err(Lost::Unprocessed));
        return;
    }
    if world.hits(What::RequestsLost) {
        world.note(&format_args!("request {number} is lost"));
        lock(&world.books).note_unclean(number);
        return;
    }
    let is_lost = world.hits(What::AnswersLost);
    let hangs = world.hits(What::PortalHangs);
    if is_lost || hangs {
        lock(&world.books).note_unclean(number);
    }
    let received = portal::answer(&world, &arrived).await;
    if hangs {
        world.note(&format_args!("request {number} gets no answer"));
        std::future::pending::<()>().await;
    }
    if is_lost {
        world.note(&format_args!("the answer to request {number} is lost"));
        return;
    }
    world.wait(1, 5).await;
    if answer.send(Ok(received)).is_err() {
        let now = world.now();
        let is_early = now + CONNECTING < left + LONGEST_ANSWER;
        let mut books = lock(&world.books);
        books.note_unclean(number);
        if is_early && !arrived.life.is_dead() {
            books.fault(now, &format!("request {number} is given up"));
        }
    }
}

//! The line of a replica to the database.

use std::sync::Arc;

use store::simulation::{Passing, Weather};

use crate::plan::What;
use crate::world::{Life, World};

#[derive(Clone, Debug)]
pub(crate) struct StoreLine {
    pub(crate) world: Arc<World>,
    pub(crate) life: Life,
}

impl StoreLine {
    async fn stall(&self, purpose: &'static str) {
        let slot = Some(self.life.slot);
        loop {
            let stalls = self.world.trouble(What::StoreStalls, slot);
            let locked = (purpose == "writing" || purpose == "ledger")
                .then(|| self.world.trouble(What::StoreLocksWrites, slot))
                .flatten();
            let Some(trouble) = stalls.or(locked) else {
                return;
            };
            let rest = trouble.until - self.world.now();
            tokio::time::sleep(rest + std::time::Duration::from_millis(1)).await;
            self.life.survives().await;
        }
    }

    async fn way(&self) {
        self.life.survives().await;
        if self
            .world
            .trouble(What::StoreSlow, Some(self.life.slot))
            .is_some()
        {
            self.world.wait(20, 400).await;
        } else {
            self.world.wait(0, 2).await;
        }
        self.life.survives().await;
    }
}

impl Weather for StoreLine {
    fn before(&self, purpose: &'static str) -> Passing<'_> {
        Box::pin(async move {
            self.way().await;
            self.stall(purpose).await;
            self.world.step(&self.life, "before its statement").await;
            let slot = Some(self.life.slot);
            self.world.trouble(What::StoreRefuses, slot).is_none()
        })
    }

    fn after(&self, _purpose: &'static str) -> Passing<'_> {
        Box::pin(async move {
            self.world.step(&self.life, "after its statement").await;
            let slot = Some(self.life.slot);
            let lost = self.world.trouble(What::StoreAnswersLost, slot);
            self.way().await;
            !lost.is_some_and(|trouble| self.world.chance().percent(trouble.share))
        })
    }

    fn forgets(&self) -> bool {
        self.world.plan.forgets_outcomes && self.world.chance().one_in(3)
    }

    fn now(&self) -> i64 {
        self.world.database_clock()
    }
}

/// The line of the simulation itself, to look at what is stored.
#[derive(Debug)]
pub(crate) struct OwnLine(pub(crate) Arc<World>);

impl Weather for OwnLine {
    fn before(&self, _purpose: &'static str) -> Passing<'_> {
        Box::pin(std::future::ready(true))
    }

    fn after(&self, _purpose: &'static str) -> Passing<'_> {
        Box::pin(std::future::ready(true))
    }

    fn forgets(&self) -> bool {
        false
    }

    fn now(&self) -> i64 {
        self.0.database_clock()
    }
}

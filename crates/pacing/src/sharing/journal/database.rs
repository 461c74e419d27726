//! A row as the database keeps it, for simulations.

use crate::sharing::journal::{follow, write_ask};
use crate::sharing::{Ask, BucketConfig, Grant};

/// The row of a portal.
#[derive(Clone, Debug, Default)]
pub(crate) struct Row {
    pub(crate) account: String,
    number: usize,
    asks: Vec<(i64, String)>,
}

/// What a replica knows of it, from its last exchange.
pub(crate) type Known = Option<(usize, String)>;

impl Row {
    /// What the statement does. `now` is in milliseconds.
    pub(crate) fn exchange(
        &mut self,
        known: Known,
        replica: &str,
        config: BucketConfig,
        ask: &Ask,
        now: i64,
    ) -> Self {
        if let Some((number, account)) = known
            && (self.number..=self.number + self.asks.len()).contains(&number)
        {
            self.asks.drain(..number - self.number);
            (self.number, self.account) = (number, account);
        }
        self.asks.push((now, write_ask(replica, config, ask)));
        self.clone()
    }

    /// What a replica makes of the response.
    pub(crate) fn read(&self, config: BucketConfig) -> (Known, Grant) {
        let (account, grant) = follow(&self.account, &self.asks, config).unwrap();
        (Some((self.number + self.asks.len(), account)), grant)
    }

    pub(crate) fn asks(&self) -> usize {
        self.asks.len()
    }
}

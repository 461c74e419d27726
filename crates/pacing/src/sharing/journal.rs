//! What the database keeps of a portal: an account, and the asks that came after it.
//!
//! Every replica that reads the same asks computes the same account from them, and what each of
//! them was granted. So the database needs no rules, and no replica waits for another one's
//! calculation.

use serde::{Deserialize, Serialize};

use super::account::Account;
use super::config::BucketConfig;
use super::messages::{Ask, Grant};
use crate::RateLimit;

/// An ask as it is stored, with all that its response depends on.
#[derive(Serialize, Deserialize)]
struct Entry {
    replica: String,
    burst: u32,
    per_second: f64,
    living: u32,
    ask: Ask,
}

/// An ask as it is stored.
pub fn write_ask(replica: &str, config: BucketConfig, ask: &Ask) -> String {
    let RateLimit { burst, per_second } = config.limit;
    let entry = Entry {
        replica: replica.to_owned(),
        burst,
        per_second,
        living: config.living,
        ask: ask.clone(),
    };
    // Cannot fail: there are no keys but strings.
    serde_json::to_string(&entry).unwrap_or_default()
}

/// The account after these asks, as it is stored, and the response to the last one. Each ask has
/// its time by the database's clock, in milliseconds. An ask that cannot be read is left out: a
/// newer version of this service wrote it.
///
/// `None` if the last ask cannot be read.
pub fn follow(
    account: &str,
    asks: &[(i64, String)],
    config: BucketConfig,
) -> Option<(String, Grant)> {
    let first = asks.first().map_or(0, |(at, _)| *at);
    let mut account = Account::read(account, config, first);
    let mut last = None;
    for (at, ask) in asks {
        let entry = serde_json::from_str::<Entry>(ask).ok();
        last = entry.map(|entry| {
            let Entry {
                replica,
                burst,
                per_second,
                living,
                ask,
            } = entry;
            let limit = RateLimit { burst, per_second };
            let config = BucketConfig { limit, living };
            account.exchange(config, &replica, &ask, *at)
        });
    }
    last.map(|grant| (account.write(), grant))
}

#[cfg(test)]
pub(crate) mod database;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::samples::STANDARD;

    const NOW: i64 = 1_800_000_000_000;

    fn config() -> BucketConfig {
        BucketConfig {
            limit: STANDARD,
            living: 2,
        }
    }

    fn ask(replica: &str, number: u64, want: u32) -> String {
        let ask = Ask {
            number,
            want,
            ..Ask::default()
        };
        write_ask(replica, config(), &ask)
    }

    #[test]
    fn whoever_reads_the_same_asks_sees_the_same_account_wherever_it_begins() {
        let asks = [("a", 1, 10), ("b", 1, 30), ("a", 2, 30)];
        let asks = asks.map(|(replica, number, want)| (NOW, ask(replica, number, want)));
        let whole = follow("", &asks, config()).unwrap();
        assert_eq!(whole.1.granted, 20);
        let (first, _) = follow("", &asks[..1], config()).unwrap();
        assert_eq!(follow(&first, &asks[1..], config()).unwrap(), whole);
    }

    #[test]
    fn an_ask_that_the_database_executes_late_changes_nothing() {
        let asks = [("a", 1, 10), ("a", 3, 12), ("a", 2, 40)];
        let asks = asks.map(|(replica, number, want)| (NOW, ask(replica, number, want)));
        let (before, _) = follow("", &asks[..2], config()).unwrap();
        let (after, late) = follow(&before, &asks[2..], config()).unwrap();
        assert_eq!((after, late.granted), (before, 0));
    }

    #[test]
    fn what_cannot_be_read_is_a_full_bucket_or_is_left_out() {
        let asks = [(NOW, ask("a", 1, 50))];
        for account in ["no account", "{\"level\": -1}", "{\"level\": 1e99}"] {
            assert_eq!(follow(account, &asks, config()).unwrap().1.granted, 0);
        }
        let newer = [(NOW, "from a newer version".to_owned()), asks[0].clone()];
        assert_eq!(follow("", &newer, config()).unwrap().1.granted, 49);
        assert_eq!(follow("", &newer[..1], config()), None);
    }
}

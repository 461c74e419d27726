//! What replicas tell each other of the operating time that methods have used.

use std::collections::BTreeMap;
use std::time::Duration;

use serde::{Deserialize, Serialize};

/// How long a report says anything, in milliseconds: Bitrix24 counts the last ten minutes, by whole minutes.
///
/// Source: page "limits".
const WINDOW: i64 = 11 * 60_000;

/// What a portal has reported of the operating time of one method.
#[derive(Clone, Debug, PartialEq)]
pub struct Report {
    /// The tenant whose credential was used.
    pub tenant: String,
    /// The method's name.
    pub method: String,
    /// The seconds that it has used in the present window.
    pub used: f64,
    /// When the oldest minute of the window expires, in seconds since 1970.
    pub reset_at: Option<f64>,
    /// How long ago the portal has said so.
    pub age: Duration,
}

/// The newest report of each tenant and method.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(transparent)]
pub(super) struct Reports(BTreeMap<String, Kept>);

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Kept {
    used: f64,
    reset_at: Option<f64>,
    /// By the database's clock, in milliseconds.
    at: i64,
    by: String,
}

impl Reports {
    /// Takes over what is newer, and returns what others have said.
    pub(super) fn exchange(&mut self, replica: &str, new: &[Report], now: i64) -> Vec<Report> {
        for report in new {
            let age = i64::try_from(report.age.as_millis()).unwrap_or(i64::MAX);
            let kept = Kept {
                used: report.used,
                reset_at: report.reset_at,
                at: now.saturating_sub(age),
                by: replica.to_owned(),
            };
            let key = format!("{} {}", report.tenant, report.method);
            if self.0.get(&key).is_none_or(|known| known.at <= kept.at) {
                self.0.insert(key, kept);
            }
        }
        self.0
            .retain(|_, kept| now.saturating_sub(kept.at) < WINDOW);
        let others = self.0.iter().filter(|(_, kept)| kept.by != replica);
        let others = others.filter_map(|(key, kept)| {
            // Neither an id of a tenant nor the name of a method has a blank in it.
            let (tenant, method) = key.split_once(' ')?;
            let age = u64::try_from(now.saturating_sub(kept.at)).unwrap_or(0);
            Some(Report {
                tenant: tenant.to_owned(),
                method: method.to_owned(),
                used: kept.used,
                reset_at: kept.reset_at,
                age: Duration::from_millis(age),
            })
        });
        others.collect()
    }

    /// Forgets all: the clock by which the reports were kept is another one.
    pub(super) fn forget(&mut self) {
        self.0.clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn report(used: f64, age: u64) -> Report {
        Report {
            tenant: "acme".to_owned(),
            method: "imopenlines.crm.message.add".to_owned(),
            used,
            reset_at: Some(1_800_000_000.0),
            age: Duration::from_millis(age),
        }
    }

    #[test]
    fn the_newest_report_is_told_to_the_others_until_it_says_nothing_any_more() {
        let mut reports = Reports::default();
        let now = 1_000_000;
        assert_eq!(reports.exchange("a", &[report(5.0, 10)], now), []);
        assert_eq!(reports.exchange("b", &[], now + 20), [report(5.0, 30)]);
        // It was overtaken on its way.
        let overtaken = reports.exchange("b", &[report(4.0, 100)], now + 20);
        assert_eq!(overtaken, [report(5.0, 30)]);
        assert_eq!(reports.exchange("b", &[report(6.0, 0)], now + 40), []);
        assert_eq!(reports.exchange("a", &[], now + 40), [report(6.0, 0)]);
        assert_eq!(reports.exchange("a", &[], now + 40 + WINDOW), []);
    }
}

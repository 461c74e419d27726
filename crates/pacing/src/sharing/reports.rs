//! What replicas report to each other of the operating time that methods have used.

use std::collections::{BTreeMap, HashMap};
use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};

/// How long a report counts, in milliseconds: Bitrix24 counts the last ten minutes, by whole
/// minutes.
///
/// Source: page "limits".
const WINDOW: i64 = 11 * 60_000;

/// The longest time until a reset that a replica takes from a portal.
const LONGEST_RESET: Duration = Duration::from_secs(20 * 60);

/// A report that comes again with each exchange is the same one, although its age is not measured
/// to the millisecond.
const SAME: Duration = Duration::from_secs(1);

/// What a portal has said of the operating time of one method.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct OperatingReport {
    /// The tenant whose credential was used.
    pub tenant: String,
    /// The method's name.
    pub method: String,
    /// The seconds that it has used in the present window.
    pub used: f64,
    /// How long after the report the oldest minute of the window expires.
    pub resets_in: Option<Duration>,
    /// How long ago the portal said so.
    pub age: Duration,
}

/// What is known of other replicas, and what they know of this one.
#[derive(Clone, Debug, PartialEq)]
pub struct ReportUpdate {
    /// Its version: it grows with each new report.
    pub version: u64,
    /// The living replicas, including this one.
    pub living: u32,
    /// The newest reports of others.
    pub others: Vec<OperatingReport>,
    /// The newest reports of this replica that the others have.
    pub own: Vec<OperatingReport>,
}

/// Reports by tenant and method, with the moment from which their age counts.
type ByMethod = HashMap<(String, String), (Instant, OperatingReport)>;

/// One replica's memory of the reports that were exchanged about one portal.
#[derive(Debug, Default)]
pub(super) struct ReportBook {
    version: u64,
    others: ByMethod,
    own: ByMethod,
}

impl ReportBook {
    /// Takes the reports of an exchange: those of others, and those of this replica.
    pub(super) fn exchanged(
        &mut self,
        others: &[OperatingReport],
        own: &[OperatingReport],
        now: Instant,
    ) {
        for (known, reports) in [(&mut self.others, others), (&mut self.own, own)] {
            for report in reports {
                let key = (report.tenant.clone(), report.method.clone());
                let is_known = known.get(&key).is_some_and(|(at, known)| {
                    let age = known.age + now.saturating_duration_since(*at);
                    (known.used, known.resets_in) == (report.used, report.resets_in)
                        && age.abs_diff(report.age) < SAME
                });
                if !is_known {
                    self.version += 1;
                    known.insert(key, (now, report.clone()));
                }
            }
            let window = Duration::from_millis(WINDOW.unsigned_abs());
            known
                .retain(|_, (at, report)| report.age + now.saturating_duration_since(*at) < window);
        }
    }

    /// All reports, if there are newer ones than in this version.
    pub(super) fn since(&self, version: u64, living: u32, now: Instant) -> Option<ReportUpdate> {
        (self.version != version).then(|| ReportUpdate {
            version: self.version,
            living,
            others: aged(&self.others, now),
            own: aged(&self.own, now),
        })
    }

    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        self.others.len() + self.own.len()
    }
}

fn aged(reports: &ByMethod, now: Instant) -> Vec<OperatingReport> {
    let aged = reports.values().map(|(at, report)| OperatingReport {
        age: report.age + now.saturating_duration_since(*at),
        ..report.clone()
    });
    aged.collect()
}

/// The newest report of each tenant and method, as the account keeps it.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(transparent)]
pub(super) struct StoredReports(BTreeMap<String, StoredReport>);

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct StoredReport {
    used: f64,
    /// In milliseconds after `at`.
    resets_in: Option<u64>,
    /// By the database's clock, in milliseconds.
    at: i64,
    by: String,
}

impl StoredReports {
    /// Stores newer reports, and returns those of other replicas.
    pub(super) fn exchange(
        &mut self,
        replica: &str,
        new: &[OperatingReport],
        now: i64,
    ) -> Vec<OperatingReport> {
        for report in new {
            let age = i64::try_from(report.age.as_millis()).unwrap_or(i64::MAX);
            let resets_in = report.resets_in.map(|wait| wait.as_millis());
            let stored = StoredReport {
                used: report.used,
                resets_in: resets_in.and_then(|wait| u64::try_from(wait).ok()),
                at: now.saturating_sub(age),
                by: replica.to_owned(),
            };
            let key = format!("{} {}", report.tenant, report.method);
            if self.0.get(&key).is_none_or(|known| known.at <= stored.at) {
                self.0.insert(key, stored);
            }
        }
        // A report of the future would never expire.
        self.0
            .retain(|_, stored| stored.at <= now && now.saturating_sub(stored.at) < WINDOW);
        let others = self.0.iter().filter(|(_, stored)| stored.by != replica);
        let others = others.filter_map(|(key, stored)| {
            // Neither a tenant's id nor a method's name contains a blank.
            let (tenant, method) = key.split_once(' ')?;
            let age = u64::try_from(now.saturating_sub(stored.at)).unwrap_or(0);
            Some(OperatingReport {
                tenant: tenant.to_owned(),
                method: method.to_owned(),
                used: stored.used,
                resets_in: stored
                    .resets_in
                    .map(|wait| Duration::from_millis(wait).min(LONGEST_RESET)),
                age: Duration::from_millis(age),
            })
        });
        others.collect()
    }

    /// Deletes all reports: the clock that dates them was set back.
    pub(super) fn clear(&mut self) {
        self.0.clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn report(used: f64, age: u64) -> OperatingReport {
        OperatingReport {
            tenant: "acme".to_owned(),
            method: "imopenlines.crm.message.add".to_owned(),
            used,
            resets_in: Some(Duration::from_secs(90)),
            age: Duration::from_millis(age),
        }
    }

    #[test]
    fn a_repeated_report_is_not_new_and_expires_after_its_window() {
        let (mut book, now) = (ReportBook::default(), Instant::now());
        book.exchanged(&[report(5.0, 10)], &[report(7.0, 0)], now);
        let update = book.since(0, 2, now).unwrap();
        assert_eq!((update.others.len(), update.own.len()), (1, 1));
        let then = now + Duration::from_secs(1);
        book.exchanged(&[report(5.0, 1_020)], &[], then);
        assert_eq!(book.since(update.version, 2, then), None);
        book.exchanged(&[report(6.0, 0)], &[], then);
        let update = book.since(update.version, 2, then).unwrap();
        assert_eq!(update.others, [report(6.0, 0)]);
        assert_eq!(update.own, [report(7.0, 1_000)]);
        book.exchanged(&[], &[], then + Duration::from_secs(12 * 60));
        assert_eq!(book.len(), 0);
    }

    #[test]
    fn the_others_get_the_newest_report_until_it_expires() {
        let mut reports = StoredReports::default();
        let now = 1_000_000;
        assert_eq!(reports.exchange("a", &[report(5.0, 10)], now), []);
        assert_eq!(reports.exchange("b", &[], now + 20), [report(5.0, 30)]);
        // It was overtaken by a newer one.
        let overtaken = reports.exchange("b", &[report(4.0, 100)], now + 20);
        assert_eq!(overtaken, [report(5.0, 30)]);
        assert_eq!(reports.exchange("b", &[report(6.0, 0)], now + 40), []);
        assert_eq!(reports.exchange("a", &[], now + 40), [report(6.0, 0)]);
        assert_eq!(reports.exchange("a", &[], now + 40 + WINDOW), []);
    }
}

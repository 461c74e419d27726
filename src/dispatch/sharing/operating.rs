//! What replicas tell each other of the operating time that methods have used.

use std::collections::{BTreeMap, HashMap};
use std::time::Duration;

use serde::{Deserialize, Serialize};
use tokio::time::Instant;

/// How long a report says anything, in milliseconds: Bitrix24 counts the last ten minutes, by whole minutes.
///
/// Source: page "limits".
const WINDOW: i64 = 11 * 60_000;

/// A report that comes again with each exchange is the same one, although its age is not measured to the millisecond.
const SAME: Duration = Duration::from_secs(1);

/// What a portal has reported of the operating time of one method.
#[derive(Clone, Debug, PartialEq)]
pub struct Report {
    /// The tenant whose credential was used.
    pub tenant: String,
    /// The method's name.
    pub method: String,
    /// The seconds that it has used in the present window.
    pub used: f64,
    /// How long after the report the oldest minute of the window expires.
    pub resets_in: Option<Duration>,
    /// How long ago the portal has said so.
    pub age: Duration,
}

/// What is known of other replicas, and what they know of this one.
#[derive(Clone, Debug, PartialEq)]
pub struct Heard {
    /// How often something was heard.
    pub times: u64,
    /// The replicas that live, this one among them.
    pub living: u32,
    /// The newest reports of others.
    pub others: Vec<Report>,
    /// The newest reports of this replica that the others have been told.
    pub told: Vec<Report>,
}

/// Reports by tenant and method, with the moment from which their age counts.
type Book = HashMap<(String, String), (Instant, Report)>;

/// What has been exchanged about one portal.
#[derive(Debug, Default)]
pub(super) struct Hearsay {
    times: u64,
    others: Book,
    told: Book,
}

impl Hearsay {
    /// After an exchange that has told `told` and brought `others`.
    pub(super) fn hear(&mut self, others: &[Report], told: &[Report], now: Instant) {
        let changes = [(&mut self.others, others), (&mut self.told, told)];
        for (book, reports) in changes {
            for report in reports {
                let key = (report.tenant.clone(), report.method.clone());
                let is_known = book.get(&key).is_some_and(|(at, known)| {
                    let age = known.age + now.saturating_duration_since(*at);
                    (known.used, known.resets_in) == (report.used, report.resets_in)
                        && age.abs_diff(report.age) < SAME
                });
                if !is_known {
                    self.times += 1;
                    book.insert(key, (now, report.clone()));
                }
            }
            let window = Duration::from_millis(WINDOW.unsigned_abs());
            book.retain(|_, (at, report)| report.age + now.saturating_duration_since(*at) < window);
        }
    }

    /// All of it, if there is something that was not known when it had been heard so many times.
    pub(super) fn since(&self, times: u64, living: u32, now: Instant) -> Option<Heard> {
        (self.times != times).then(|| Heard {
            times: self.times,
            living,
            others: aged(&self.others, now),
            told: aged(&self.told, now),
        })
    }

    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        self.others.len() + self.told.len()
    }
}

fn aged(book: &Book, now: Instant) -> Vec<Report> {
    let aged = book.values().map(|(at, report)| Report {
        age: report.age + now.saturating_duration_since(*at),
        ..report.clone()
    });
    aged.collect()
}

/// The newest report of each tenant and method.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(transparent)]
pub(super) struct Reports(BTreeMap<String, Kept>);

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Kept {
    used: f64,
    /// In milliseconds after `at`.
    resets_in: Option<u64>,
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
                resets_in: report
                    .resets_in
                    .and_then(|resets_in| u64::try_from(resets_in.as_millis()).ok()),
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
                resets_in: kept.resets_in.map(Duration::from_millis),
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
            resets_in: Some(Duration::from_secs(90)),
            age: Duration::from_millis(age),
        }
    }

    #[test]
    fn what_is_heard_again_is_no_news_and_is_forgotten_after_its_window() {
        let (mut hearsay, now) = (Hearsay::default(), Instant::now());
        hearsay.hear(&[report(5.0, 10)], &[report(7.0, 0)], now);
        let heard = hearsay.since(0, 2, now).unwrap();
        assert_eq!((heard.others.len(), heard.told.len()), (1, 1));
        let then = now + Duration::from_secs(1);
        hearsay.hear(&[report(5.0, 1_020)], &[], then);
        assert_eq!(hearsay.since(heard.times, 2, then), None);
        hearsay.hear(&[report(6.0, 0)], &[], then);
        let heard = hearsay.since(heard.times, 2, then).unwrap();
        assert_eq!(heard.others, [report(6.0, 0)]);
        assert_eq!(heard.told, [report(7.0, 1_000)]);
        hearsay.hear(&[], &[], then + Duration::from_secs(12 * 60));
        assert_eq!(hearsay.len(), 0);
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

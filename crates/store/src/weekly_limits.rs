//! What portals said about their weekly limit of network messages: the table `weekly_limits`.
//!
//! A row is of a recipient or of a portal, by a hash. What a row means is decided by who reads it;
//! to lose one costs a request to the portal.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::time::Duration;

use jiff::Timestamp;
use sqlx::AssertSqlSafe;
use tokio::time::Instant;

use crate::error::StoreError;
use crate::open::Store;
use crate::pool::{milliseconds, with_connection};

/// How long the row of a recipient is kept: longer than a week by a margin for clocks.
const RECIPIENT: Duration = Duration::from_hours(8 * 24);

/// How long a refusal counts as a portal's word for all its recipients.
pub const CONFIRMED: Duration = Duration::from_hours(24);

/// The longest time since a request. Far above any real one, so that sums cannot overflow.
const LONGEST: Duration = Duration::from_hours(24);

const READ: &str = "SELECT now_milliseconds, subject, accepted_at, refused_at FROM clock \
     LEFT JOIN weekly_limits ON subject IN ($1, $2) AND expires_at > now_milliseconds";

/// Rows of recipients, around the list of subjects with the time since each request. A message that
/// was accepted before the one of the row says nothing new.
const ACCEPT: (&str, &str) = (
    "INSERT INTO weekly_limits (subject, accepted_at, refused_at, expires_at) \
     SELECT said.column1, now_milliseconds - said.column2, NULL, now_milliseconds - said.column2 + $1 \
     FROM (VALUES ",
    ") AS said, clock WHERE TRUE ON CONFLICT (subject) DO UPDATE SET accepted_at = excluded.accepted_at, \
     refused_at = NULL, expires_at = excluded.expires_at \
     WHERE weekly_limits.accepted_at < excluded.accepted_at",
);

/// Of a recipient without a row nothing would follow.
const REFUSE: (&str, &str) = (
    "UPDATE weekly_limits SET refused_at = now_milliseconds - said.column2 FROM (VALUES ",
    ") AS said, clock WHERE subject = said.column1 AND accepted_at < now_milliseconds - said.column2",
);

/// Rows of portals.
const CONFIRM: (&str, &str) = (
    "INSERT INTO weekly_limits (subject, accepted_at, refused_at, expires_at) \
     SELECT said.column1, NULL, now_milliseconds - said.column2, now_milliseconds - said.column2 + $1 \
     FROM (VALUES ",
    ") AS said, clock WHERE TRUE ON CONFLICT (subject) DO UPDATE SET refused_at = excluded.refused_at, \
     expires_at = excluded.expires_at WHERE weekly_limits.refused_at < excluded.refused_at",
);

/// A later refusal stays.
const CONTRADICT: &str = "DELETE FROM weekly_limits WHERE subject = $1 \
     AND refused_at <= (SELECT now_milliseconds FROM clock) - $2";

/// The second condition is judged anew for a row that changed meanwhile.
pub(crate) const CLEAN: &str = "DELETE FROM weekly_limits WHERE subject IN (SELECT subject FROM weekly_limits \
     WHERE expires_at <= (SELECT now_milliseconds FROM clock) ORDER BY expires_at LIMIT $1) \
     AND expires_at <= (SELECT now_milliseconds FROM clock)";

/// What a portal said to a request with a network message. Subjects are at most 64 characters.
#[derive(Clone, Debug)]
pub struct Said {
    /// The recipient.
    pub recipient: String,
    /// The portal.
    pub portal: String,
    /// Its word.
    pub word: Word,
    /// The time since the request began.
    pub ago: Duration,
}

/// A portal's word.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Word {
    /// It accepted the message.
    Accepted,
    /// It accepted the message, which it would not have if it had the limit.
    AcceptedAgainst,
    /// It refused the message for the limit.
    Refused,
}

/// What is stored, with the time by the database's clock. What has expired is not there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stored {
    /// When it was read.
    pub now: Timestamp,
    /// When the request began with the last message to the recipient that was accepted.
    pub accepted_at: Option<Timestamp>,
    /// When a later one was refused.
    pub refused_at: Option<Timestamp>,
    /// When the portal last refused a message to anybody.
    pub confirmed_at: Option<Timestamp>,
}

/// The columns of [`READ`].
type Columns = (i64, Option<String>, Option<i64>, Option<i64>);

impl Store {
    /// Reads what is stored of a recipient and of its portal.
    ///
    /// # Errors
    ///
    /// The database failed.
    pub async fn weekly_limit(&self, recipient: &str, portal: &str) -> Result<Stored, StoreError> {
        let read = with_connection!(&self.pool, reading, connection => {
            let query = sqlx::query_as(READ).bind(recipient).bind(portal);
            Ok(query.fetch_all(connection).await?)
        });
        let rows: Vec<Columns> = self.pool.watch(read).await?;
        let time = |at: Option<i64>| {
            let at = at.map(Timestamp::from_millisecond).transpose();
            at.map_err(|_| StoreError::Corrupt("a time of a weekly limit".to_owned()))
        };
        let now = time(rows.first().map(|(now, ..)| *now))?;
        let mut stored = Stored {
            now: now.ok_or_else(|| StoreError::Corrupt("the clock".to_owned()))?,
            accepted_at: None,
            refused_at: None,
            confirmed_at: None,
        };
        for (_, subject, accepted_at, refused_at) in rows {
            match subject.as_deref() {
                Some(subject) if subject == recipient => {
                    stored.accepted_at = time(accepted_at)?;
                    stored.refused_at = time(refused_at)?;
                }
                Some(_) => stored.confirmed_at = time(refused_at)?,
                None => {}
            }
        }
        Ok(stored)
    }

    /// Records what portals said, at most some hundreds at once.
    ///
    /// # Errors
    ///
    /// The database failed and may have written a part of it.
    pub async fn write_weekly_limits(&self, said: &[Said]) -> Result<(), StoreError> {
        let asked = Instant::now();
        let written = with_connection!(&self.pool, writing, connection => {
            // There may have been a wait for the connection.
            let Groups {
                accepted,
                refused,
                confirmed,
                contradicted,
            } = &Groups::of(said, asked.elapsed());
            if !accepted.is_empty() {
                let statement = AssertSqlSafe(statement(ACCEPT, 1, accepted.len()));
                let mut query = sqlx::query(statement).bind(milliseconds(RECIPIENT, RECIPIENT));
                for (subject, ago) in accepted {
                    query = query.bind(*subject).bind(*ago);
                }
                query.execute(&mut *connection).await?;
            }
            if !refused.is_empty() {
                let statement = AssertSqlSafe(statement(REFUSE, 0, refused.len()));
                let mut query = sqlx::query(statement);
                for (subject, ago) in refused {
                    query = query.bind(*subject).bind(*ago);
                }
                query.execute(&mut *connection).await?;
            }
            if !confirmed.is_empty() {
                let statement = AssertSqlSafe(statement(CONFIRM, 1, confirmed.len()));
                let mut query = sqlx::query(statement).bind(milliseconds(CONFIRMED, CONFIRMED));
                for (subject, ago) in confirmed {
                    query = query.bind(*subject).bind(*ago);
                }
                query.execute(&mut *connection).await?;
            }
            for (subject, ago) in contradicted {
                let query = sqlx::query(CONTRADICT).bind(*subject).bind(*ago);
                query.execute(&mut *connection).await?;
            }
            Ok(())
        });
        written.await
    }
}

/// Subjects with milliseconds since their latest request. Sorted: replicas lock rows in one order.
type Subjects<'a> = BTreeMap<&'a str, i64>;

/// What is to be written, each subject once in a group: PostgreSQL refuses to write a row twice in
/// one statement.
#[derive(Default)]
struct Groups<'a> {
    accepted: Subjects<'a>,
    refused: Subjects<'a>,
    confirmed: Subjects<'a>,
    /// Portals without the limit.
    contradicted: Subjects<'a>,
}

impl<'a> Groups<'a> {
    fn of(said: &'a [Said], since: Duration) -> Self {
        let mut groups = Self::default();
        for said in said {
            let (recipient, portal) = (said.recipient.as_str(), said.portal.as_str());
            let ago = milliseconds(said.ago.saturating_add(since), LONGEST);
            let subjects = match said.word {
                Word::Accepted => vec![(&mut groups.accepted, recipient)],
                Word::AcceptedAgainst => vec![
                    (&mut groups.accepted, recipient),
                    (&mut groups.contradicted, portal),
                ],
                Word::Refused => vec![
                    (&mut groups.refused, recipient),
                    (&mut groups.confirmed, portal),
                ],
            };
            for (group, subject) in subjects {
                let latest = group.entry(subject).or_insert(ago);
                *latest = ago.min(*latest);
            }
        }
        groups
    }
}

/// A statement with this many subjects, whose parameters come after so many others.
fn statement((before, behind): (&str, &str), others: usize, subjects: usize) -> String {
    let mut text = before.to_owned();
    for number in 0..subjects {
        let comma = if number == 0 { "" } else { ", " };
        let (subject, ago) = (others + 2 * number + 1, others + 2 * number + 2);
        // Writing to a text cannot fail.
        let _ = write!(text, "{comma}(${subject}, ${ago})");
    }
    text + behind
}

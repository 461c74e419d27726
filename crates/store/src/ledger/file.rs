//! Reads the record of a call in an SQLite file, on a connection for reading.

use std::time::Duration;

use sqlx::AssertSqlSafe;
use uuid::Uuid;

use crate::error::StoreError;
use crate::log::Found;
use crate::pool::{Lent, Sqlite};
use crate::record::{Id, Row, State};

const COLUMNS: &str =
    "s.fingerprint, e.outcome, e.answer, s.owner, s.attempt, now_milliseconds - s.started_at";

/// What has expired or was not executed counts as deleted.
const VALID: &str =
    "s.request = ? AND s.tenant = ? AND s.expires_at > now_milliseconds AND e.outcome IS NOT 3";

/// Where the row of a call is looked for.
enum Place {
    Row(i64),
    Slices,
    /// While the ledger's thread does not know what the file has behind the last slice: after a
    /// failure, until it was read again.
    SlicesAndBehind,
    /// Beside the service, which alone knows better.
    Anywhere,
}

impl Place {
    fn statement(&self) -> String {
        let from = match self {
            Self::Row(_) => "ledger_starts AS s",
            Self::Slices => {
                "ledger_slices AS l CROSS JOIN ledger_keys AS k ON k.slice = l.slice AND k.request = ? \
                 CROSS JOIN ledger_starts AS s ON s.id = k.id"
            }
            Self::SlicesAndBehind | Self::Anywhere => "ledger_starts AS s",
        };
        let row = match self {
            Self::Row(_) => "s.id = ? AND",
            Self::SlicesAndBehind => {
                "s.id IN (SELECT k.id FROM ledger_slices AS l \
                 CROSS JOIN ledger_keys AS k ON k.slice = l.slice AND k.request = ? \
                 UNION ALL SELECT id FROM ledger_starts \
                 WHERE id > (SELECT COALESCE(MAX(last_id), 0) FROM ledger_slices) AND request = ?) AND"
            }
            Self::Slices | Self::Anywhere => "",
        };
        format!(
            "SELECT {COLUMNS} FROM {from} LEFT JOIN ledger_ends AS e ON e.id = s.id CROSS JOIN clock \
             WHERE {row} {VALID} ORDER BY s.id DESC LIMIT 1"
        )
    }
}

pub(super) async fn row(sqlite: &Sqlite, id: &Id) -> Result<Option<Row>, StoreError> {
    let ledger = sqlite.ledger.as_ref();
    let place = match ledger.map(|ledger| ledger.find(id)) {
        Some(Found::Latest(place)) => Place::Row(place.row),
        Some(Found::Older) => Place::Slices,
        Some(Found::Lost) => Place::SlicesAndBehind,
        None => Place::Anywhere,
    };
    let request = &id.request.as_bytes()[..];
    let mut query = sqlx::query_as(AssertSqlSafe(place.statement()));
    match place {
        Place::Row(row) => query = query.bind(row),
        Place::Slices => query = query.bind(request),
        Place::SlicesAndBehind => query = query.bind(request).bind(request),
        Place::Anywhere => {}
    }
    let query = query.bind(request).bind(id.tenant.as_str());
    let mut lent = Lent::new(sqlite.reading.acquire().await?);
    let found = query.fetch_optional(lent.connection()).await;
    lent.give_back();
    sqlite.file.check()?;
    let found: Option<Columns> = found?;
    found.map(read).transpose()
}

type Columns = (Vec<u8>, Option<i64>, Option<String>, Vec<u8>, i64, i64);

fn read(columns: Columns) -> Result<Row, StoreError> {
    let (fingerprint, outcome, answer, owner, attempt, silent_for) = columns;
    let corrupt = |what: &str| StoreError::Corrupt(format!("the {what} of a call"));
    let fingerprint = fingerprint.try_into().map_err(|_| corrupt("fingerprint"))?;
    let state = match (outcome, answer) {
        (None, _) => State::Started {
            owner: Uuid::from_slice(&owner).map_err(|_| corrupt("owner"))?,
            attempt,
            // Negative if the clock was set back.
            silent_for: Duration::from_millis(silent_for.try_into().unwrap_or(0)),
        },
        (Some(1), Some(answer)) => State::Answered(answer),
        (Some(2), _) => State::Unknown,
        _ => return Err(corrupt("outcome")),
    };
    Ok(Row { fingerprint, state })
}

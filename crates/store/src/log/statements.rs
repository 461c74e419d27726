//! The statements of the ledger's thread.

use rusqlite::{Connection, OptionalExtension, Row, Statement};
use uuid::Uuid;

use super::index::{Found, Index, Latest, Place};
use crate::record::{End, Id, Outcome, Start};

/// Calls of a slice. More make the search for the key of a repeat shorter where there are many
/// slices, and the pause longer in which the keys of one are sorted: 16,384 take some 10 ms.
pub(super) const SLICE: i64 = 16 * 1024;

pub(super) const START: &str = "INSERT INTO ledger_starts \
     (id, request, tenant, fingerprint, owner, attempt, started_at, expires_at) \
     VALUES (?, ?, ?, ?, ?, ?, ?, ?)";

pub(super) const END: &str =
    "INSERT OR REPLACE INTO ledger_ends (id, outcome, answer) VALUES (?, ?, ?)";

const FOUND: &str = "SELECT s.id, s.owner, s.attempt, s.expires_at, COALESCE(e.outcome, 0)";

/// The statements that are prepared once for a connection.
pub(super) struct Log<'connection> {
    begin: Statement<'connection>,
    commit: Statement<'connection>,
    start: Statement<'connection>,
    end: Statement<'connection>,
    find_row: Statement<'connection>,
    find_older: Statement<'connection>,
    delete_start: Statement<'connection>,
    delete_end: Statement<'connection>,
    connection: &'connection Connection,
    index: &'connection Index,
    /// Behind the last slice.
    first: i64,
    next: i64,
    /// Whether a commit is on the disk when it returns.
    is_durable: bool,
}

/// A row that was found for a key.
struct Earlier {
    row: i64,
    owner: Vec<u8>,
    attempt: i64,
    expires_at: i64,
    outcome: i64,
}

impl<'connection> Log<'connection> {
    /// Reads where the log begins and ends. Then its full slices are to be
    /// [sealed](Self::seal), and the rest [read](Self::read_latest).
    pub(super) fn open(
        connection: &'connection Connection,
        index: &'connection Index,
    ) -> rusqlite::Result<Self> {
        let mut log = Self {
            begin: connection.prepare("BEGIN IMMEDIATE")?,
            commit: connection.prepare("COMMIT")?,
            start: connection.prepare(START)?,
            end: connection.prepare(END)?,
            find_row: connection.prepare(&format!(
                "{FOUND} FROM ledger_starts AS s LEFT JOIN ledger_ends AS e ON e.id = s.id \
                 WHERE s.id = ?3 AND s.request = ?1 AND s.tenant = ?2"
            ))?,
            find_older: connection.prepare(&format!(
                "{FOUND} FROM ledger_slices AS l \
                 CROSS JOIN ledger_keys AS k ON k.slice = l.slice AND k.request = ?1 \
                 CROSS JOIN ledger_starts AS s ON s.id = k.id AND s.request = ?1 AND s.tenant = ?2 \
                 LEFT JOIN ledger_ends AS e ON e.id = s.id ORDER BY s.id DESC LIMIT 1"
            ))?,
            delete_start: connection.prepare("DELETE FROM ledger_starts WHERE id = ?")?,
            delete_end: connection.prepare("DELETE FROM ledger_ends WHERE id = ?")?,
            connection,
            index,
            first: 0,
            next: 0,
            is_durable: false,
        };
        log.flush_commits(true)?;
        log.read_ends()?;
        Ok(log)
    }

    pub(super) fn begin(&mut self) -> rusqlite::Result<()> {
        self.begin.execute([]).map(drop)
    }

    pub(super) fn commit(&mut self) -> rusqlite::Result<()> {
        self.commit.execute([]).map(drop)
    }

    /// Whether the next commits are flushed to the disk. Otherwise they are in the hands of the
    /// operating system when they return: the end of the process loses nothing, a power cut may,
    /// and the next commit that is flushed flushes them too.
    pub(super) fn flush_commits(&mut self, is_durable: bool) -> rusqlite::Result<()> {
        if self.is_durable != is_durable {
            let level = if is_durable { "FULL" } else { "NORMAL" };
            self.connection
                .execute_batch(&format!("PRAGMA synchronous = {level}"))?;
            self.is_durable = is_durable;
        }
        Ok(())
    }

    /// Where the log begins and ends.
    fn read_ends(&mut self) -> rusqlite::Result<()> {
        let last = "SELECT COALESCE(MAX(last_id), 0) FROM ledger_slices";
        let sealed: i64 = self.connection.query_row(last, [], |row| row.get(0))?;
        let last = "SELECT MAX(COALESCE((SELECT MAX(id) FROM ledger_starts), 0), \
                    COALESCE((SELECT MAX(id) FROM ledger_ends), 0))";
        let last: i64 = self.connection.query_row(last, [], |row| row.get(0))?;
        self.first = sealed + 1;
        // No number is used again: what comes late must not match another call.
        self.next = self.next.max(sealed.max(last) + 1);
        Ok(())
    }

    /// Reads what is behind the last slice into the index. The keys are new to it if an earlier
    /// process has written them.
    pub(super) fn read_latest(&mut self, are_new: bool) -> rusqlite::Result<()> {
        let mut latest = Latest::new();
        let rows = "SELECT id, request, tenant, owner, attempt FROM ledger_starts WHERE id >= ? ORDER BY id";
        let mut rows = self.connection.prepare(rows)?;
        let mut rows = rows.query([self.first])?;
        while let Some(row) = rows.next()? {
            // Nobody can ask for a key that is none.
            if let Some((id, place)) = key(row)? {
                if are_new {
                    self.index.known.note(&id.request, place.row);
                }
                latest.insert(id, place);
            }
        }
        self.index.replace(Some(latest));
        Ok(())
    }

    /// Writes that a call is about to be sent, unless its row may not be replaced: it has not
    /// expired, and is not of this attempt or of the one that it replaces.
    pub(super) fn start(
        &mut self,
        start: &Start,
        owner: Uuid,
        (now, expires_at): (i64, i64),
    ) -> rusqlite::Result<bool> {
        if let Some(earlier) = self.find(&start.id)? {
            let is_own = earlier.owner == owner.as_bytes()
                && (earlier.attempt == start.attempt || Some(earlier.attempt) == start.replaces)
                && earlier.outcome != 1;
            if earlier.outcome != 3 && earlier.expires_at > now && !is_own {
                return Ok(false);
            }
            self.delete_start.execute([earlier.row])?;
            self.delete_end.execute([earlier.row])?;
        }
        let row = self.next;
        self.start.execute((
            row,
            &start.id.request.as_bytes()[..],
            start.id.tenant.as_str(),
            &start.fingerprint[..],
            &owner.as_bytes()[..],
            start.attempt,
            now,
            expires_at,
        ))?;
        self.next += 1;
        let attempt = start.attempt;
        let place = Place {
            row,
            owner,
            attempt,
        };
        self.index.note(start.id.clone(), place);
        Ok(true)
    }

    /// Writes the outcome of an attempt, if the row is still of that attempt.
    pub(super) fn end(&mut self, end: &End, owner: Uuid) -> rusqlite::Result<()> {
        let row = match self.index.find(&end.id) {
            Found::Latest(place) => {
                (place.owner == owner && place.attempt == end.attempt).then_some(place.row)
            }
            Found::Older | Found::Lost => {
                let found = self.find(&end.id)?;
                let is_its = |found: &Earlier| {
                    found.owner == owner.as_bytes() && found.attempt == end.attempt
                };
                found.filter(is_its).map(|found| found.row)
            }
        };
        if let Some(row) = row {
            let (outcome, answer) = match &end.outcome {
                Outcome::Answered(answer) => (1, Some(answer.as_str())),
                Outcome::Unknown => (2, None),
                Outcome::NotExecuted => (3, None),
            };
            self.end.execute((row, outcome, answer))?;
        }
        Ok(())
    }

    /// Sets a call to unknown that an earlier process has left.
    pub(super) fn abandon(&mut self, id: &Id, owner: Uuid) -> rusqlite::Result<bool> {
        let found = self.find(id)?;
        let found = found.filter(|found| found.owner == owner.as_bytes() && found.outcome == 0);
        if let Some(found) = &found {
            self.end.execute((found.row, 2, None::<&str>))?;
        }
        Ok(found.is_some())
    }

    fn find(&mut self, id: &Id) -> rusqlite::Result<Option<Earlier>> {
        let (request, tenant) = (&id.request.as_bytes()[..], id.tenant.as_str());
        if let Found::Latest(place) = self.index.find(id) {
            let found = self
                .find_row
                .query_row((request, tenant, place.row), earlier);
            return found.optional();
        }
        if self.index.known.is_new(&id.request) {
            return Ok(None);
        }
        self.find_older
            .query_row((request, tenant), earlier)
            .optional()
    }

    /// Whether a slice is full.
    pub(super) fn is_full(&self) -> bool {
        self.next - self.first >= SLICE
    }

    /// Writes the keys of a full slice, in a transaction. When it is committed, the
    /// [latest](Self::read_latest) calls are to be read.
    pub(super) fn seal(&mut self) -> rusqlite::Result<()> {
        let last = self.first + SLICE - 1;
        let range = [self.first, last];
        self.connection.execute(
            "INSERT INTO ledger_slices (slice, first_id, last_id, expires_at) \
             SELECT COALESCE((SELECT MAX(slice) FROM ledger_slices), 0) + 1, ?1, ?2, \
             COALESCE((SELECT MAX(expires_at) FROM ledger_starts WHERE id BETWEEN ?1 AND ?2), 0)",
            range,
        )?;
        self.connection.execute(
            "INSERT INTO ledger_keys (slice, request, id) \
             SELECT (SELECT MAX(slice) FROM ledger_slices), request, id FROM ledger_starts \
             WHERE id BETWEEN ?1 AND ?2 ORDER BY request, id",
            range,
        )?;
        self.first = last + 1;
        Ok(())
    }

    /// Deletes expired rows, at most so many, and returns their number.
    pub(super) fn clean(&mut self, now: i64, most: u32) -> rusqlite::Result<u64> {
        let mut deleted = 0;
        let expired =
            "SELECT slice, first_id, last_id FROM ledger_slices WHERE expires_at <= ? LIMIT 1";
        let mut expired = self.connection.prepare(expired)?;
        while deleted < most {
            let slice = expired.query_row([now], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)));
            let Some((slice, first, last)) = slice.optional()? else {
                break;
            };
            deleted += self.clean_slice(slice, (first, last), most - deleted)?;
        }
        let latest = "DELETE FROM ledger_starts WHERE id IN \
             (SELECT s.id FROM ledger_starts AS s LEFT JOIN ledger_ends AS e ON e.id = s.id \
             WHERE s.id >= ?1 AND (s.expires_at <= ?2 OR e.outcome = 3) LIMIT ?3) RETURNING id";
        let mut latest = self.connection.prepare(latest)?;
        let rows = latest.query_map((self.first, now, most - deleted), |row| row.get(0))?;
        let rows: Vec<i64> = rows.collect::<rusqlite::Result<_>>()?;
        for row in rows {
            self.delete_end.execute([row])?;
            deleted += 1;
        }
        let first = "SELECT COALESCE(MIN(id), ?) FROM ledger_starts";
        let first = self
            .connection
            .query_row(first, [self.next], |row| row.get(0))?;
        self.index.known.forget_before(first);
        Ok(deleted.into())
    }

    /// Deletes rows of a slice that has expired, and the slice with the last of them.
    fn clean_slice(
        &mut self,
        slice: i64,
        (first, last): (i64, i64),
        most: u32,
    ) -> rusqlite::Result<u32> {
        let some = "SELECT COALESCE(MAX(id), ?2) FROM \
             (SELECT id FROM ledger_starts WHERE id BETWEEN ?1 AND ?2 ORDER BY id LIMIT ?3)";
        let upto: i64 = self
            .connection
            .query_row(some, (first, last, most), |row| row.get(0))?;
        let ends = "DELETE FROM ledger_ends WHERE id BETWEEN ? AND ?";
        self.connection.execute(ends, [first, upto])?;
        let starts = "DELETE FROM ledger_starts WHERE id BETWEEN ? AND ?";
        let deleted = self.connection.execute(starts, [first, upto])?;
        let deleted = u32::try_from(deleted).unwrap_or(u32::MAX);
        if deleted < most {
            let keys = "DELETE FROM ledger_keys WHERE slice = ?";
            self.connection.execute(keys, [slice])?;
            let slices = "DELETE FROM ledger_slices WHERE slice = ?";
            self.connection.execute(slices, [slice])?;
        }
        Ok(deleted)
    }

    /// Notes the keys of slices behind this row, at most so many. Returns the last one's row;
    /// `None` if there is no more.
    pub(super) fn note_older(
        &self,
        (slice, request): &(i64, Vec<u8>),
        most: u32,
    ) -> rusqlite::Result<Option<(i64, Vec<u8>)>> {
        let keys = "SELECT slice, request, id FROM ledger_keys WHERE (slice, request) > (?, ?) \
             ORDER BY slice, request LIMIT ?";
        let mut keys = self.connection.prepare(keys)?;
        let mut keys = keys.query((slice, request, most))?;
        let mut last = None;
        while let Some(key) = keys.next()? {
            let (slice, request, row): (i64, Vec<u8>, i64) =
                (key.get(0)?, key.get(1)?, key.get(2)?);
            if let Ok(request) = Uuid::from_slice(&request) {
                self.index.known.note(&request, row);
            }
            last = Some((slice, request));
        }
        Ok(last)
    }
}

fn earlier(row: &Row<'_>) -> rusqlite::Result<Earlier> {
    Ok(Earlier {
        row: row.get(0)?,
        owner: row.get(1)?,
        attempt: row.get(2)?,
        expires_at: row.get(3)?,
        outcome: row.get(4)?,
    })
}

/// The key of a row, and its place; `None` if the key is damaged.
fn key(row: &Row<'_>) -> rusqlite::Result<Option<(Id, Place)>> {
    let (request, owner): (Vec<u8>, Vec<u8>) = (row.get(1)?, row.get(3)?);
    // As bytes: a damaged text is no reason not to start.
    let tenant = std::str::from_utf8(row.get_ref(2)?.as_bytes()?);
    let tenant = tenant.map(bitrix24::TenantId::parse);
    let (Ok(Ok(tenant)), Ok(request)) = (tenant, Uuid::from_slice(&request)) else {
        return Ok(None);
    };
    let place = Place {
        row: row.get(0)?,
        owner: Uuid::from_slice(&owner).unwrap_or_default(),
        attempt: row.get(4)?,
    };
    Ok(Some((Id { tenant, request }, place)))
}

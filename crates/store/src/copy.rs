//! Copies a store into another database, row by row and as the rows are: no secret is opened, and
//! no keyring is needed.
//!
//! A copy goes through the tables in the order of their keys, page by page. A page of the target
//! that is equal already is left alone, so a copy that was broken off is begun again and goes on
//! where it stood. At the end both sides are read once more, and their digests are compared.

mod marker;
mod rows;
mod side;
mod tables;

use std::fmt;

use thiserror::Error;

use self::rows::{Copied, Key};
use self::side::Side;
use self::tables::{Call, Deleted, Lease, WeeklyLimit};
use crate::error::{OpenError, StoreError};
use crate::row::Row;
use crate::url::StoreUrl;

/// A copy that is about to run. Nobody else can use an SQLite file of it meanwhile.
#[derive(Debug)]
pub struct StoreCopy {
    from: Side,
    to: Side,
    is_resumed: bool,
    /// Calls whose record has expired by then are left out, in milliseconds since 1970.
    at: i64,
}

/// Why a store was not copied. The target is not used by a service then.
#[derive(Debug, Error)]
pub enum CopyError {
    /// The source cannot be opened.
    #[error("cannot open the store to copy from")]
    From(#[source] OpenError),
    /// The target cannot be opened.
    #[error("cannot open the store to copy to")]
    To(#[source] OpenError),
    /// Services run on one of the two databases.
    #[error(
        "services run on {0} ({1}): what they store meanwhile would be lost. Stop them first; one that was killed \
         counts for a minute"
    )]
    InUse(String, String),
    /// The target has rows, and no copy was broken off there.
    #[error("{0} is not empty; give an empty database, or a file that does not exist")]
    NotEmpty(String),
    /// The target has part of a copy of another store.
    #[error(
        "{to} has part of a copy from {from}, which was broken off; give that one, or empty the database first"
    )]
    OtherSource {
        /// The target.
        to: String,
        /// The store whose copy was broken off.
        from: String,
    },
    /// The two sides differ in a table.
    #[error(
        "the copy of {0} differs from its source, so something writes to one of them; run the command again"
    )]
    Differs(&'static str),
    /// The source fails.
    #[error("cannot read {0}")]
    Read(String, #[source] StoreError),
    /// The target fails.
    #[error("cannot write {0}")]
    Write(String, #[source] StoreError),
}

/// A table on both sides, after a copy.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CopiedTable {
    /// What its rows are.
    pub what: &'static str,
    /// Their number, on both sides.
    pub rows: u64,
    /// Those that had to be written.
    pub written: u64,
    /// SHA-256 of the rows, on both sides.
    pub digest: [u8; 32],
}

/// A step of a copy.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CopyStep {
    /// Rows are copied.
    Copy,
    /// Both sides are read once more.
    Compare,
}

impl StoreCopy {
    /// Opens both stores. The target is created if it does not exist.
    ///
    /// # Errors
    ///
    /// One of them cannot be opened, services run on one of them, or the target has something
    /// already that is not part of this copy.
    pub async fn open(from: &StoreUrl, to: &StoreUrl) -> Result<Self, CopyError> {
        let from = Side::source(from).await.map_err(CopyError::From)?;
        let to = Side::target(to).await.map_err(CopyError::To)?;
        for side in [&from, &to] {
            side.is_free().await?;
        }
        let is_resumed = marker::begin(&from, &to).await?;
        let at = from.now().await.map_err(|error| from.unread(error))?;
        Ok(Self {
            from,
            to,
            is_resumed,
            at,
        })
    }

    /// Whether this goes on with a copy that was broken off.
    pub fn is_resumed(&self) -> bool {
        self.is_resumed
    }

    /// Copies everything, compares both sides, and lets services use the target.
    ///
    /// # Errors
    ///
    /// A database failed, or the sides differ. The target stays unusable for services; running the
    /// copy again goes on.
    pub async fn run(
        &self,
        mut told: impl FnMut(CopyStep, u64, u64),
    ) -> Result<Vec<CopiedTable>, CopyError> {
        let counts = [
            self.count::<Row>().await?,
            self.count::<Deleted>().await?,
            self.count::<Lease>().await?,
            self.count::<Call>().await?,
            self.count::<WeeklyLimit>().await?,
        ];
        let all = counts.iter().sum();
        let mut done = 0;
        let mut copied = |rows| {
            done += rows;
            told(CopyStep::Copy, done, all);
        };
        let written = [
            self.copy::<Row>(&mut copied).await?,
            self.copy::<Deleted>(&mut copied).await?,
            self.copy::<Lease>(&mut copied).await?,
            self.copy::<Call>(&mut copied).await?,
            self.copy::<WeeklyLimit>(&mut copied).await?,
        ];
        self.copy_counter().await?;
        let mut done = 0;
        let mut compared = |rows| {
            done += rows;
            told(CopyStep::Compare, done, all);
        };
        let [tenants, deleted, leases, calls, limits] = written;
        let tables = vec![
            self.compare::<Row>(tenants, &mut compared).await?,
            self.compare::<Deleted>(deleted, &mut compared).await?,
            self.compare::<Lease>(leases, &mut compared).await?,
            self.compare::<Call>(calls, &mut compared).await?,
            self.compare::<WeeklyLimit>(limits, &mut compared).await?,
        ];
        // A service that came meanwhile.
        for side in [&self.from, &self.to] {
            side.is_free().await?;
        }
        marker::end(&self.to).await?;
        Ok(tables)
    }

    async fn count<T: Copied>(&self) -> Result<u64, CopyError> {
        let count = self.from.count::<T>(self.at).await;
        count.map_err(|error| self.from.unread(error))
    }

    /// Makes the rows of the target those of the source. Returns how many were written.
    async fn copy<T: Copied>(&self, told: &mut impl FnMut(u64)) -> Result<u64, CopyError> {
        let (from, to) = (&self.from, &self.to);
        let sorted = from.sort::<T>(Some(self.at)).await;
        sorted.map_err(|error| from.unread(error))?;
        let sorted = to.sort::<T>(None).await;
        sorted.map_err(|error| to.unwritten(error))?;
        let mut written = 0;
        let mut after = Key::default();
        loop {
            let rows = from.page::<T>(&after, self.at).await;
            let rows = rows.map_err(|error| from.unread(error))?;
            let number = rows.len();
            // The last page covers all that is behind it in the target.
            let last = rows.last().filter(|_| number == T::PAGE).map(Copied::key);
            let present = to.range::<T>(&after, last.as_ref()).await;
            let present = present.map_err(|error| to.unwritten(error))?;
            if !rows
                .iter()
                .map(Copied::digest)
                .eq(present.iter().map(Copied::digest))
            {
                written += u64::try_from(number).unwrap_or(u64::MAX);
                let has_others = !present.is_empty();
                let replaced = to.replace(&after, last.as_ref(), has_others, rows).await;
                replaced.map_err(|error| to.unwritten(error))?;
            }
            told(u64::try_from(number).unwrap_or(u64::MAX));
            match last {
                Some(last) => after = last,
                None => return Ok(written),
            }
        }
    }

    async fn copy_counter(&self) -> Result<(), CopyError> {
        let last = self.from.last_change().await;
        let last = last.map_err(|error| self.from.unread(error))?;
        let set = self.to.set_last_change(last).await;
        set.map_err(|error| self.to.unwritten(error))
    }

    async fn compare<T: Copied>(
        &self,
        written: u64,
        told: &mut impl FnMut(u64),
    ) -> Result<CopiedTable, CopyError> {
        let (from, to) = (&self.from, &self.to);
        let source = from.digest::<T>(self.at, told).await;
        let source = source.map_err(|error| from.unread(error))?;
        let target = to.digest::<T>(self.at, &mut |_| ()).await;
        let target = target.map_err(|error| to.unwritten(error))?;
        let counters = [from.last_change().await, to.last_change().await];
        let [Ok(one), Ok(other)] = counters else {
            return Err(CopyError::Differs("the counter of changes"));
        };
        if source != target || one != other {
            return Err(CopyError::Differs(T::WHAT));
        }
        let (rows, digest) = source;
        Ok(CopiedTable {
            what: T::WHAT,
            rows,
            written,
            digest,
        })
    }
}

impl fmt::Display for CopiedTable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let digest = self.digest.iter().map(|byte| format!("{byte:02x}"));
        let digest: String = digest.collect();
        let Self {
            what,
            rows,
            written,
            digest: _,
        } = self;
        write!(
            f,
            "{what}: {rows} on both sides, {written} written, SHA-256 {digest}"
        )
    }
}

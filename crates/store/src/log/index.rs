//! What is in memory of the ledger's keys.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use uuid::Uuid;

use super::known::Known;
use crate::record::Id;

#[derive(Debug, Default)]
pub(super) struct Index {
    pub(super) known: Known,
    latest: Mutex<Option<Latest>>,
}

/// The latest calls: those behind the last slice.
pub(super) type Latest = HashMap<Id, Place>;

/// The latest row of a call, and the attempt that it is of.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Place {
    pub(crate) row: i64,
    pub(super) owner: Uuid,
    pub(super) attempt: i64,
}

/// Where a row is.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Found {
    /// In this row, if it was not deleted.
    Latest(Place),
    /// In a slice or nowhere.
    Older,
    /// It is not known: the database has failed, and was not read since.
    Lost,
}

impl Index {
    /// Where the row of a call is.
    pub(super) fn find(&self, id: &Id) -> Found {
        match self.lock().as_ref() {
            Some(latest) => latest
                .get(id)
                .map_or(Found::Older, |place| Found::Latest(*place)),
            None => Found::Lost,
        }
    }

    pub(super) fn note(&self, id: Id, place: Place) {
        self.known.note(&id.request, place.row);
        if let Some(latest) = self.lock().as_mut() {
            latest.insert(id, place);
        }
    }

    /// What the database has, or that it is not known.
    pub(super) fn replace(&self, latest: Option<Latest>) {
        *self.lock() = latest;
    }

    fn lock(&self) -> MutexGuard<'_, Option<Latest>> {
        self.latest.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

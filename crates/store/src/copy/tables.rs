//! The tables that are copied.
//!
//! Not copied are `replicas`, whose rows are the heartbeats of processes that were stopped, and
//! `portal_accounts`, which replicas build anew within seconds: what a portal's bucket holds is
//! forgotten by the portal itself in less than a minute.

use sha2::Sha256;
use sqlx::query::Query;
use sqlx::{Database, FromRow, Postgres, Sqlite};

use super::rows::{Bind, Copied, Key};
use crate::fed::Fed;
use crate::row::{Row, columns};

/// A row with its columns, from one list.
macro_rules! copied {
    (
        $(#[$about:meta])*
        $Name:ident of $table:literal, $what:literal, by $keys:tt
        $(, until $expiry:ident)? $(; $unsorted:ident)? {
            $($column:ident: $kind:ty,)+
        }
    ) => {
        $(#[$about])*
        pub(super) struct $Name {
            $($column: $kind,)+
        }

        impl<'r, R: sqlx::Row> FromRow<'r, R> for $Name
        where
            &'static str: sqlx::ColumnIndex<R>,
            $($kind: sqlx::Decode<'r, R::Database> + sqlx::Type<R::Database>,)+
        {
            fn from_row(row: &'r R) -> sqlx::Result<Self> {
                Ok(Self {
                    $($column: row.try_get(stringify!($column))?,)+
                })
            }
        }

        copied!(@bind $Name, Sqlite, $($column),+);
        copied!(@bind $Name, Postgres, $($column),+);

        impl Copied for $Name {
            const WHAT: &'static str = $what;
            const TABLE: &'static str = $table;
            const KEYS: &'static [&'static str] = copied!(@keys $keys);
            $(const EXPIRY: Option<&'static str> = Some(stringify!($expiry));)?
            $(copied!(@$unsorted);)?

            fn columns() -> Vec<&'static str> {
                vec![$(stringify!($column)),+]
            }

            fn key(&self) -> Key {
                copied!(@key self, $keys)
            }

            fn feed(&self, digest: &mut Sha256) {
                $(self.$column.feed(digest);)+
            }
        }
    };
    (@bind $Name:ident, $Database:ident, $($column:ident),+) => {
        impl Bind<$Database> for $Name {
            fn bind_to(
                self,
                query: Query<'_, $Database, <$Database as Database>::Arguments>,
            ) -> Query<'_, $Database, <$Database as Database>::Arguments> {
                $(let query = query.bind(self.$column);)+
                query
            }
        }
    };
    (@unsorted) => { const IS_SORTED: bool = false; };
    (@keys ($key:ident)) => { &[stringify!($key)] };
    (@keys ($key:ident, $other:ident)) => { &[stringify!($key), stringify!($other)] };
    (@key $row:ident, ($key:ident)) => { ($row.$key.clone(), String::new()) };
    (@key $row:ident, ($key:ident, $other:ident)) => { ($row.$key.clone(), $row.$other.clone()) };
}

copied! {
    /// What is left of a tenant that was deleted: a late event must not bring it back, and its
    /// numbers must not be given again.
    Deleted of "deleted_tenants", "deleted tenants", by (id) {
        id: String,
        revision: i64,
        generation: i64,
        change_number: i64,
        deleted_at: i64,
        client_id: Option<String>,
        member_id: Option<String>,
        last_event: Option<i64>,
    }
}

copied! {
    /// A refresh that was open when its process ended: the next one tells it to the operator if the
    /// tokens turn out to be lost.
    Lease of "refresh_leases", "open refreshes", by (tenant_id) {
        tenant_id: String,
        owner: String,
        expires_at: i64,
        generation: Option<i64>,
    }
}

copied! {
    /// A call with an idempotency key. One that was in flight keeps its owner, who is gone, and so
    /// becomes unknown.
    Call of "ledger", "calls with an idempotency key", by (tenant_id, request_id), until expires_at;
    unsorted {
        tenant_id: String,
        request_id: String,
        fingerprint: Vec<u8>,
        state: String,
        answer: Option<String>,
        owner: String,
        attempt: i64,
        started_at: i64,
        expires_at: i64,
    }
}

copied! {
    /// What a portal said of its weekly limit: without it the portal would be asked once more.
    WeeklyLimit of "weekly_limits", "weekly limits", by (subject), until expires_at {
        subject: String,
        accepted_at: Option<i64>,
        refused_at: Option<i64>,
        expires_at: i64,
    }
}

impl Bind<Sqlite> for Row {
    fn bind_to(
        self,
        query: Query<'_, Sqlite, <Sqlite as Database>::Arguments>,
    ) -> Query<'_, Sqlite, <Sqlite as Database>::Arguments> {
        self.bind(query)
    }
}

impl Bind<Postgres> for Row {
    fn bind_to(
        self,
        query: Query<'_, Postgres, <Postgres as Database>::Arguments>,
    ) -> Query<'_, Postgres, <Postgres as Database>::Arguments> {
        self.bind(query)
    }
}

impl Copied for Row {
    const WHAT: &'static str = "tenants";
    const TABLE: &'static str = "tenants";
    /// Of 33 columns each.
    const PAGE: usize = 200;
    const KEYS: &'static [&'static str] = &["id"];

    fn columns() -> Vec<&'static str> {
        columns!().split(", ").collect()
    }

    fn key(&self) -> Key {
        (self.id.clone(), String::new())
    }

    fn feed(&self, digest: &mut Sha256) {
        self.feed_columns(digest);
    }
}

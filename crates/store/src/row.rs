//! The rows of the table `tenants`, with sealed secrets.

mod open;
mod seal;

use sha2::Sha256;
use sqlx::query::Query;
use sqlx::{ColumnIndex, Database, Decode, Encode, FromRow, Type};

use bitrix24::TenantId;

use crate::changes::tenant_id;
use crate::error::StoreError;
use crate::fed::Fed as _;
use crate::sealing::Destination;
use crate::stored::Origin;

/// Generates the row, its column list, and how it is read and bound, from one list. Written by
/// hand, because the derive macro of sqlx would compile both of its databases a second time.
macro_rules! row {
    ($first:ident: $of_first:ty, $($column:ident: $kind:ty,)+) => {
        /// A row, in the order of its columns.
        #[derive(Clone)]
        pub(crate) struct Row {
            pub(crate) $first: $of_first,
            $(pub(crate) $column: $kind,)+
        }

        impl<'r, R: sqlx::Row> FromRow<'r, R> for Row
        where
            &'static str: ColumnIndex<R>,
            $of_first: Decode<'r, R::Database> + Type<R::Database>,
            $($kind: Decode<'r, R::Database> + Type<R::Database>,)+
        {
            fn from_row(row: &'r R) -> sqlx::Result<Self> {
                Ok(Self {
                    $first: row.try_get(stringify!($first))?,
                    $($column: row.try_get(stringify!($column))?,)+
                })
            }
        }

        impl Row {
            /// Binds the columns to the parameters of [`values!`].
            pub(crate) fn bind<D: Database>(
                self,
                query: Query<'_, D, D::Arguments>,
            ) -> Query<'_, D, D::Arguments>
            where
                $of_first: for<'q> Encode<'q, D> + Type<D>,
                $($kind: for<'q> Encode<'q, D> + Type<D>,)+
            {
                let query = query.bind(self.$first);
                $(let query = query.bind(self.$column);)+
                query
            }
        }

        impl Row {
            /// Tells all columns to a digest.
            pub(crate) fn feed_columns(&self, digest: &mut Sha256) {
                self.$first.feed(digest);
                $(self.$column.feed(digest);)+
            }
        }

        /// The columns, in the order of [`Row`].
        macro_rules! columns {
            () => {
                concat!(stringify!($first), $(", ", stringify!($column)),+)
            };
        }
        pub(crate) use columns;
    };
}

row! {
    id: String,
    display_name: String,
    portal: String,
    member_id: Option<String>,
    credentials: String,
    webhook_user_id: Option<i64>,
    webhook_secret: Option<Vec<u8>>,
    client_id: Option<String>,
    client_secret: Option<Vec<u8>>,
    authorization_server: Option<String>,
    application_token: Option<Vec<u8>>,
    scopes: String,
    access_token: Option<Vec<u8>>,
    access_token_expires_at: Option<i64>,
    refresh_token: Option<Vec<u8>>,
    generation: i64,
    disabled: bool,
    reauthorization_cause: Option<String>,
    reauthorization_since: Option<i64>,
    origin: String,
    file_fingerprint: Option<Vec<u8>>,
    sealing_key: Option<String>,
    sealed_values: i64,
    revision: i64,
    change_number: i64,
    created_at: i64,
    updated_at: i64,
    plan: Option<String>,
    plan_burst: Option<i64>,
    plan_per_second: Option<f64>,
    last_event: Option<i64>,
    sealed_form: i64,
    witness: Option<Vec<u8>>,
}

/// A parameter for each column.
macro_rules! values {
    () => {
        "$1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18, $19, $20, \
         $21, $22, $23, $24, $25, $26, $27, $28, $29, $30, $31, $32, $33"
    };
}

pub(crate) use values;

/// The columns that only the store decides.
#[derive(Clone, Copy)]
pub(crate) struct Version {
    pub(crate) revision: i64,
    pub(crate) generation: i64,
    pub(crate) change_number: i64,
    /// In milliseconds since 1970.
    pub(crate) created_at: i64,
    /// In milliseconds since 1970.
    pub(crate) updated_at: i64,
}

/// Names in the column `credentials`.
const WEBHOOK: &str = "webhook";
const APPLICATION: &str = "application";
/// The plan with its own burst and rate, in the column `plan`.
const OWN: &str = "own";

impl Row {
    pub(crate) fn version(&self) -> Version {
        Version {
            revision: self.revision,
            generation: self.generation,
            change_number: self.change_number,
            created_at: self.created_at,
            updated_at: self.updated_at,
        }
    }

    /// Where the row's secrets go.
    pub(crate) fn destination(&self) -> Destination<'_> {
        Destination {
            portal: &self.portal,
            member_id: self.member_id.as_deref(),
            credentials: &self.credentials,
            webhook_user_id: self.webhook_user_id,
            client_id: self.client_id.as_deref(),
            authorization_server: self.authorization_server.as_deref(),
        }
    }

    pub(crate) fn tenant_id(&self) -> Result<TenantId, StoreError> {
        tenant_id(&self.id)
    }
}

pub(crate) fn origin_name(origin: Origin) -> &'static str {
    match origin {
        Origin::File => "file",
        Origin::Api => "api",
        Origin::Installation => "installation",
    }
}

//! A store for one test, of each kind, and what to put into it.
//!
//! A test is written once, for any store, and [`on_both_stores!`] makes two of it:
//!
//! ```ignore
//! on_both_stores!(a_tenant_is_kept);
//!
//! async fn a_tenant_is_kept(stores: Stores) {
//!     let store = stores.open(&stores::keyring()).await;
//!     store.create(&stores::application("acme")).await.unwrap();
//! }
//! ```
//!
//! They are called `…::sqlite::a_tenant_is_kept` and `…::postgresql::a_tenant_is_kept`. The second
//! one needs a server, which `.ci/postgres cargo test` starts.

use std::convert::Infallible;
use std::io::Write;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use bitrix24::{ClientId, MemberId};
use bitrix24::{Plan, RateLimit, TenantId};
use jiff::Timestamp;
use secrecy::{ExposeSecret, SecretString};
use sqlx::{AssertSqlSafe, Connection, PgConnection, SqliteConnection};
use store::sealing::{Key, Keyring};
use store::{
    Access, OpenError, Origin, Reauthorization, Store, StoreUrl, StoredApplication,
    StoredCredentials, StoredTenant,
};
use tempfile::TempDir;
use uuid::Uuid;

/// Names the server for the tests, with a user who may create databases.
const SERVER: &str = "OPENLINES_TEST_POSTGRES_URL";

/// How long to wait for a file that a process of before still has.
const TAKEN: Duration = Duration::from_secs(20);

/// An empty database of one test. It is gone with this value, or with the test's server.
pub(crate) struct Stores {
    kind: Kind,
    url: String,
}

enum Kind {
    Sqlite { folder: TempDir },
    Postgresql,
}

/// Makes two tests of each function that takes [`Stores`]: in the module `sqlite` and in the module
/// `postgresql`.
macro_rules! on_both_stores {
    ($($test:ident),+ $(,)?) => {
        mod sqlite {
            use $crate::support::stores::Stores;
            $(
                #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
                async fn $test() {
                    super::$test(Stores::sqlite()).await;
                }
            )+
        }
        mod postgresql {
            use $crate::support::stores::Stores;
            $(
                #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
                async fn $test() {
                    if let Some(stores) = Stores::postgresql().await {
                        super::$test(stores).await;
                    }
                }
            )+
        }
    };
}

pub(crate) use on_both_stores;

impl Stores {
    /// A place for an SQLite file, which does not exist yet.
    pub(crate) fn sqlite() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let url = format!("sqlite:{}", folder.path().join("openlines.db").display());
        let kind = Kind::Sqlite { folder };
        Self { kind, url }
    }

    /// A PostgreSQL database of its own, without tables. None if there is no server: then a line on
    /// standard error says which test did not run, and in CI the test fails.
    pub(crate) async fn postgresql() -> Option<Self> {
        let Some(server) = variable(SERVER) else {
            let in_ci = variable("CI").is_some_and(|value| value == "true");
            assert!(
                !in_ci,
                "{SERVER} is not set: run the tests with .ci/postgres"
            );
            report_skipped();
            return None;
        };
        let name = format!("openlines_test_{}", Uuid::new_v4().simple());
        let mut connection = PgConnection::connect(&server).await.unwrap();
        let create = AssertSqlSafe(format!("CREATE DATABASE {name}"));
        sqlx::query(create).execute(&mut connection).await.unwrap();
        connection.close().await.unwrap();
        let (start, _) = server.rsplit_once('/').unwrap();
        Some(Self {
            kind: Kind::Postgresql,
            url: format!("{start}/{name}"),
        })
    }

    /// The URL, for a real process. It may hold a password.
    pub(crate) fn url(&self) -> &str {
        &self.url
    }

    /// Whether several processes may use it.
    pub(crate) fn is_shared(&self) -> bool {
        matches!(self.kind, Kind::Postgresql)
    }

    /// The SQLite file.
    pub(crate) fn file(&self) -> Option<PathBuf> {
        match &self.kind {
            Kind::Sqlite { folder } => Some(folder.path().join("openlines.db")),
            Kind::Postgresql => None,
        }
    }

    /// Opens it as a service does. On PostgreSQL each further call is another replica.
    ///
    /// A file that somebody has is waited for: a process that another test starts has all files of
    /// this one for the instant before it becomes another program.
    pub(crate) async fn open(&self, keyring: &Keyring) -> Store {
        let begun = Instant::now();
        loop {
            match self.try_open(keyring, Access::Service).await {
                Ok(store) => return store,
                Err(OpenError::Taken(_)) if begun.elapsed() < TAKEN => {
                    tokio::time::sleep(Duration::from_millis(20)).await;
                }
                Err(error) => panic!("{error}: {error:?}"),
            }
        }
    }

    /// Opens it beside the service.
    pub(crate) async fn try_open(
        &self,
        keyring: &Keyring,
        access: Access,
    ) -> Result<Store, OpenError> {
        let url = StoreUrl::parse(&self.url).unwrap();
        Store::open(&url, keyring.clone(), access).await
    }

    /// Runs a statement past the store, and returns how many rows it touched.
    pub(crate) async fn execute(&self, statement: &str) -> u64 {
        let query = sqlx::raw_sql(AssertSqlSafe(statement.to_owned()));
        if self.is_shared() {
            let mut connection = PgConnection::connect(&self.url).await.unwrap();
            let done = query.execute(&mut connection).await.unwrap();
            done.rows_affected()
        } else {
            let mut connection = SqliteConnection::connect(&self.url).await.unwrap();
            let done = query.execute(&mut connection).await.unwrap();
            done.rows_affected()
        }
    }

    /// The first column of what a query finds, as texts.
    pub(crate) async fn texts(&self, query: &str) -> Vec<String> {
        let query = AssertSqlSafe(query.to_owned());
        if self.is_shared() {
            let mut connection = PgConnection::connect(&self.url).await.unwrap();
            let query = sqlx::query_scalar(query);
            query.fetch_all(&mut connection).await.unwrap()
        } else {
            let mut connection = SqliteConnection::connect(&self.url).await.unwrap();
            let query = sqlx::query_scalar(query);
            query.fetch_all(&mut connection).await.unwrap()
        }
    }
}

#[expect(
    clippy::disallowed_methods,
    reason = "the variables are for the tests; the store itself reads none"
)]
fn variable(name: &str) -> Option<String> {
    std::env::var(name).ok()
}

/// Written past the test harness, which would capture `eprintln!`.
fn report_skipped() {
    let thread = std::thread::current();
    let test = thread.name().unwrap_or("a test");
    let line = format!("{test} did NOT run: it needs PostgreSQL; run .ci/postgres cargo test\n");
    std::io::stderr().write_all(line.as_bytes()).unwrap();
}

/// A keyring with one new key.
pub(crate) fn keyring() -> Keyring {
    Keyring::from(Key::generate().unwrap())
}

/// A keyring of these keys; the first one seals.
pub(crate) fn keyring_of(keys: &[&Key]) -> Keyring {
    Keyring::parse(&keyring_text(keys)).unwrap()
}

/// The same as the text of a keyring file.
pub(crate) fn keyring_text(keys: &[&Key]) -> String {
    let keys = keys.iter().map(|key| key.expose());
    keys.map(|key| key.expose_secret().to_owned() + "\n")
        .collect()
}

pub(crate) fn id(text: &str) -> TenantId {
    TenantId::parse(text).unwrap()
}

/// A tenant with a webhook. Its secret is `ID-webhook-s3cr3tcanary`, without the hyphens of the id.
pub(crate) fn webhook(id: &str) -> StoredTenant {
    let secret = secret(id, "webhook");
    tenant(id, StoredCredentials::Webhook { user_id: 7, secret })
}

/// A tenant with all that an application has. Its secrets are `ID-access-s3cr3tcanary` and so on.
pub(crate) fn application(id: &str) -> StoredTenant {
    let expires = Timestamp::from_millisecond(1_800_000_000_123).unwrap();
    let application = StoredApplication {
        client_id: Some(ClientId::parse("local.5a6d.1000").unwrap()),
        client_secret: Some(secret(id, "client")),
        authorization_server: Some("oauth.bitrix.info".to_owned()),
        application_token: Some(secret(id, "application")),
        scopes: vec!["imopenlines".to_owned(), "im,connector \"x\"".to_owned()],
        generation: 1,
        access_token: Some(secret(id, "access")),
        access_token_expires_at: Some(expires),
        refresh_token: Some(secret(id, "refresh")),
    };
    let plan = Plan::Own(RateLimit {
        burst: 70,
        per_second: 0.1,
    });
    StoredTenant {
        plan: Some(plan),
        ..tenant(id, StoredCredentials::Application(application))
    }
}

fn tenant(name: &str, credentials: StoredCredentials) -> StoredTenant {
    let since = Timestamp::from_millisecond(1_750_000_000_456).unwrap();
    StoredTenant {
        id: id(name),
        display_name: format!("The „{name}“ of Ωmega"),
        portal: format!("{name}.bitrix24.example"),
        member_id: Some(MemberId::parse("a223c6b3710f85df22e9377d6c4f7553").unwrap()),
        plan: None,
        credentials,
        disabled: true,
        reauthorization: Some(Reauthorization {
            cause: "invalid_grant".to_owned(),
            since,
        }),
        origin: Origin::Api,
        file_fingerprint: Some([7; 32]),
        last_event: None,
        revision: 0,
        created_at: Timestamp::UNIX_EPOCH,
        updated_at: Timestamp::UNIX_EPOCH,
    }
}

/// A secret that can be searched for.
fn secret(id: &str, what: &str) -> SecretString {
    SecretString::from(format!("{id}-{what}-s3cr3tcanary"))
}

/// The tenant's application, to be changed.
pub(crate) fn application_of(tenant: &mut StoredTenant) -> &mut StoredApplication {
    match &mut tenant.credentials {
        StoredCredentials::Application(application) => application,
        StoredCredentials::Webhook { .. } => panic!("a webhook"),
    }
}

/// Changes a tenant of the store without an objection.
pub(crate) async fn change(
    store: &Store,
    name: &str,
    mut change: impl FnMut(&mut StoredTenant),
) -> StoredTenant {
    let modify = |tenant: &mut StoredTenant| {
        change(tenant);
        Ok::<_, Infallible>(())
    };
    store.modify(&id(name), modify).await.unwrap()
}

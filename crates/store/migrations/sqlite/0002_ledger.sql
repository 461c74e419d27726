-- The same tables as in migrations/postgresql; times are milliseconds since 1970, by the database's clock.

-- What became of the calls with an idempotency key.
CREATE TABLE ledger (
    tenant_id TEXT NOT NULL,
    request_id TEXT NOT NULL,
    -- SHA-256 of what was asked for.
    fingerprint BLOB NOT NULL,
    state TEXT NOT NULL CHECK (state IN ('started', 'answered', 'unknown')),
    -- Bitrix24's answer in JSON.
    answer TEXT CHECK ((answer IS NOT NULL) = (state = 'answered')),
    -- The process that sent it, and which of that process's attempts this is.
    owner TEXT NOT NULL,
    attempt INTEGER NOT NULL,
    started_at INTEGER NOT NULL,
    -- From here on the row counts as deleted.
    expires_at INTEGER NOT NULL,
    PRIMARY KEY (tenant_id, request_id)
) STRICT;

CREATE INDEX ledger_by_expiry ON ledger (expires_at);

-- The processes that serve from this database: none but one, so that nobody asks.
CREATE TABLE replicas (
    id TEXT NOT NULL PRIMARY KEY,
    seen_at INTEGER NOT NULL
) STRICT;

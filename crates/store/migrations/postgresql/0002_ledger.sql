-- The same tables as in migrations/sqlite; times are milliseconds since 1970, by the database's clock.

-- What became of the calls with an idempotency key. A row grows once, so it gets room for that.
CREATE TABLE ledger (
    tenant_id TEXT COLLATE "C" NOT NULL,
    request_id TEXT COLLATE "C" NOT NULL,
    -- SHA-256 of what was asked for.
    fingerprint BYTEA NOT NULL,
    state TEXT NOT NULL CHECK (state IN ('started', 'answered', 'unknown')),
    -- Bitrix24's answer in JSON.
    answer TEXT CHECK ((answer IS NOT NULL) = (state = 'answered')),
    -- The replica that sent it, and which of that replica's attempts this is.
    owner TEXT COLLATE "C" NOT NULL,
    attempt BIGINT NOT NULL,
    started_at BIGINT NOT NULL,
    -- From here on the row counts as deleted.
    expires_at BIGINT NOT NULL,
    PRIMARY KEY (tenant_id, request_id)
) WITH (fillfactor = 70);

CREATE INDEX ledger_by_expiry ON ledger (expires_at);

-- The processes that serve from this database, and when each was last seen.
CREATE TABLE replicas (
    id TEXT COLLATE "C" PRIMARY KEY,
    seen_at BIGINT NOT NULL
);

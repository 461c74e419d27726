-- The same tables as in migrations/sqlite; times are milliseconds since 1970.

-- What a sealed value looks like: src/tenant/sealing.rs.
CREATE TABLE tenants (
    id TEXT COLLATE "C" PRIMARY KEY,
    display_name TEXT NOT NULL,
    portal TEXT NOT NULL,
    member_id TEXT,
    credentials TEXT NOT NULL CHECK (credentials IN ('webhook', 'application')),
    webhook_user_id BIGINT,
    webhook_secret BYTEA,
    client_id TEXT,
    client_secret BYTEA,
    authorization_server TEXT,
    application_token BYTEA,
    -- A list in JSON.
    scopes TEXT NOT NULL,
    access_token BYTEA,
    access_token_expires_at BIGINT,
    refresh_token BYTEA,
    -- Which pair of tokens this is.
    generation BIGINT NOT NULL,
    disabled BOOLEAN NOT NULL,
    reauthorization_cause TEXT,
    reauthorization_since BIGINT,
    origin TEXT NOT NULL CHECK (origin IN ('file', 'api', 'installation')),
    file_fingerprint BYTEA,
    -- The key that sealed this row's secrets, and how many they are.
    sealing_key TEXT,
    sealed_values BIGINT NOT NULL,
    revision BIGINT NOT NULL,
    change_number BIGINT NOT NULL,
    created_at BIGINT NOT NULL,
    updated_at BIGINT NOT NULL
);

CREATE INDEX tenants_by_member ON tenants (client_id, member_id);
CREATE UNIQUE INDEX tenants_by_change ON tenants (change_number);
CREATE INDEX tenants_by_sealing_key ON tenants (sealing_key, sealed_values);
CREATE INDEX tenants_by_state ON tenants (disabled, reauthorization_since);

-- Tenants that are gone. A tenant that gets an old id back counts on from here, so that nobody takes it for the old one.
CREATE TABLE deleted_tenants (
    id TEXT COLLATE "C" PRIMARY KEY,
    revision BIGINT NOT NULL,
    generation BIGINT NOT NULL,
    change_number BIGINT NOT NULL,
    deleted_at BIGINT NOT NULL
);

CREATE UNIQUE INDEX deleted_tenants_by_change ON deleted_tenants (change_number);

-- One row. Every writing transaction takes the next number first and so holds the row until its end: numbers become
-- visible in their order.
CREATE TABLE change_counter (
    only_row BIGINT PRIMARY KEY CHECK (only_row = 1),
    last_change BIGINT NOT NULL
);

INSERT INTO change_counter (only_row, last_change) VALUES (1, 0);

-- Who may refresh a tenant's tokens now.
CREATE TABLE refresh_leases (
    tenant_id TEXT COLLATE "C" PRIMARY KEY,
    owner TEXT NOT NULL,
    expires_at BIGINT NOT NULL
);

-- The database's own clock, which all replicas share.
CREATE VIEW clock (now_milliseconds) AS
    SELECT CAST(EXTRACT(EPOCH FROM clock_timestamp()) * 1000 AS BIGINT);

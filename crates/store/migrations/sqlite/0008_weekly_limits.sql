-- The same table as in migrations/postgresql.

-- What portals said about their weekly limit of network messages. Times are milliseconds since 1970. See docs/adr/0070.
CREATE TABLE weekly_limits (
    -- SHA-256 in hexadecimal: of tenant, portal, line and recipient; or of a portal alone.
    subject TEXT NOT NULL PRIMARY KEY,
    -- When a request with a message began that the portal accepted. NULL for a portal.
    accepted_at INTEGER,
    -- When a request with a later message began that the portal refused for this limit; for a portal, any message.
    refused_at INTEGER,
    -- From here on the row counts as deleted.
    expires_at INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

CREATE INDEX weekly_limits_by_expiry ON weekly_limits (expires_at);

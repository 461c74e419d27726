-- The same table as in migrations/sqlite.

-- What portals said about their weekly limit of network messages. Times are milliseconds since 1970. See docs/adr/0070.
CREATE TABLE weekly_limits (
    -- SHA-256 in hexadecimal: of tenant, portal, line and recipient; or of a portal alone.
    subject TEXT COLLATE "C" PRIMARY KEY,
    -- When a request with a message began that the portal accepted. NULL for a portal.
    accepted_at BIGINT,
    -- When a request with a later message began that the portal refused for this limit; for a portal, any message.
    refused_at BIGINT,
    -- From here on the row counts as deleted.
    expires_at BIGINT NOT NULL
);

CREATE INDEX weekly_limits_by_expiry ON weekly_limits (expires_at);

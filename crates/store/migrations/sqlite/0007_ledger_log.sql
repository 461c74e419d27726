-- What the table `ledger` was: a log that only grows at its end, because rows in the order of random keys cost a page each.
-- Times are milliseconds since 1970. See docs/adr/0049.

-- Calls that were about to be sent, in that order.
CREATE TABLE ledger_starts (
    id INTEGER PRIMARY KEY,
    request BLOB NOT NULL CHECK (length(request) = 16),
    tenant TEXT NOT NULL,
    -- SHA-256 of what was asked for.
    fingerprint BLOB NOT NULL,
    -- The process that sent it, and which of that process's attempts this is.
    owner BLOB NOT NULL CHECK (length(owner) = 16),
    attempt INTEGER NOT NULL,
    started_at INTEGER NOT NULL,
    -- From here on the row counts as deleted.
    expires_at INTEGER NOT NULL
) STRICT;

-- Their outcomes: 1 answered, 2 unknown, 3 not executed (the call counts as deleted).
CREATE TABLE ledger_ends (
    id INTEGER PRIMARY KEY,
    outcome INTEGER NOT NULL CHECK (outcome IN (1, 2, 3)),
    -- Bitrix24's answer in JSON.
    answer TEXT CHECK ((answer IS NOT NULL) = (outcome = 1))
) STRICT;

-- Parts of the log whose keys are in `ledger_keys`. The process has those behind the last one in memory.
CREATE TABLE ledger_slices (
    slice INTEGER PRIMARY KEY,
    first_id INTEGER NOT NULL,
    last_id INTEGER NOT NULL,
    -- When the last of its rows expires.
    expires_at INTEGER NOT NULL
) STRICT;

CREATE TABLE ledger_keys (
    slice INTEGER NOT NULL,
    request BLOB NOT NULL,
    id INTEGER NOT NULL,
    PRIMARY KEY (slice, request, id)
) STRICT, WITHOUT ROWID;

-- Nobody can ask for a key that is not a UUID.
INSERT INTO ledger_starts (request, tenant, fingerprint, owner, attempt, started_at, expires_at)
SELECT unhex(request_id, '-'), tenant_id, fingerprint,
    CASE WHEN length(unhex(owner, '-')) = 16 THEN unhex(owner, '-') ELSE zeroblob(16) END, attempt, started_at, expires_at
FROM ledger
WHERE expires_at > (SELECT now_milliseconds FROM clock) AND length(unhex(request_id, '-')) = 16
ORDER BY started_at, tenant_id, request_id;

INSERT INTO ledger_ends (id, outcome, answer)
SELECT s.id, CASE l.state WHEN 'answered' THEN 1 ELSE 2 END, l.answer
FROM ledger_starts AS s, ledger AS l
WHERE l.tenant_id = s.tenant AND l.state <> 'started' AND l.request_id = lower(
    substr(hex(s.request), 1, 8) || '-' || substr(hex(s.request), 9, 4) || '-' || substr(hex(s.request), 13, 4) || '-' ||
    substr(hex(s.request), 17, 4) || '-' || substr(hex(s.request), 21))
ORDER BY s.id;

DROP TABLE ledger;

-- The columns of the table in migrations/postgresql, for people and for copies.
CREATE VIEW ledger AS
SELECT s.tenant AS tenant_id,
    lower(substr(hex(s.request), 1, 8) || '-' || substr(hex(s.request), 9, 4) || '-' || substr(hex(s.request), 13, 4) || '-' ||
        substr(hex(s.request), 17, 4) || '-' || substr(hex(s.request), 21)) AS request_id,
    s.fingerprint AS fingerprint,
    CASE e.outcome WHEN 1 THEN 'answered' WHEN 2 THEN 'unknown' ELSE 'started' END AS state,
    e.answer AS answer,
    lower(substr(hex(s.owner), 1, 8) || '-' || substr(hex(s.owner), 9, 4) || '-' || substr(hex(s.owner), 13, 4) || '-' ||
        substr(hex(s.owner), 17, 4) || '-' || substr(hex(s.owner), 21)) AS owner,
    s.attempt AS attempt,
    s.started_at AS started_at,
    CASE e.outcome WHEN 3 THEN 0 ELSE s.expires_at END AS expires_at,
    s.id AS id
FROM ledger_starts AS s LEFT JOIN ledger_ends AS e ON e.id = s.id;

-- The next two are for copies into a file that no service uses. A row that is inserted must be new.
CREATE TRIGGER ledger_insert INSTEAD OF INSERT ON ledger BEGIN
    INSERT INTO ledger_starts (id, request, tenant, fingerprint, owner, attempt, started_at, expires_at)
    VALUES (1 + MAX(COALESCE((SELECT MAX(id) FROM ledger_starts), 0), COALESCE((SELECT MAX(last_id) FROM ledger_slices), 0)),
        unhex(NEW.request_id, '-'), NEW.tenant_id, NEW.fingerprint, unhex(NEW.owner, '-'), NEW.attempt, NEW.started_at,
        NEW.expires_at);
    INSERT INTO ledger_ends (id, outcome, answer)
    SELECT last_insert_rowid(), CASE NEW.state WHEN 'answered' THEN 1 ELSE 2 END, NEW.answer WHERE NEW.state <> 'started';
END;

CREATE TRIGGER ledger_delete INSTEAD OF DELETE ON ledger BEGIN
    DELETE FROM ledger_starts WHERE id = OLD.id;
    DELETE FROM ledger_ends WHERE id = OLD.id;
END;

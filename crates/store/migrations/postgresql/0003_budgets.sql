-- What replicas share of a portal's budgets: src/dispatch/sharing.rs.
CREATE TABLE portal_budgets (
    portal TEXT COLLATE "C" PRIMARY KEY,
    -- Requests in the portal's bucket at that time.
    level DOUBLE PRECISION NOT NULL,
    updated_at BIGINT NOT NULL,
    -- Who holds permits, in JSON.
    leases TEXT NOT NULL,
    -- The newest reports of methods' operating time, in JSON.
    operating TEXT NOT NULL
) WITH (fillfactor = 50);

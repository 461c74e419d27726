-- The same table as in PostgreSQL. It stays empty: one process has its budgets in memory.
CREATE TABLE portal_budgets (
    portal TEXT NOT NULL PRIMARY KEY,
    level REAL NOT NULL,
    updated_at INTEGER NOT NULL,
    leases TEXT NOT NULL,
    operating TEXT NOT NULL
) STRICT;

-- What replicas share of a portal's budgets: an account, and what replicas asked since it was written. Replicas compute
-- the account after these asks by themselves: docs/adr/0043-exchange-in-one-statement.md.
DROP TABLE portal_budgets;

CREATE TABLE portal_accounts (
    portal TEXT COLLATE "C" PRIMARY KEY,
    -- The account in JSON; empty before the first.
    account TEXT NOT NULL,
    -- The number of the last ask in it. The asks below have the next numbers.
    number BIGINT NOT NULL,
    -- In JSON, and when each came.
    asks TEXT[] NOT NULL,
    times BIGINT[] NOT NULL,
    updated_at BIGINT NOT NULL
) WITH (fillfactor = 50);

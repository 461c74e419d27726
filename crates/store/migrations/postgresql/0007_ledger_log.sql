-- Only SQLite's table changes: here rows are found by their key, and several replicas write them.
COMMENT ON TABLE ledger IS 'Idempotency records';

-- The same columns as in migrations/sqlite.

-- How many requests a tenant's portal takes; NULL if nobody has said it. Only 'own' has figures.
ALTER TABLE tenants ADD COLUMN plan TEXT CHECK (plan IN ('standard', 'enterprise', 'unlimited', 'own'));
ALTER TABLE tenants ADD COLUMN plan_burst BIGINT;
ALTER TABLE tenants ADD COLUMN plan_per_second DOUBLE PRECISION;

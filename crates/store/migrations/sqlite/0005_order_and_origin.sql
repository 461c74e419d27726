-- The same columns as in migrations/postgresql.

-- When the newest installation event of the tenant was sent, by Bitrix24's clock; NULL if there was none.
ALTER TABLE tenants ADD COLUMN last_event INTEGER;
-- The form of the row's sealed values: src/sealing.rs. Rows from before this column have the first.
ALTER TABLE tenants ADD COLUMN sealed_form INTEGER NOT NULL DEFAULT 1;
-- A sealed value of nothing: proves that the service wrote a row, even one without secrets.
ALTER TABLE tenants ADD COLUMN witness BLOB;
CREATE INDEX tenants_of_first_form ON tenants (id) WHERE sealed_form = 1;

-- A late event must not bring a tenant back that is gone, even under another id.
ALTER TABLE deleted_tenants ADD COLUMN client_id TEXT;
ALTER TABLE deleted_tenants ADD COLUMN member_id TEXT;
ALTER TABLE deleted_tenants ADD COLUMN last_event INTEGER;
CREATE INDEX deleted_tenants_by_member ON deleted_tenants (client_id, member_id) WHERE last_event IS NOT NULL;

-- Which pair of tokens a lease is for; NULL for leases of an earlier version.
ALTER TABLE refresh_leases ADD COLUMN generation INTEGER;

-- Where a process runs, and the ids of its sealing keys, separated by spaces; the first one seals. NULL for processes of an
-- earlier version.
ALTER TABLE replicas ADD COLUMN host TEXT;
ALTER TABLE replicas ADD COLUMN sealing_keys TEXT;

-- The audit log in the order in which it was written. Ids order no changes of one millisecond: those of one request are several, of one time.
ALTER TABLE account_change ADD COLUMN seq bigint;
UPDATE account_change c SET seq = o.seq FROM (SELECT id, row_number() OVER (ORDER BY at, id) AS seq FROM account_change) o WHERE o.id = c.id;
ALTER TABLE account_change ALTER COLUMN seq SET NOT NULL, ALTER COLUMN seq ADD GENERATED ALWAYS AS IDENTITY;
SELECT setval(pg_get_serial_sequence('account_change', 'seq'), coalesce(max(seq), 0) + 1, false) FROM account_change;

DROP INDEX account_change_account;
DROP INDEX account_change_user;
CREATE UNIQUE INDEX account_change_account ON account_change (account_id, seq);
CREATE UNIQUE INDEX account_change_user ON account_change (user_id, seq) WHERE user_id IS NOT NULL;

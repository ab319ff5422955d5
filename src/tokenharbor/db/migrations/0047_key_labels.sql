-- Labels of keys: what an account groups its keys by, a project or a team. Totals by label are those of the keys, added up when they are read.

ALTER TABLE api_key ADD COLUMN label text NOT NULL DEFAULT '';

DROP TRIGGER api_key_added ON api_key;
DROP TRIGGER api_key_edited ON api_key;
CREATE TRIGGER api_key_added AFTER INSERT ON api_key FOR EACH ROW EXECUTE FUNCTION audit_row('key', 'key', 'name', 'label', 'models', 'providers',
    'denied_providers', 'networks', 'quota:usd', 'daily:usd', 'monthly:usd', 'rpm', 'tpm', 'concurrency', 'expires_at');
CREATE TRIGGER api_key_edited AFTER UPDATE OF name, label, models, providers, denied_providers, networks, quota, daily, monthly, rpm, tpm,
    concurrency, expires_at, revoked_at, deleted_at ON api_key FOR EACH ROW EXECUTE FUNCTION audit_row('key', 'key', 'name', 'label', 'models',
    'providers', 'denied_providers', 'networks', 'quota:usd', 'daily:usd', 'monthly:usd', 'rpm', 'tpm', 'concurrency', 'expires_at', 'revoked_at',
    'deleted_at');

-- Whether an account's keys and end users may have each other's kept answers: its owner's choice.

ALTER TABLE account ADD COLUMN shared_cache boolean NOT NULL DEFAULT false;

DROP TRIGGER account_numbered ON account;
CREATE TRIGGER account_numbered
    AFTER UPDATE OF plan, rpm, tpm, concurrency, key_rpm, key_tpm, key_concurrency, free_models, volume, shared_cache ON account
    FOR EACH ROW EXECUTE FUNCTION number_account_change();

CREATE TRIGGER account_cache_shared AFTER UPDATE OF shared_cache ON account
    FOR EACH ROW EXECUTE FUNCTION audit_row('account', '', 'shared_cache');

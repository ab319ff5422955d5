-- The threshold of the volume tier that an account has reached by what it spent of its top-ups since the month began; 0: none. A job
-- writes it, and gateways follow as they follow any change of an account.

ALTER TABLE account ADD COLUMN volume bigint NOT NULL DEFAULT 0 CHECK (volume >= 0);

DROP TRIGGER account_numbered ON account;
CREATE TRIGGER account_numbered
    AFTER UPDATE OF plan, rpm, tpm, concurrency, key_rpm, key_tpm, key_concurrency, free_models, volume ON account
    FOR EACH ROW EXECUTE FUNCTION number_account_change();

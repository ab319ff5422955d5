-- What an account's row says of its keys' requests reaches gateways as a change of its keys does, and its budgets reach its wallet.

-- Each key in force of an account gets a new number. They are locked first: a change of one of them takes its row, then its number.
CREATE FUNCTION number_keys_of(p_account uuid) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
    PERFORM FROM api_key WHERE account_id = p_account AND revoked_at IS NULL ORDER BY id FOR NO KEY UPDATE;
    UPDATE api_key SET change = change WHERE account_id = p_account AND revoked_at IS NULL;
END $$;

CREATE FUNCTION number_account_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF TG_TABLE_NAME = 'wallet' THEN
        PERFORM number_keys_of(NEW.account_id);
    ELSE
        PERFORM number_keys_of(NEW.id);
    END IF;
    RETURN NULL;
END $$;
CREATE TRIGGER account_numbered
    AFTER UPDATE OF plan, rpm, tpm, concurrency, key_rpm, key_tpm, key_concurrency, free_models ON account
    FOR EACH ROW EXECUTE FUNCTION number_account_change();
CREATE TRIGGER wallet_numbered AFTER UPDATE OF topped_up ON wallet
    FOR EACH ROW WHEN (OLD.topped_up IS DISTINCT FROM NEW.topped_up) EXECUTE FUNCTION number_account_change();

-- The budgets are written once, on the account; the wallet's are the database's own copy.
CREATE FUNCTION copy_budgets() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    no_limit CONSTANT bigint := 9223372036854775807;
BEGIN
    UPDATE wallet SET daily = coalesce(NEW.daily, no_limit), monthly = coalesce(NEW.monthly, no_limit) WHERE account_id = NEW.id;
    RETURN NULL;
END $$;
CREATE TRIGGER account_budgeted AFTER UPDATE OF daily, monthly ON account FOR EACH ROW EXECUTE FUNCTION copy_budgets();

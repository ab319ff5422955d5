-- Budgets that an account gives itself, beside what the operator states of it: the lower one of a day and of a month is in its wallet,
-- where holds count, so that neither lifts the other.

ALTER TABLE account
    ADD COLUMN daily_budget bigint CHECK (daily_budget > 0),
    ADD COLUMN monthly_budget bigint CHECK (monthly_budget > 0);

CREATE OR REPLACE FUNCTION copy_budgets() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    no_limit CONSTANT bigint := 9223372036854775807;
BEGIN
    UPDATE wallet SET daily = coalesce(least(NEW.daily, NEW.daily_budget), no_limit),
                      monthly = coalesce(least(NEW.monthly, NEW.monthly_budget), no_limit)
    WHERE account_id = NEW.id;
    RETURN NULL;
END $$;
DROP TRIGGER account_budgeted ON account;
CREATE TRIGGER account_budgeted AFTER UPDATE OF daily, monthly, daily_budget, monthly_budget ON account
    FOR EACH ROW EXECUTE FUNCTION copy_budgets();

CREATE OR REPLACE FUNCTION open_wallet() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    no_limit CONSTANT bigint := 9223372036854775807;
BEGIN
    INSERT INTO wallet (account_id, daily, monthly)
    VALUES (NEW.id, coalesce(least(NEW.daily, NEW.daily_budget), no_limit), coalesce(least(NEW.monthly, NEW.monthly_budget), no_limit))
    ON CONFLICT (account_id) DO UPDATE SET daily = excluded.daily, monthly = excluded.monthly;
    RETURN NULL;
END $$;

-- What the operator changes has records of its own.
CREATE TRIGGER account_budget_edited AFTER UPDATE OF daily_budget, monthly_budget ON account
    FOR EACH ROW EXECUTE FUNCTION audit_row('account', '', 'daily_budget:usd', 'monthly_budget:usd');

DROP INDEX account_budgeted;
CREATE INDEX account_budgeted ON account (id)
    WHERE daily IS NOT NULL OR monthly IS NOT NULL OR daily_budget IS NOT NULL OR monthly_budget IS NOT NULL;

-- Limits of rates, and gateways that are known by an id: what tables need for both. All rates are counted in the rows that a hold
-- writes anyway.

-- One row for each run: a start of one slot (a worker process) of a gateway. `home_id` is the random id that a gateway keeps in its
-- HOME; NULL for runs of releases that knew a gateway by the path in `home`. Until `alive_until` (this database's time) its requests
-- count as open.
ALTER TABLE gateway
    ADD COLUMN home_id uuid,
    ADD COLUMN slot int NOT NULL DEFAULT 0,
    ADD COLUMN alive_until timestamptz NOT NULL DEFAULT '-infinity',
    DROP CONSTRAINT gateway_home_epoch_key;
CREATE UNIQUE INDEX gateway_run ON gateway (home_id, slot, epoch);
CREATE INDEX gateway_alive ON gateway (alive_until) WHERE ended_at IS NULL;

-- `tokens` are reserved in the windows that were open at `placed_at` (this database's time); `open`: it has a place among the requests
-- that are open at once; `free`: it counts as a request of a free model.
ALTER TABLE hold
    ADD COLUMN tokens bigint NOT NULL DEFAULT 0,
    ADD COLUMN placed_at timestamptz NOT NULL DEFAULT '-infinity',
    ADD COLUMN open boolean NOT NULL DEFAULT false,
    ADD COLUMN free boolean NOT NULL DEFAULT false;

-- A window lasts a minute, and begins with the first request that is admitted after the last one's end.
ALTER TABLE key_meter
    ADD COLUMN open int NOT NULL DEFAULT 0,
    ADD COLUMN window_start timestamptz NOT NULL DEFAULT '-infinity',
    ADD COLUMN window_requests int NOT NULL DEFAULT 0,
    ADD COLUMN window_tokens bigint NOT NULL DEFAULT 0,
    DROP CONSTRAINT key_meter_check,
    ADD CHECK (least(spent, held, day_spent, month_spent, open, window_requests, window_tokens) >= 0);

-- The account's own budgets turn over as those of its keys. `topped_up` is what was captured, less what was refunded and disputed.
ALTER TABLE wallet
    ADD COLUMN open int NOT NULL DEFAULT 0,
    ADD COLUMN window_start timestamptz NOT NULL DEFAULT '-infinity',
    ADD COLUMN window_requests int NOT NULL DEFAULT 0,
    ADD COLUMN window_tokens bigint NOT NULL DEFAULT 0,
    ADD COLUMN daily bigint NOT NULL DEFAULT 9223372036854775807,
    ADD COLUMN monthly bigint NOT NULL DEFAULT 9223372036854775807,
    ADD COLUMN day_spent bigint NOT NULL DEFAULT 0,
    ADD COLUMN month_spent bigint NOT NULL DEFAULT 0,
    ADD COLUMN day_end timestamptz NOT NULL DEFAULT '-infinity',
    ADD COLUMN month_end timestamptz NOT NULL DEFAULT '-infinity',
    ADD COLUMN free_start timestamptz NOT NULL DEFAULT '-infinity',
    ADD COLUMN free_requests int NOT NULL DEFAULT 0,
    ADD COLUMN topped_up bigint NOT NULL DEFAULT 0,
    DROP CONSTRAINT wallet_check,
    ADD CHECK (least(spent, held, debt, line_end - spent - held, open, window_requests, window_tokens, day_spent, month_spent, free_requests,
                     topped_up) >= 0);

-- NULL: as the plan, else the edition says; 0: unlimited. `plan` '': the edition's own terms.
ALTER TABLE account
    ADD COLUMN plan text NOT NULL DEFAULT '',
    ADD COLUMN rpm int CHECK (rpm >= 0),
    ADD COLUMN tpm bigint CHECK (tpm >= 0),
    ADD COLUMN concurrency int CHECK (concurrency >= 0),
    ADD COLUMN key_rpm int CHECK (key_rpm >= 0),
    ADD COLUMN key_tpm bigint CHECK (key_tpm >= 0),
    ADD COLUMN key_concurrency int CHECK (key_concurrency >= 0),
    ADD COLUMN daily bigint CHECK (daily > 0),
    ADD COLUMN monthly bigint CHECK (monthly > 0),
    ADD COLUMN free_models boolean NOT NULL DEFAULT false;

-- A limit of a key is a number above zero, or none. What was zero allowed nothing, and must not become unlimited: such a key is revoked.
UPDATE api_key SET revoked_at = coalesce(revoked_at, created_at), quota = nullif(quota, 0), daily = nullif(daily, 0), monthly = nullif(monthly, 0)
WHERE 0 IN (quota, daily, monthly);
ALTER TABLE api_key
    ADD COLUMN tpm bigint CHECK (tpm > 0),
    DROP CONSTRAINT api_key_quota_check,
    DROP CONSTRAINT api_key_daily_check,
    DROP CONSTRAINT api_key_monthly_check,
    ADD CHECK (quota > 0),
    ADD CHECK (daily > 0),
    ADD CHECK (monthly > 0);

-- What was changed on an account, by whom: its plan, its limits, its consent to free models (with the words that were agreed to).
CREATE TABLE account_change (
    id          uuid PRIMARY KEY,
    account_id  uuid NOT NULL REFERENCES account,
    at          timestamptz NOT NULL,
    actor       text NOT NULL,
    field       text NOT NULL,
    before      text NOT NULL,
    after       text NOT NULL,
    wording     text NOT NULL DEFAULT ''
);
CREATE INDEX account_change_account ON account_change (account_id, at);

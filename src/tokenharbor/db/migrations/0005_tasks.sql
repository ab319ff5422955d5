-- Tasks: what a vendor takes minutes for and is billed when it is done. A task's request keeps its hold until then, whatever gateway lives.
-- The settlement is worked out when the task is taken; nothing of what was asked is kept.
CREATE TABLE task (
    request_id     uuid PRIMARY KEY,
    account_id     uuid NOT NULL,
    key_id         uuid NOT NULL,
    endpoint       text NOT NULL,             -- whom to ask
    vendor_id      text NOT NULL,             -- for what
    model          text NOT NULL,
    provider       text NOT NULL,
    edition        text NOT NULL,
    region         text NOT NULL,
    cost           bigint NOT NULL,
    fee            bigint NOT NULL,
    vendor_cost    bigint NOT NULL,
    price_version  bytea NOT NULL,
    salt           bytea NOT NULL,
    detail         bytea NOT NULL,
    state          text NOT NULL DEFAULT 'open' CHECK (state IN ('open', 'done', 'failed')),
    created_at     timestamptz NOT NULL,
    asked_at       timestamptz NOT NULL,      -- when the vendor was last asked
    closed_at      timestamptz
);
CREATE INDEX task_open ON task (asked_at) WHERE state = 'open';

-- Money that comes in: top-ups, what processors captured for them, their events; exchange rates, auto top-up; and what jobs say of themselves.
-- Amounts are nano-USD, amounts of payments minor units of their currency. No row holds what names a person.

-- A customer's intent to pay, then its payment. `idempotency_key` is the customer's: a retry finds the row. `credit` is what is granted,
-- before tax, if it is paid while `rate` lasts. What is taken up again after a crash is a row in state open or pending.
CREATE TABLE top_up (
    id               uuid PRIMARY KEY,
    account_id       uuid NOT NULL REFERENCES account,
    idempotency_key  text NOT NULL,
    processor        text NOT NULL,
    method           text NOT NULL,
    created_at       timestamptz NOT NULL,
    actor            text NOT NULL,                 -- who opened or recorded it
    confirmed_by     text,                          -- the second person of a payment that needs one
    currency         text NOT NULL,
    amount_minor     bigint NOT NULL,               -- what is paid, tax included
    tax_minor        bigint NOT NULL DEFAULT 0,
    credit           bigint NOT NULL,
    rate             text,                          -- units of the currency for a US dollar; NULL: USD
    rate_until       timestamptz,
    state            text NOT NULL CHECK (state IN ('open', 'pending', 'paid', 'failed', 'expired', 'review')),
    processor_id     text,                          -- the processor's object; of a recorded payment its reference
    url              text,                          -- where the payer pays
    capture_id       text,
    automatic        boolean NOT NULL DEFAULT false,
    pretended        boolean NOT NULL DEFAULT false,
    paid_at          timestamptz,
    looks            int NOT NULL DEFAULT 0,        -- how often the sweep has read it
    next_look_at     timestamptz,                   -- NULL: the sweep does not
    fault            text NOT NULL DEFAULT '',
    CHECK (least(amount_minor, credit, tax_minor + 1, amount_minor - tax_minor) > 0),
    CHECK ((state = 'paid') = (paid_at IS NOT NULL)),
    UNIQUE (account_id, idempotency_key)
);
CREATE UNIQUE INDEX top_up_object ON top_up (processor, processor_id);
CREATE UNIQUE INDEX top_up_in_flight ON top_up (account_id) WHERE automatic AND state IN ('open', 'pending');
CREATE INDEX top_up_due ON top_up (next_look_at) WHERE next_look_at IS NOT NULL;
CREATE INDEX top_up_account ON top_up (account_id, created_at);

-- Money that a processor took, and what of it has gone back. `captured` is what was credited for it.
CREATE TABLE capture (
    processor                   text NOT NULL,
    capture_id                  text NOT NULL,
    top_up_id                   uuid NOT NULL UNIQUE REFERENCES top_up,
    account_id                  uuid NOT NULL REFERENCES account,
    lot_id                      uuid NOT NULL UNIQUE,
    currency                    text NOT NULL,
    captured                    bigint NOT NULL,
    captured_minor              bigint NOT NULL,
    refunded                    bigint NOT NULL DEFAULT 0,
    refunded_minor              bigint NOT NULL DEFAULT 0,
    disputed                    bigint NOT NULL DEFAULT 0,
    disputed_minor              bigint NOT NULL DEFAULT 0,
    fee                         bigint NOT NULL DEFAULT 0,  -- the processor's, ours to pay
    instrument                  text NOT NULL DEFAULT '',   -- the keyed hash of what paid; '': nothing stable
    paid_at                     timestamptz NOT NULL,
    refundable_until            timestamptz,                -- the edition's window
    processor_refundable_until  timestamptz,                -- NULL: the processor sets no limit
    dispute_until               timestamptz,                -- the last day of a dispute; NULL: none
    PRIMARY KEY (processor, capture_id),
    CHECK (least(captured, captured_minor, fee + 1) > 0),
    CHECK (least(refunded, refunded_minor, disputed, disputed_minor,
                 captured - refunded - disputed, captured_minor - refunded_minor - disputed_minor) >= 0)
);
CREATE INDEX capture_account ON capture (account_id, paid_at);
CREATE INDEX capture_instrument ON capture (instrument) WHERE instrument <> '';

-- What processors say has changed: a hint. Only what was read again moves money, so an event is handled until that has been done.
CREATE TABLE processor_event (
    processor     text NOT NULL,
    event_id      text NOT NULL,
    kind          text NOT NULL,                -- the processor's own word
    subject       text NOT NULL,                -- payment | capture | refund | dispute | payout | other
    object_id     text NOT NULL,
    top_up_id     text,                         -- as the object shows it
    at            timestamptz NOT NULL,         -- by the processor
    received_at   timestamptz NOT NULL,
    handled_at    timestamptz,
    looks         int NOT NULL DEFAULT 0,
    next_look_at  timestamptz,                  -- NULL: it is handled, or was given up
    fault         text NOT NULL DEFAULT '',
    PRIMARY KEY (processor, event_id)
);
CREATE INDEX processor_event_due ON processor_event (next_look_at) WHERE next_look_at IS NOT NULL;

-- Until when a processor's events have been listed.
CREATE TABLE processor_sweep (
    processor    text PRIMARY KEY,
    swept_until  timestamptz NOT NULL
);

-- What a US dollar costs in another currency, as operators say. The last one counts, until it ends.
CREATE TABLE exchange_rate (
    currency  text NOT NULL,
    set_at    timestamptz NOT NULL,
    per_usd   text NOT NULL,                    -- an exact decimal
    ends_at   timestamptz,
    actor     text NOT NULL,
    PRIMARY KEY (currency, set_at)
);

-- A payer's method that may be charged without them, as the processor names it; erasable.
CREATE TABLE saved_method (
    account_id   uuid NOT NULL REFERENCES account,
    processor    text NOT NULL,
    customer_id  text NOT NULL,
    method_id    text NOT NULL,
    saved_at     timestamptz NOT NULL,
    PRIMARY KEY (account_id, processor)
);

-- Auto top-up of an account: off unless `enabled`. `stop_reason` says why it is off if nobody switched it off.
CREATE TABLE auto_top_up (
    account_id   uuid PRIMARY KEY REFERENCES account,
    enabled      boolean NOT NULL,
    processor    text NOT NULL,
    threshold    bigint NOT NULL CHECK (threshold > 0),
    amount       bigint NOT NULL CHECK (amount > 0),
    month_most   bigint NOT NULL CHECK (month_most >= amount),
    changed_at   timestamptz NOT NULL,
    actor        text NOT NULL,
    stopped_at   timestamptz,
    stop_reason  text NOT NULL DEFAULT ''
);
CREATE INDEX auto_top_up_on ON auto_top_up (account_id) WHERE enabled;

-- What a job did last, and how often.
ALTER TABLE job
    ADD COLUMN last_began_at timestamptz,
    ADD COLUMN last_ended_at timestamptz,
    ADD COLUMN fault text NOT NULL DEFAULT '',
    ADD COLUMN runs bigint NOT NULL DEFAULT 0;

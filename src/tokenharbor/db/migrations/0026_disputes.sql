-- Payments that payers dispute at their bank or processor. Amounts are nano-USD, amounts of payments minor units.

-- `frozen` is what of the lot waits in the place `payout` for the end; `taken` what has left for the processor and counts against the capture;
-- `lost` what it took beyond that.
CREATE TABLE dispute (
    id               uuid PRIMARY KEY,
    processor        text NOT NULL,
    dispute_id       text NOT NULL,                  -- the processor's
    capture_id       text NOT NULL,
    top_up_id        uuid NOT NULL REFERENCES top_up,
    account_id       uuid NOT NULL REFERENCES account,
    lot_id           uuid NOT NULL,
    currency         text NOT NULL,
    amount_minor     bigint NOT NULL,
    state            text NOT NULL CHECK (state IN ('opened', 'funds_withdrawn', 'won', 'lost')),
    frozen           bigint NOT NULL DEFAULT 0 CHECK (frozen >= 0),
    taken            bigint NOT NULL DEFAULT 0 CHECK (taken >= 0),
    taken_minor      bigint NOT NULL DEFAULT 0 CHECK (taken_minor >= 0),
    lost             bigint NOT NULL DEFAULT 0 CHECK (lost >= 0),
    withdrawn_minor  bigint NOT NULL DEFAULT 0 CHECK (withdrawn_minor >= 0),
    opened_at        timestamptz NOT NULL,
    respond_until    timestamptz,
    ended_at         timestamptz,
    looks            int NOT NULL DEFAULT 0,
    next_look_at     timestamptz,                    -- NULL: it has ended
    fault            text NOT NULL DEFAULT '',
    FOREIGN KEY (processor, capture_id) REFERENCES capture,
    UNIQUE (processor, dispute_id)
);
CREATE INDEX dispute_capture ON dispute (processor, capture_id);
CREATE INDEX dispute_account ON dispute (account_id);
CREATE INDEX dispute_due ON dispute (next_look_at) WHERE next_look_at IS NOT NULL;

-- What a dispute took from which lot: the disputed top-up's `own`, `other` top-ups' for what of it was spent, and other top-ups' for spent
-- `reward`s of it. If the dispute is won, the same lots have it again.
CREATE TABLE dispute_part (
    dispute  uuid NOT NULL REFERENCES dispute,
    share    text NOT NULL CHECK (share IN ('own', 'other', 'reward')),
    lot_id   uuid NOT NULL,
    amount   bigint NOT NULL CHECK (amount > 0),
    PRIMARY KEY (dispute, share, lot_id)
);

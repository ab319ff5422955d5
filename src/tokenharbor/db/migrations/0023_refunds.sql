-- Money that goes back: refunds of captures, whoever made them. Amounts are nano-USD, amounts of payments minor units.

-- `amount` is what of the lot the money stands for; `set_aside` what of it waits in the place `payout` until the processor has answered.
-- `closed` is what of it counted against the capture: what exceeds that is a loss of ours.
CREATE TABLE refund (
    id                   uuid PRIMARY KEY,
    top_up_id            uuid NOT NULL REFERENCES top_up,
    account_id           uuid NOT NULL REFERENCES account,
    processor            text NOT NULL,
    capture_id           text NOT NULL,
    lot_id               uuid NOT NULL,
    idempotency_key      text NOT NULL,
    origin               text NOT NULL CHECK (origin IN ('customer', 'operator', 'processor')),
    actor                text NOT NULL,
    reason               text NOT NULL DEFAULT '',
    asked                bigint,                        -- NULL: all that can be refunded
    amount               bigint NOT NULL CHECK (amount > 0),
    reduced              bigint NOT NULL DEFAULT 0 CHECK (reduced >= 0),  -- for cashback that could not be reversed otherwise
    set_aside            bigint NOT NULL CHECK (set_aside BETWEEN 0 AND amount),
    closed               bigint NOT NULL DEFAULT 0 CHECK (closed BETWEEN 0 AND amount),
    closed_minor         bigint NOT NULL DEFAULT 0 CHECK (closed_minor BETWEEN 0 AND amount_minor),
    currency             text NOT NULL,
    amount_minor         bigint NOT NULL CHECK (amount_minor > 0),
    state                text NOT NULL CHECK (state IN ('review', 'asked', 'called', 'done', 'failed', 'rejected')),
    processor_refund_id  text,
    asked_at             timestamptz NOT NULL,
    decided_by           text,                          -- who approved or rejected it
    ended_at             timestamptz,
    looks                int NOT NULL DEFAULT 0,
    next_look_at         timestamptz,                   -- NULL: the sweep does not look
    fault                text NOT NULL DEFAULT '',
    FOREIGN KEY (processor, capture_id) REFERENCES capture,
    UNIQUE (account_id, idempotency_key)
);
CREATE UNIQUE INDEX refund_object ON refund (processor, processor_refund_id);
CREATE INDEX refund_capture ON refund (processor, capture_id);
CREATE INDEX refund_account ON refund (account_id, asked_at);
CREATE INDEX refund_due ON refund (next_look_at) WHERE next_look_at IS NOT NULL;

-- Credit that is paid out: withdrawals, and to whom. Amounts are nano-USD, amounts of payments minor units.

-- To whom an account's credit may be paid. A payee never changes; another address is another payee. `digest` is that of the row of
-- `payee_address`, which alone names a person.
CREATE TABLE payee (
    id           uuid PRIMARY KEY,
    account_id   uuid NOT NULL REFERENCES account,
    processor    text NOT NULL,
    kind         text NOT NULL,                  -- of address, in the processor's words
    digest       bytea NOT NULL,
    added_at     timestamptz NOT NULL,
    actor        text NOT NULL,
    verified_at  timestamptz,
    verified_by  text,                           -- an operator
    removed_at   timestamptz,
    CHECK ((verified_at IS NULL) = (verified_by IS NULL))
);
CREATE INDEX payee_account ON payee (account_id);

-- The address itself, erasable. One address is of one account.
CREATE TABLE payee_address (
    payee_id   uuid PRIMARY KEY REFERENCES payee,
    processor  text NOT NULL,
    kind       text NOT NULL,
    address    text NOT NULL,
    salt       bytea NOT NULL
);
CREATE UNIQUE INDEX payee_address_once ON payee_address (processor, kind, lower(address));

-- Credit that leaves: to a payee, as one payout, or to what paid for a top-up, as a refund of it. `amount` is the credit, `asked` what was
-- asked for.
CREATE TABLE withdrawal (
    id                   uuid PRIMARY KEY,
    account_id           uuid NOT NULL REFERENCES account,
    idempotency_key      text NOT NULL,
    actor                text NOT NULL,
    reason               text NOT NULL DEFAULT '',
    payee_id             uuid REFERENCES payee,
    refund_id            uuid UNIQUE REFERENCES refund,
    processor            text NOT NULL,
    pretended            boolean NOT NULL,
    asked                bigint,                 -- NULL: all that can leave
    amount               bigint NOT NULL CHECK (amount > 0),
    currency             text NOT NULL,
    amount_minor         bigint NOT NULL CHECK (amount_minor > 0),
    fee                  bigint NOT NULL DEFAULT 0 CHECK (fee >= 0),  -- the processor's, ours to pay
    state                text NOT NULL CHECK (state IN ('asked', 'approved', 'called', 'done', 'failed', 'rejected', 'cancelled')),
    processor_payout_id  text,                   -- the processor's object; of one that is paid by hand its reference
    asked_at             timestamptz NOT NULL,
    decided_by           text,                   -- who approved, rejected or cancelled it
    decided_at           timestamptz,
    called_at            timestamptz,            -- when the processor was asked first
    ended_at             timestamptz,
    looks                int NOT NULL DEFAULT 0,
    next_look_at         timestamptz,            -- NULL: the sweep does not look
    fault                text NOT NULL DEFAULT '',
    UNIQUE (account_id, idempotency_key),
    CHECK ((payee_id IS NULL) <> (refund_id IS NULL))
);
CREATE UNIQUE INDEX withdrawal_object ON withdrawal (processor, processor_payout_id);
CREATE INDEX withdrawal_account ON withdrawal (account_id, asked_at);
CREATE INDEX withdrawal_due ON withdrawal (next_look_at) WHERE next_look_at IS NOT NULL;

-- What of a payout each lot gives. `reduced` is cashback that a top-up's lot had earned and that was spent: the payee does not get it.
-- Until the payout has ended, `amount` waits in the place `payout`.
CREATE TABLE withdrawal_part (
    id             uuid PRIMARY KEY,
    withdrawal_id  uuid NOT NULL REFERENCES withdrawal,
    lot_id         uuid NOT NULL REFERENCES lot,
    amount         bigint NOT NULL CHECK (amount > 0),
    reduced        bigint NOT NULL DEFAULT 0 CHECK (reduced >= 0),
    UNIQUE (withdrawal_id, lot_id)
);

ALTER TABLE refund DROP CONSTRAINT refund_origin_check,
    ADD CONSTRAINT refund_origin_check CHECK (origin IN ('customer', 'operator', 'processor', 'withdrawal'));

-- A withdrawal to what paid is as far as its refund.
CREATE FUNCTION follow_refund() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    UPDATE withdrawal SET state = CASE NEW.state WHEN 'review' THEN 'asked' WHEN 'asked' THEN 'approved' ELSE NEW.state END,
        decided_by = NEW.decided_by, ended_at = NEW.ended_at, fault = NEW.fault
    WHERE refund_id = NEW.id;
    RETURN NULL;
END $$;
CREATE TRIGGER refund_followed AFTER UPDATE OF state, fault ON refund
    FOR EACH ROW WHEN (NEW.origin = 'withdrawal') EXECUTE FUNCTION follow_refund();

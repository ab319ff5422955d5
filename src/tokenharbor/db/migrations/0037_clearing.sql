-- What passes through processors, in full: what a dispute moved and when we learned it, and what processors keep for themselves.

-- `minor` is what the processor has taken, below zero what it has given back; `fee` is ours to pay, in nano-USD.
CREATE TABLE dispute_move (
    dispute  uuid NOT NULL REFERENCES dispute,
    number   int NOT NULL,
    at       timestamptz NOT NULL,
    minor    bigint NOT NULL,
    fee      bigint NOT NULL,
    PRIMARY KEY (dispute, number),
    CHECK (minor <> 0 OR fee <> 0)
);
INSERT INTO dispute_move SELECT id, 1, opened_at, withdrawn_minor, 0 FROM dispute WHERE withdrawn_minor > 0;

-- Fees of processors, by what they were kept for; nano-USD. In the books: from `expense/processor_fee` to the processor's clearing account in USD.
CREATE VIEW processor_fee AS
    SELECT processor, 'capture' AS kind, capture_id AS id, paid_at AS at, fee AS amount FROM capture WHERE fee > 0
    UNION ALL
    SELECT d.processor, 'dispute', d.dispute_id, m.at, m.fee FROM dispute_move m JOIN dispute d ON d.id = m.dispute WHERE m.fee <> 0
    UNION ALL
    SELECT processor, 'withdrawal', processor_payout_id, ended_at, fee FROM withdrawal WHERE state = 'done' AND payee_id IS NOT NULL AND fee > 0;

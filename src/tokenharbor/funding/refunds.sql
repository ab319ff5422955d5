-- Refunds, and the remaining amounts of captures.

-- name: capture
-- A capture, with the sums of its refunds that are not done.
SELECT c.*, coalesce((SELECT sum(r.amount) FROM refund r WHERE r.processor = c.processor AND r.capture_id = c.capture_id
                      AND r.state IN ('review', 'asked', 'called')), 0)::bigint AS leaving,
    coalesce((SELECT sum(r.amount_minor) FROM refund r WHERE r.processor = c.processor AND r.capture_id = c.capture_id
              AND r.state IN ('review', 'asked', 'called')), 0)::bigint AS leaving_minor
FROM capture c WHERE c.processor = $1 AND c.capture_id = $2

-- name: captures
-- All captures of an account, oldest first, with the sums of their refunds that are not done.
SELECT c.*, coalesce(r.amount, 0)::bigint AS leaving, coalesce(r.minor, 0)::bigint AS leaving_minor
FROM capture c LEFT JOIN LATERAL (SELECT sum(amount) AS amount, sum(amount_minor) AS minor FROM refund
                                  WHERE processor = c.processor AND capture_id = c.capture_id AND state IN ('review', 'asked', 'called')) r ON true
WHERE c.account_id = $1 ORDER BY c.paid_at, c.capture_id

-- name: add_returned
-- Adds to the refunded amount of a capture; a negative amount has come back.
UPDATE capture SET refunded = refunded + $3, refunded_minor = refunded_minor + $4 WHERE processor = $1 AND capture_id = $2

-- name: short
-- Refunds of a capture that left us a loss, since others had taken that part, oldest first.
SELECT * FROM refund WHERE processor = $1 AND capture_id = $2 AND state = 'done' AND closed < amount ORDER BY id

-- name: add
-- Adds a refund.
INSERT INTO refund (id, top_up_id, account_id, processor, capture_id, lot_id, idempotency_key, origin, actor, reason, asked, amount, reduced,
                    set_aside, currency, amount_minor, state, processor_refund_id, asked_at, next_look_at)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18, $19, $20)
RETURNING *

-- name: refund
-- A refund by its id.
SELECT * FROM refund WHERE id = $1

-- name: by_key
-- A refund by its account's idempotency key.
SELECT * FROM refund WHERE account_id = $1 AND idempotency_key = $2

-- name: by_object
-- A refund by the id of the processor's object.
SELECT * FROM refund WHERE processor = $1 AND processor_refund_id = $2

-- name: refunds
-- The refunds of an account, or of all, oldest first.
SELECT * FROM refund WHERE ($1::uuid IS NULL OR account_id = $1) AND ($2::text IS NULL OR state = $2) ORDER BY id

-- name: recent
-- The number of refunds that an account's customer has asked for since a time, without those that failed or were rejected.
SELECT count(*) FROM refund WHERE account_id = $1 AND asked_at > $2 AND origin = 'customer' AND state NOT IN ('failed', 'rejected')

-- name: set_decided
-- Stores an operator's decision on a refund in review.
UPDATE refund SET state = $2, decided_by = $3, reason = CASE WHEN $4 = '' THEN reason ELSE $4 END, next_look_at = $5,
    ended_at = CASE WHEN $2 = 'rejected' THEN $6::timestamptz END
WHERE id = $1 RETURNING *

-- name: set_called
-- Marks a refund as known to the processor and not paid yet.
UPDATE refund SET state = 'called', processor_refund_id = $2, fault = '' WHERE id = $1 RETURNING *

-- name: set_done
-- Marks a refund as done: the money has left.
UPDATE refund SET state = 'done', processor_refund_id = $2, closed = $3, closed_minor = $4, ended_at = $5, next_look_at = NULL, fault = ''
WHERE id = $1 RETURNING *

-- name: set_failed
-- Marks a refund as failed: the money did not leave, or came back.
UPDATE refund SET state = 'failed', processor_refund_id = coalesce($2, processor_refund_id), closed = 0, closed_minor = 0, set_aside = 0,
    ended_at = $3, next_look_at = NULL, fault = $4
WHERE id = $1 RETURNING *

-- name: set_settled_by
-- Stores who records the outcome.
UPDATE refund SET settled_by = $2 WHERE id = $1

-- name: set_fault
-- Stores why the last try failed; if $3 (final), there is no further try.
UPDATE refund SET fault = $2, next_look_at = CASE WHEN $3 THEN NULL ELSE next_look_at END WHERE id = $1 RETURNING *

-- name: claim_due
-- Claims refunds that are due and sets the time of the next try, so that a try is repeated if its process dies.
UPDATE refund SET looks = looks + 1, next_look_at = $1 + CASE looks
    WHEN 0 THEN interval '15 seconds' WHEN 1 THEN interval '1 minute' WHEN 2 THEN interval '5 minutes' ELSE interval '1 hour' END
WHERE id IN (SELECT id FROM refund WHERE next_look_at <= $1 ORDER BY next_look_at LIMIT $2 FOR UPDATE SKIP LOCKED)
RETURNING id

-- name: lock_reference
-- Locks a bank's reference until the end of the transaction.
SELECT pg_advisory_xact_lock(hashtextextended('bank reference ' || $1::text, 0))

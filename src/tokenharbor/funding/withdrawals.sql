-- Withdrawals, and the lots that give credit for them.

-- name: add
-- Adds a withdrawal.
INSERT INTO withdrawal (id, account_id, idempotency_key, actor, reason, payee_id, refund_id, processor, pretended, asked, amount,
                        currency, amount_minor, state, asked_at, next_look_at)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16)

-- name: add_part
-- Adds the credit that a lot gives for a withdrawal.
INSERT INTO withdrawal_part (id, withdrawal_id, lot_id, amount, reduced) VALUES ($1, $2, $3, $4, $5)

-- name: withdrawal
-- A withdrawal by its id.
SELECT * FROM withdrawal WHERE id = $1

-- name: by_key
-- A withdrawal by its account's idempotency key.
SELECT * FROM withdrawal WHERE account_id = $1 AND idempotency_key = $2

-- name: by_object
-- A withdrawal by the id of the processor's object.
SELECT * FROM withdrawal WHERE processor = $1 AND processor_payout_id = $2

-- name: withdrawals
-- The withdrawals of an account, or of all, oldest first.
SELECT * FROM withdrawal WHERE ($1::uuid IS NULL OR account_id = $1) AND ($2::text IS NULL OR state = $2) ORDER BY id

-- name: parts
-- The parts of withdrawals.
SELECT * FROM withdrawal_part WHERE withdrawal_id = ANY ($1) ORDER BY id

-- name: asked_since
-- The sum of an account's withdrawals asked for since a time, without those that ended unpaid.
SELECT coalesce(sum(amount), 0)::bigint FROM withdrawal
WHERE account_id = $1 AND asked_at >= $2 AND state NOT IN ('failed', 'rejected', 'cancelled')

-- name: uncalled
-- An account's withdrawals whose processor was not asked yet; of those that are refunds, only those that wait for approval.
SELECT id FROM withdrawal WHERE account_id = $1 AND (state = 'asked' OR state = 'approved' AND payee_id IS NOT NULL) ORDER BY id

-- name: from_top_ups
-- The sum that top-ups, and credit that came back from them, have given for payouts, without payouts that ended unpaid.
SELECT coalesce(sum(p.amount), 0)::bigint FROM withdrawal w JOIN withdrawal_part p ON p.withdrawal_id = w.id JOIN lot l ON l.id = p.lot_id
WHERE w.account_id = $1 AND w.state NOT IN ('failed', 'rejected', 'cancelled') AND l.origin IN ('top-up', 'returned')

-- name: topped_up
-- An account's sum of top-ups, less what went back.
SELECT topped_up FROM wallet WHERE account_id = $1

-- name: has_pretended
-- Whether a payment of an account was pretended.
SELECT EXISTS (SELECT FROM top_up WHERE account_id = $1 AND pretended AND state = 'paid')

-- name: count_open_to
-- The number of open withdrawals to a payee.
SELECT count(*) FROM withdrawal WHERE payee_id = $1 AND state IN ('asked', 'approved', 'called')

-- name: set_decided
-- Stores a person's decision on a withdrawal that waited for approval.
UPDATE withdrawal SET state = $2, decided_by = $3, decided_at = $4, next_look_at = $5, reason = CASE WHEN $6 = '' THEN reason ELSE $6 END,
    ended_at = CASE WHEN $2 IN ('rejected', 'cancelled') THEN $4::timestamptz END
WHERE id = $1

-- name: set_calling
-- Marks a withdrawal as called, before the processor is asked.
UPDATE withdrawal SET state = 'called', called_at = coalesce(called_at, $2) WHERE id = $1

-- name: set_called
-- Stores that the processor has the payout and has not paid yet.
UPDATE withdrawal SET processor_payout_id = $2, next_look_at = coalesce(next_look_at, $3), fault = '' WHERE id = $1

-- name: set_done
-- Marks a withdrawal as done: the money has left.
UPDATE withdrawal SET state = 'done', processor_payout_id = $2, fee = $3, ended_at = $4, next_look_at = NULL, fault = '' WHERE id = $1

-- name: set_failed
-- Marks a withdrawal as failed: the money did not leave, or came back.
UPDATE withdrawal SET state = 'failed', processor_payout_id = coalesce($2, processor_payout_id), ended_at = $3, next_look_at = NULL, fault = $4
WHERE id = $1

-- name: set_settled_by
-- Stores who records the outcome.
UPDATE withdrawal SET settled_by = $2 WHERE id = $1

-- name: set_fault
-- Stores why the last try failed; if $3 (final), there is no further try.
UPDATE withdrawal SET fault = $2, next_look_at = CASE WHEN $3 THEN NULL ELSE next_look_at END WHERE id = $1

-- name: claim_due
-- Claims withdrawals that are due and sets the time of the next try, so that a try is repeated if its process dies.
UPDATE withdrawal SET looks = looks + 1, next_look_at = $1 + CASE looks
    WHEN 0 THEN interval '15 seconds' WHEN 1 THEN interval '1 minute' WHEN 2 THEN interval '5 minutes' ELSE interval '1 hour' END
WHERE id IN (SELECT id FROM withdrawal WHERE next_look_at <= $1 ORDER BY next_look_at LIMIT $2 FOR UPDATE SKIP LOCKED)
RETURNING id

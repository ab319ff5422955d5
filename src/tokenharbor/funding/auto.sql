-- Auto top-up.

-- name: get
-- An account's auto top-up.
SELECT * FROM auto_top_up WHERE account_id = $1

-- name: lock
-- Locks an account's auto top-up for a decision. The wallet is locked first.
SELECT * FROM auto_top_up WHERE account_id = $1 FOR UPDATE

-- name: put
-- Switches auto top-up on, whatever it was before.
INSERT INTO auto_top_up (account_id, enabled, processor, threshold, amount, month_most, changed_at, actor)
VALUES ($1, true, $2, $3, $4, $5, $6, $7)
ON CONFLICT (account_id) DO UPDATE SET enabled = true, processor = excluded.processor, threshold = excluded.threshold, amount = excluded.amount,
    month_most = excluded.month_most, changed_at = excluded.changed_at, actor = excluded.actor, stopped_at = NULL, stop_reason = '', stop_code = ''
RETURNING *

-- name: stop
-- Stops auto top-up with a reason.
UPDATE auto_top_up SET enabled = false, stopped_at = $3, stop_reason = $2, stop_code = $4 WHERE account_id = $1 AND enabled RETURNING account_id

-- name: switch_off
-- Switches auto top-up off, as a person wants it.
UPDATE auto_top_up SET enabled = false, changed_at = $2, actor = $3, stopped_at = NULL, stop_reason = '', stop_code = '' WHERE account_id = $1 RETURNING *

-- name: low
-- Accounts that may be due: the balance, held amounts included, is below the threshold, and no charge is in flight.
SELECT a.account_id FROM auto_top_up a JOIN wallet w ON w.account_id = a.account_id
WHERE a.enabled AND w.debt = 0 AND w.line_end - w.spent < a.threshold
  AND NOT EXISTS (SELECT FROM top_up t WHERE t.account_id = a.account_id AND t.automatic AND t.state IN ('open', 'pending'))
ORDER BY a.account_id

-- name: situation
-- An account's balance (held amounts included), its debt, and its automatic top-ups: the latest, one in flight, their sum since $2.
SELECT w.line_end - w.spent AS unspent, w.debt, max(t.created_at) AS latest,
    coalesce(bool_or(t.state IN ('open', 'pending')), false) AS in_flight,
    coalesce(sum(t.credit) FILTER (WHERE t.created_at >= $2 AND t.state IN ('open', 'pending', 'paid', 'review')), 0)::bigint AS this_month
FROM wallet w LEFT JOIN top_up t ON t.account_id = w.account_id AND t.automatic
WHERE w.account_id = $1 GROUP BY w.account_id

-- name: spending
-- Spending of the whole account and of each key in force: today and before, and how many whole days before today the account or key
-- has existed.
SELECT NULL::uuid AS key_id, CASE WHEN $2 >= w.day_end THEN 0 ELSE w.day_spent END AS today,
    w.spent - CASE WHEN $2 >= w.day_end THEN 0 ELSE w.day_spent END AS before,
    ($2 AT TIME ZONE 'UTC')::date - (a.created_at AT TIME ZONE 'UTC')::date AS days
FROM wallet w JOIN account a ON a.id = w.account_id WHERE w.account_id = $1
UNION ALL SELECT m.key_id, CASE WHEN $2 >= m.day_end THEN 0 ELSE m.day_spent END AS today,
    m.spent - CASE WHEN $2 >= m.day_end THEN 0 ELSE m.day_spent END AS before,
    ($2 AT TIME ZONE 'UTC')::date - (k.created_at AT TIME ZONE 'UTC')::date AS days
FROM key_meter m JOIN api_key k ON k.id = m.key_id WHERE m.account_id = $1 AND k.revoked_at IS NULL

-- name: saved
-- An account's saved methods, oldest first, with the method of the top-up that saved each.
SELECT s.processor, s.saved_at, (SELECT t.method FROM top_up t WHERE t.account_id = s.account_id AND t.processor = s.processor AND t.save_method
                                 AND t.state = 'paid' ORDER BY t.paid_at DESC LIMIT 1) AS method
FROM saved_method s WHERE s.account_id = $1 ORDER BY s.saved_at, s.processor

-- Volume: the spending of top-ups by accounts in the current UTC month.

-- name: place_volumes
-- Writes to each account's row the highest of the thresholds $2 that it has reached at $1, and returns the accounts whose row changed. The
-- month is the last `month_spent` of the line before `spent`. Of a capture only the part that was not refunded or disputed counts.
WITH month AS (
    SELECT w.account_id, w.spent, w.spent - CASE WHEN $1 >= w.month_end THEN 0 ELSE w.month_spent END AS began
    FROM wallet w JOIN account a ON a.id = w.account_id
    WHERE a.volume > 0 OR ($1 < w.month_end AND w.month_spent >= (SELECT min(t) FROM unnest($2::bigint[]) t))
), of_lot AS (
    SELECT m.account_id, s.lot_id, sum(least(s.end_at, m.spent) - greatest(s.start_at, m.began)) AS amount
    FROM month m JOIN segment s ON s.account_id = m.account_id AND s.start_at < m.spent AND s.end_at > m.began
    GROUP BY 1, 2
), of_top_ups AS (
    SELECT o.account_id, sum(least(o.amount, c.captured - c.refunded - c.disputed)) AS amount
    FROM of_lot o JOIN capture c ON c.lot_id = o.lot_id
    GROUP BY 1
), reached AS (
    SELECT m.account_id, coalesce((SELECT max(t) FROM unnest($2::bigint[]) t WHERE t <= o.amount), 0) AS volume
    FROM month m LEFT JOIN of_top_ups o USING (account_id)
)
UPDATE account a SET volume = r.volume FROM reached r WHERE a.id = r.account_id AND a.volume <> r.volume
RETURNING a.id
